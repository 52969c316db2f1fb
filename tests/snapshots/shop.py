"""A project's store and folders, and what can be done with them, as the jobs do it."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.snapshots import manifest, pruning, restoring, snapshot
from hub.snapshots.backend import Backend, Location, ObjectStore
from hub.snapshots.entries import Entry
from hub.snapshots.store import Store
from hub.snapshots.taking import Places, Taking, Wanted
from hub.snapshots.verification import Verification


class Notes:
    """A watch that remembers."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self.stages: list[str] = []
        self.logs: list[tuple[str, str]] = []
        self.progresses: list[tuple[str, int, int | None, str, Mapping[str, Any]]] = []
        self._check = check

    def stage(self, name: str) -> None:
        self._check()
        self.stages.append(name)

    def progress(self, current, total=None, unit="", message="", detail=None) -> None:
        self._check()
        self.progresses.append((self.stages[-1], current, total, message, dict(detail or {})))

    def log(self, message: str, level: str = "info") -> None:
        self.logs.append((level, message))

    def check(self) -> None:
        self._check()

    def said(self, words: str) -> bool:
        return any(words in message for _, message in self.logs)


class Shop:
    def __init__(self, base: Path, backend: Backend | None = None, *, pauses_s: tuple[float, ...] = (0.0,) * 3) -> None:
        self.base = base
        self.folder = base / "folder"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.backend = backend or ObjectStore(Location(url=str(base / "store")))
        self.pauses_s = pauses_s
        self.state = base / "state"
        self.work = base / "work"
        self.watching: Callable[[], Notes] = Notes
        self.notes = Notes()

    @property
    def packs(self) -> list[Path]:
        return sorted((self.base / "store" / "packs").glob("*"))

    def store(self, notes: Notes | None = None) -> Store:
        notes = notes or self.notes
        return Store(
            self.backend, check=notes.check, tell=lambda words: notes.log(words, "warning"), pauses_s=self.pauses_s
        )

    def take(self, *, keep_work: bool = False, notes: Notes | None = None, **wanted: Any) -> Mapping[str, Any]:
        self.notes = notes or self.watching()
        given = Wanted(**{"folder": self.folder, "project": "p", "source": "folder", **wanted})
        result = Taking(given, self.store(), Places(work=self.work, state=self.state), self.notes).run()
        if not keep_work:
            shutil.rmtree(self.work)
        return result

    def restore(self, id_: str, to: str = "restored", **wanted: Any) -> Path:
        self.notes = self.watching()
        target = self.base / to
        given = restoring.Wanted(snapshot=id_, to=target, **wanted)
        self.restored = restoring.Restoring(given, self.store(), self.notes).run()
        return target

    def verify(self) -> Verification:
        """Raises Damaged."""
        self.notes = self.watching()
        self.verification = Verification(self.store(), self.state, self.notes)
        self.verified = self.verification.run()
        return self.verification

    def prune(self, **wanted: Any) -> Mapping[str, Any]:
        self.notes = self.watching()
        given = pruning.Wanted(**wanted)
        return pruning.Pruning(given, self.store(), self.state, self.notes, self.base / "store").run()

    def ids(self) -> list[str]:
        return snapshot.ids(self.store())

    def root(self, id_: str) -> manifest.Root:
        return manifest.read_root(self.store(), snapshot.read(self.store(), id_).root)

    def entries(self, id_: str) -> dict[bytes, Entry]:
        store = self.store()
        found = manifest.entries(lambda ref: manifest.read_segment(store, ref), self.root(id_))
        return {entry.path: entry for entry in found}
