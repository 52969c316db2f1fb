"""The folders in which jobs work, and what becomes of them. All of this blocks: call it in a thread."""

import contextlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.jobs.base import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The work that a job left for its retry."""

    job: str
    project: str
    kind: str


class Folders:
    """Inside the data folder: `projects/<project>`, each a home; `work/<job>`; `kept/<project>/<kind>/<job>`, at most
    one for each project and kind; and `trash`, for removing a hundred thousand files takes seconds, and renaming their
    folder none.
    """

    def __init__(self, data: Path) -> None:
        self._work = data / "work"
        self._kept = data / "kept"
        self._trash = data / "trash"
        self._homes = data / "projects"

    def home(self, project: str) -> Path:
        return self._homes / project

    def workspace(self, job: str, project: str) -> Workspace:
        return Workspace(work=self._work / job, home=self.home(project))

    def settle(self, left: Iterable[Kept]) -> set[str]:
        """Begin: keep the work of the jobs `left` by an earlier process, and remove all other work.

        Returns the jobs whose work is kept.
        """
        for folder in (self._work, self._kept, self._trash):
            folder.mkdir(parents=True, exist_ok=True)
        kept = {one.job for one in left if self.keep(one) or self.is_kept(one)}
        for folder in self._work.iterdir():
            self._discard(folder)
        self.sweep()
        return kept

    def open(self, workspace: Workspace, wanted: Kept, *, resumed: str | None) -> bool:
        """Make the work folder of the job `wanted`; with `resumed`, out of the work which that job left.

        Returns whether it was there. What other jobs of the project and kind left goes: this one is newer.
        """
        workspace.home.mkdir(parents=True, exist_ok=True)
        found = None
        for folder in list(_entries(self._kept / wanted.project / wanted.kind)):
            if folder.name == resumed:
                found = folder
            else:
                self._discard(folder)
        if found is None:
            workspace.work.mkdir(parents=True, exist_ok=True)
            return False
        found.rename(workspace.work)
        return True

    def keep(self, job: Kept) -> bool:
        """Put the job's work aside for a retry; False when there is none."""
        work = self._work / job.job
        if not any(_entries(work)):
            return False
        place = self._kept / job.project / job.kind
        self.drop(job.project, job.kind)
        place.mkdir(parents=True, exist_ok=True)
        work.rename(place / job.job)
        os.utime(place / job.job)  # its age counts from here
        return True

    def give_back(self, job: str, of: Kept) -> None:
        """Put aside again what `job`, which has not begun after all, took of another job's kept work."""
        work, place = self._work / job, self._kept / of.project / of.kind
        if any(_entries(work)) and not (place / of.job).exists():
            place.mkdir(parents=True, exist_ok=True)
            work.rename(place / of.job)

    def inherit(self, job: Kept, of: str) -> bool:
        """Keep for `job`, which never worked, what the job `of` left for it; False when there is nothing."""
        place = self._kept / job.project / job.kind
        with contextlib.suppress(FileNotFoundError):
            (place / of).rename(place / job.job)
            return True
        return False

    def discard(self, job: str) -> None:
        """Put the job's work out of the way; `sweep` removes it."""
        self._discard(self._work / job)

    def drop(self, project: str, kind: str) -> None:
        """Keep nothing any more for this project and kind."""
        for folder in list(_entries(self._kept / project / kind)):
            self._discard(folder)

    def forget(self, project: str) -> None:
        """Remove all that jobs have made for a project that is gone."""
        self._discard(self._kept / project)
        remove(self.home(project))
        self.sweep()

    def kept(self) -> list[Kept]:
        return [
            Kept(job=job.name, kind=kind.name, project=project.name)
            for project in _entries(self._kept)
            for kind in _entries(project)
            for job in _entries(kind)
        ]

    def is_kept(self, job: Kept) -> bool:
        return (self._kept / job.project / job.kind / job.job).is_dir()

    def expire(self, older_than_s: float) -> None:
        """Keep no work that was put aside longer ago than this."""
        for kept in self.kept():
            folder = self._kept / kept.project / kept.kind / kept.job
            with contextlib.suppress(FileNotFoundError):  # a retry has just taken it
                if time.time() - folder.stat().st_mtime > older_than_s:
                    self._discard(folder)

    def sweep(self) -> None:
        """Remove what was put out of the way."""
        for folder in list(_entries(self._trash)):
            remove(folder)

    def _discard(self, folder: Path) -> None:
        try:
            folder.rename(self._trash / uuid.uuid4().hex)
        except FileNotFoundError:
            pass  # it was never made
        except OSError:
            remove(folder)


def kept_folder(home: Path) -> Path:
    """Where the kept work of the project with this home is."""
    return home.parents[1] / "kept" / home.name


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from folder.iterdir()


def remove(folder: Path) -> None:
    """Remove a folder and all in it, read-only parts included; no complaint when it is not there."""

    def unlock(function: Any, path: str, failure: Any) -> None:
        if isinstance(failure[1], FileNotFoundError):  # somebody else removes it, too
            return
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            if function in {os.unlink, os.rmdir}:
                function(path)
            else:  # a folder that cannot be looked into
                Path(path).chmod(0o700)
                shutil.rmtree(path)

    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, onerror=unlock)
    else:
        folder.unlink(missing_ok=True)
    if folder.exists():
        log.error("a work folder could not be removed: %s", folder, extra={"action": "work_left"})
