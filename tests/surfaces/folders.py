"""Folders to index."""

from pathlib import Path


def folder(path: Path, files: int) -> str:
    """Made at `path`, with so many modules of one function each."""
    path.mkdir()
    for n in range(files):
        (path / f"m{n}.py").write_text(f"def f{n}():\n    return {n}\n")
    return str(path)
