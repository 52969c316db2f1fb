"""Terms: on which publishers are served."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    silence_s: float = 3600.0
    """Of one that promised nothing."""
    cancel_s: float = 60.0
    most: int = 2000
    """Live jobs."""
    most_of_project: int = 500
    events_per_s: float = 5000.0
    """Of one project; 0: any number."""
