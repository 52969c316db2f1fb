"""How work that lasts tells what it does, and hears that it is to stop."""

from collections.abc import Mapping
from typing import Any, Protocol


class Report(Protocol):
    """How a run tells what it does. Calls are cheap and may be as frequent as the work's own callbacks.

    Every method raises once the work is to stop (in a job's process: `Cancelled`), so a run that reports needs no other
    check.
    """

    def stage(self, name: str) -> None:
        """Enter the stage `name` of the kind's plan."""

    def progress(
        self,
        current: int,
        total: int | None = None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """How far the present stage is; `total` None means unknown. At most 20 a second leave the child."""

    def log(self, message: str, level: str = "info") -> None:
        """A line to keep; at most 50 a second, then "n lines left out"."""

    def check(self) -> None:
        """Raise if the work is to stop; for stretches of work that report nothing."""


class Unheard:
    """A report that goes nowhere; the work never stops for it."""

    def stage(self, name: str) -> None: ...
    def progress(
        self,
        current: int,
        total: int | None = None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None: ...
    def log(self, message: str, level: str = "info") -> None: ...
    def check(self) -> None: ...
