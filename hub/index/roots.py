"""May a folder be read? Only with all that it, or the repository in it, leads to."""

from collections.abc import Sequence
from pathlib import Path

from hub.git_folders import stays_inside
from hub.index.errors import SourceGone, SourceRefused
from hub.index.source import GONE, GitSource, open_source


def check_inside(path: Path, roots: Sequence[str]) -> None:
    """Raise SourceRefused when the folder, or the objects of a repository in it, lie outside of the roots.

    A `.git` file, a link, or a repository that borrows objects can name any place of the machine.
    """
    allowed = [Path(root).resolve() for root in roots]

    def is_open(place: Path) -> bool:
        return any(place.is_relative_to(root) for root in allowed)

    try:
        is_inside = is_open(path.resolve())
        if is_inside and isinstance(source := open_source(path), GitSource):
            is_inside = stays_inside(Path(source.repo.path), is_open)
    except GONE as exc:
        raise SourceGone(f"The folder {path} cannot be read: {exc}") from exc
    except RuntimeError as exc:  # a loop of links
        raise SourceGone(f"The folder {path} leads nowhere.") from exc
    if not is_inside:
        raise SourceRefused(f"The folder {path}, or the repository in it, leads outside of the setting `roots`.")
