"""A watch whose every report says how many files a snapshot has so far, and how large they are."""

from collections.abc import Mapping
from typing import Any

from hub.core.report import Report
from hub.snapshots.sizes import size_text


class Counted:
    """Passes on to another watch. The counts go into each report's detail, under the names that watchers of it know."""

    def __init__(self, watch: Report) -> None:
        self._watch = watch
        self.files = 0
        self.bytes = 0

    @property
    def counts(self) -> dict[str, Any]:
        return {"fileCount": self.files, "totalSize": self.bytes, "totalSizeText": size_text(self.bytes)}

    def stage(self, name: str) -> None:
        self._watch.stage(name)

    def progress(
        self,
        current: int,
        total: int | None = None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self._watch.progress(current, total, unit, message, {**self.counts, **(detail or {})})

    def log(self, message: str, level: str = "info") -> None:
        self._watch.log(message, level)

    def check(self) -> None:
        self._watch.check()
