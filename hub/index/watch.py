"""Who is told how far the making of an index is."""

from collections.abc import Mapping
from typing import Any, Protocol


class Watch(Protocol):
    """Who is told how far a run is; each call may raise to end it."""

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
