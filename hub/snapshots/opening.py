"""Where a project's snapshots are: in the store that the settings name, or in a folder of the project's own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hub.snapshots import environment
from hub.snapshots.backend import Location, ObjectStore
from hub.snapshots.store import Store

STATE = "snapshots"
"""In the project's home: catalog, lock, and unless there is another, the store."""


def state(home: Path) -> Path:
    return home / STATE


def location(
    url: str,
    project: str,
    home: Path,
    options: Sequence[str],
    secrets: Mapping[str, str],
) -> Location:
    """`url` empty: the folder of the project's own, which goes with the project."""
    return Location(
        url=url or str(state(home) / "store"),
        prefix=project if url else "",
        options=environment.parsed(options),
        secrets={name: text for name, text in secrets.items() if name in environment.SECRETS},
    )


def opened(
    where: Location, check: Callable[[], None] | None = None, tell: Callable[[str], None] = lambda words: None
) -> Store:
    """Raises StoreMisconfigured."""
    return Store(ObjectStore(where), check=check, tell=tell)
