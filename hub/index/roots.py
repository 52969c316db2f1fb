"""May a folder be read? Only with all that it, or the repository in it, leads to."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.index.errors import SourceGone, SourceRefused
from hub.index.source import GONE, GitSource, open_source


def check_inside(path: Path, roots: Sequence[str]) -> None:
    """Raise SourceRefused when the folder, or the objects of a repository in it, lie outside of the roots.

    A `.git` file, a link, or a repository that borrows objects can name any place of the machine.
    """
    allowed = [Path(root).resolve() for root in roots]
    try:
        places = [path, *_object_folders(path)]
        is_inside = all(any(place.resolve().is_relative_to(root) for root in allowed) for place in places)
    except GONE as exc:
        raise SourceGone(f"The folder {path} cannot be read: {exc}") from exc
    except RuntimeError as exc:  # a loop of links
        raise SourceGone(f"The folder {path} leads nowhere.") from exc
    if not is_inside:
        raise SourceRefused(f"The folder {path}, or the repository in it, leads outside of the setting `roots`.")


def _object_folders(path: Path) -> Iterator[Path]:
    if isinstance(source := open_source(path), GitSource):
        yield Path(source.repo.path)
        waiting, seen = [Path(source.repo.path)], set[Path]()
        common = Path(source.repo.path, "commondir")
        if common.is_file():
            waiting = [Path(source.repo.path, common.read_text().strip())]
        while waiting and len(seen) < _MOST_ALTERNATES:
            folder = waiting.pop()
            objects = folder if folder.name == "objects" else folder / "objects"
            if objects in seen:
                continue
            seen.add(objects)
            yield objects
            alternates = objects / "info" / "alternates"
            if alternates.is_file():
                waiting += [objects / line for line in alternates.read_text().splitlines() if line]


_MOST_ALTERNATES = 20
