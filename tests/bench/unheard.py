"""A report that nobody hears: work is measured, and not what it says."""

from collections.abc import Mapping
from typing import Any


class Unheard:
    """See `hub.core.report.Report`."""

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
