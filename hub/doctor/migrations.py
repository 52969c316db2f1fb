"""The databases whose schema is the sum of numbered scripts, and where these are."""

from pathlib import Path

from hub import commits, journal, snapshots, sql
from hub.backups.contents import COMMITS, JOURNAL

CATALOG = "catalog.sqlite3"
FOLDERS = {
    name: Path(package.__path__[0]) / "migrations"
    for name, package in ((JOURNAL, journal), (COMMITS, commits), (CATALOG, snapshots))
}
"""By the file's name."""


def newest(name: str) -> int:
    """The number of the last migration that this version knows."""
    return sql.migrations(FOLDERS[name])[-1][0]
