"""Code search: an index of one project's text and symbols in one SQLite file, and the searching in it.

A document is a blob, known by its git id and never rewritten. The index says which documents hold which trigrams; a
query takes the documents that hold all of its own, reads them from git (or the folder), and checks.
"""

from pathlib import Path

FILE = "index.sqlite3"


def place(home: Path) -> Path:
    """Where the index of the project with this folder lies."""
    return home / FILE
