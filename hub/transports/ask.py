"""What a watcher asks for: one reading of the same parameters for every transport."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from hub.core.cohorts import CohortKey
from hub.core.composition import View
from hub.core.errors import BadRequest
from hub.core.ports import Encoding
from hub.transports.permit import Permit

CADENCES_MS = (0, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)
"""What `min_interval_ms` is rounded up to, so that watchers who want nearly the same share their bytes."""
MAX_WAIT_S = 55.0
"""Below the 60 s after which common proxies give up on an answer."""


def cadence(min_interval_ms: int) -> int:
    return next((step for step in CADENCES_MS if step >= min_interval_ms), CADENCES_MS[-1])


def whole(query: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """A whole number out of a query. Raises BadRequest for anything else or out of bounds."""
    text = query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}.")
    return value


def seconds(query: Mapping[str, str], name: str, most: float) -> float:
    """Seconds out of a query, 0 when absent. Raises BadRequest."""
    try:
        value = float(query.get(name, "0"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:  # also refuses NaN
        raise BadRequest(f"{name} must be a number of seconds from 0 to {most:g}.")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`project` None is the feed of all projects. Raises BadRequest."""

    project: str | None
    cursor: str | None
    cadence_ms: int
    job: str | None
    logs: bool
    projects: frozenset[str] | None = None
    """Of the feed, the only ones that are shown; None: all."""

    def __post_init__(self) -> None:
        if self.job is not None and self.project is None:
            raise BadRequest("A job is watched on its own project's events; the feed is of all jobs.")

    @classmethod
    def read(cls, project: str | None, query: Mapping[str, str], last_event_id: str | None = None) -> Self:
        """Raises BadRequest. `Last-Event-ID` beats `since`: the browser's own memory is the newer one."""
        return cls(
            project=project,
            cursor=last_event_id or query.get("since"),
            cadence_ms=cadence(whole(query, "min_interval_ms", 0, 60_000, 0)),
            job=query.get("job"),
            logs=project is not None and query.get("logs", "1") not in {"0", "false"},
        )

    def within(self, permit: Permit) -> Self:
        """The same, as far as the permit goes. Raises Forbidden where it does not reach."""
        permit.check(self.project, self.job)
        return replace(self, projects=permit.projects) if self.project is None else self

    def key(self, encoding: Encoding, *, closes: bool, states: bool = False, absorbs: bool = False) -> CohortKey:
        """`states`, `absorbs`: see View."""
        view = View(
            job=self.job,
            logs=self.logs,
            closes=closes and self.job is not None,
            states=states,
            absorbs=absorbs,
            projects=self.projects,
        )
        return CohortKey(encoding=encoding, cadence_ms=self.cadence_ms, view=view)
