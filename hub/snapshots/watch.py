"""How work on snapshots tells what it does, and hears that it is to stop."""

from collections.abc import Mapping
from typing import Any, Protocol


class Watch(Protocol):
    """A job's report. Every method raises once the work is to stop, so whoever calls often stops soon."""

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


class Unwatched:
    """Nobody looks, and nobody stops it."""

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


def size_text(count: int) -> str:
    """Bytes as people say them: 999 B, 2.4 GB."""
    value, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the last one stays when it is that much
        if value < 999.5:
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.3g} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"
