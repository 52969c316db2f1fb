"""Repositories and their commits as a scan writes them: in batches, so that a killed scan loses the last at most."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.commits.database import SQL, Database, RepositoryForgotten
from hub.commits.records import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A repository as the last scan left it."""

    id: int
    shallow: str
    was_cut_short: bool
    """A scan began and did not end: some of the commits that will be found are stored already."""
    heads: frozenset[bytes]


class CommitTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, folder: Path, folders: Iterable[Path], projects: Iterable[str]) -> Known:
        """The repository of this common git folder, made if it is new, with the places and projects that lead to it.

        Raises RepositoryForgotten where all of the projects are.
        """
        with self._database.writing() as db:
            forgotten = {project for (project,) in db.execute(SQL["forgotten"])}
            projects = [project for project in projects if project not in forgotten]
            if not projects:
                raise RepositoryForgotten
            db.execute(SQL["add_repository"], (str(folder),))
            number, shallow, scanning = db.execute(SQL["repository"], (str(folder),)).fetchone()
            db.execute(SQL["forget_folders"], (number,))
            db.executemany(SQL["add_folder"], [(str(path), number) for path in {folder, *folders}])
            for project in projects:
                db.execute(SQL["put_project"], (project, number))
                for (session,) in db.execute(SQL["misplaced_sessions"], (project, number)).fetchall():
                    db.execute(SQL["loosen_session"], (session,))
                    unlink(db, session)
            db.execute(SQL["forget_repositories"])  # one that a project has just moved away from
            heads = frozenset(id_ for (id_,) in db.execute(SQL["heads"], (number,)))
        return Known(id=number, shallow=shallow, was_cut_short=bool(scanning), heads=heads)

    def begin(self, repository: int) -> None:
        with self._database.writing() as db:
            db.execute(SQL["set_scanning"], (1, repository))

    def stored(self, repository: int) -> dict[bytes, bool]:
        """Whether it is gone, for the id of each commit."""
        with self._database.reading() as db:
            return {id_: bool(gone) for id_, gone in db.execute(SQL["commit_ids"], (repository,))}

    def gone(self, repository: int) -> set[bytes]:
        with self._database.reading() as db:
            return {id_ for (id_,) in db.execute(SQL["gone_ids"], (repository,))}

    def add(self, repository: int, rows: Sequence[Row]) -> None:
        """Store commits; those that are there already get what can have become known since, and are not gone."""
        with self._database.writing() as db:
            db.executemany(SQL["add_commit"], [(repository, *row) for row in rows])

    def finish(
        self,
        known: Known,
        *,
        heads: Collection[bytes],
        shallow: str,
        gone: Iterable[bytes],
        back: Iterable[bytes],
    ) -> None:
        """The scan that began with `known` is over: from now on only what is new against `heads` is looked for."""
        repository, back = known.id, list(back)
        with self._database.writing() as db:
            if {id_ for (id_,) in db.execute(SQL["heads"], (repository,))} not in (known.heads, set(heads)):
                # Another scan has ended meanwhile, and may have seen newer heads: the next one looks at everything.
                db.execute(SQL["set_scanning"], (1, repository))
                return
            db.executemany(SQL["set_gone"], [(1, repository, id_) for id_ in gone])
            db.executemany(SQL["set_gone"], [(0, repository, id_) for id_ in back])
            if back:  # their numbers are old, so only stale sessions will see them
                db.execute(SQL["stale_sessions_of"], (repository,))
            db.execute(SQL["clear_heads"], (repository,))
            db.executemany(SQL["add_head"], [(repository, id_) for id_ in heads])
            db.execute(SQL["set_shallow"], (shallow, repository))

    def has_commits(self, repository: int) -> bool:
        with self._database.reading() as db:
            return bool(db.execute(SQL["has_commits"], (repository,)).fetchone()[0])

    def mark_synced(self, repositories: Iterable[int], at_ms: int) -> None:
        with self._database.writing() as db:
            db.executemany(SQL["mark_synced"], [(at_ms, repository) for repository in repositories])

    def forget(self, project: str) -> None:
        """The project is deleted: its sessions go, and its repository where no other project leads there. A sync that
        has begun does not bring it back.
        """
        with self._database.writing() as db:
            db.execute(SQL["keep_forgotten"], (project,))
            db.execute(SQL["forget_project"], (project,))
            db.execute(SQL["forget_sessions_of"], (project,))
            db.execute(SQL["forget_repositories"])

    def expect(self, projects: Iterable[str]) -> None:
        """Projects of these ids are there: those forgotten before them were others."""
        with self._database.reading() as db:
            forgotten = {project for (project,) in db.execute(SQL["forgotten"])}
        if back := forgotten.intersection(projects):
            with self._database.writing() as db:
                db.executemany(SQL["drop_forgotten"], [(project,) for project in back])


def unlink(db: sqlite3.Connection, session: str) -> None:
    """The session is not what it was: no commit is linked to it until it is held against all of them again."""
    db.execute(SQL["drop_links"], (session,))
    db.execute(SQL["drop_near_misses"], (session,))
