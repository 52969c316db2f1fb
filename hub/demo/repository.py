"""A repository that looks like somebody's work, the same one every time; made with no network and no git."""

import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pygit2

from hub.demo.sources import LANGUAGES, Language, function, preamble, readings

COMMITS = 320
STATIONS = 420
STATIONS_A_COMMIT = 3
SEED = 1861
"""The year of the first tide prediction machine's plan; any number will do as long as it stays."""
BEGAN_S = 1_650_000_000
PEOPLE = (
    ("Ada Brook", "ada@harbour.example"),
    ("Jun Sato", "jun@harbour.example"),
    ("Mira Holm", "mira@harbour.example"),
    ("Théo Marchand", "theo@harbour.example"),
)
FOLDERS = ("core", "tides", "berths", "pilots", "web", "tools", "weather", "charts")
THINGS = (
    "anchor", "berth", "buoy", "cargo", "channel", "chart", "crane", "current", "draught", "ferry", "fog", "gauge",
    "lock", "manifest", "mooring", "pilot", "quay", "signal", "storm", "tide", "tug", "vessel", "watch", "wave",
)  # fmt: skip


def make_repository(path: Path) -> None:
    """A bare repository with branches, tags and a merge. `path` appears only once it is whole."""
    draft = path.with_name(path.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    _History(pygit2.init_repository(draft, bare=True, initial_head="main")).write()
    draft.rename(path)


class _History:
    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository
        self._random = random.Random(SEED)  # noqa: S311 - meant to be the same each time
        self._index = pygit2.Index()
        self._texts: dict[str, str] = {}
        self._changed: set[str] = set()
        self._at_s = BEGAN_S

    def write(self) -> None:
        repository = self._repository
        self._put("README.md", "# Harbour\n\nWho may berth where, and when the tide lets them.\n")
        self._put("LICENSE", "Do with it as you like.\n")
        head = self._commit("Begin", [])
        stations = iter(range(STATIONS))
        side: pygit2.Oid | None = None
        for number in range(1, COMMITS):
            message = (number % 2 == 0 and self._measure(stations)) or self._work()
            parents = [head, side] if side else [head]
            head = self._commit(f"Merge branch 'faster-tides'\n\n{message}" if side else message, parents)
            side = None
            if number % 80 == 0:
                name = f"v0.{number // 80}.0"
                repository.create_tag(name, head, pygit2.enums.ObjectType.COMMIT, self._who(), f"Release {name}")
            if number == COMMITS // 2:
                side = self._branch("faster-tides", head)
        repository.references.create("refs/heads/main", head)
        self._branch("spring-cleaning", head)
        repository.pack()
        for loose in (Path(repository.path) / "objects").glob("[0-9a-f][0-9a-f]"):
            shutil.rmtree(loose)

    def _work(self) -> str:
        """Grow or begin a file or a few; the commit's subject."""
        language, thing = self._random.choice(LANGUAGES), self._random.choice(THINGS)
        folder = self._random.choice(FOLDERS)
        for _ in range(self._random.randint(1, 4)):
            path = f"{folder}/{self._random.choice(THINGS)}_{thing}{language.suffix}"
            self._grow(path, language)
        verb = self._random.choice(("Measure", "Explain", "Check", "Speed up", "Simplify", "Round", "Remember"))
        return f"{verb} the {thing} in {folder}"

    def _grow(self, path: str, language: Language) -> None:
        text = self._texts.get(path) or preamble(language, Path(path).stem)
        for _ in range(self._random.randint(2, 6)):
            text += function(language, self._random, THINGS)
        self._put(path, text)

    def _measure(self, stations: Iterator[int]) -> str:
        """Add what the next few stations read; the commit's subject, or nothing when all are there."""
        names = []
        for number in itertools.islice(stations, STATIONS_A_COMMIT):
            names.append(f"station {number}")
            # In every folder, so that the bytes of a transfer are spread as evenly as its objects.
            folder = FOLDERS[number % len(FOLDERS)]
            self._put(f"{folder}/readings/station-{number:03d}.csv", readings(self._random, self._at_s))
        return f"Add readings of {', '.join(names)}" if names else ""

    def _branch(self, name: str, start: pygit2.Oid) -> pygit2.Oid:
        """A branch of a few commits. The next commit on the main line goes on from its files."""
        tip = start
        for _ in range(5):
            tip = self._commit(self._work(), [tip])
        self._repository.references.create(f"refs/heads/{name}", tip)
        return tip

    def _put(self, path: str, text: str) -> None:
        self._texts[path] = text
        self._changed.add(path)

    def _commit(self, message: str, parents: list[pygit2.Oid]) -> pygit2.Oid:
        for path in sorted(self._changed):
            blob = self._repository.create_blob(self._texts[path].encode())
            self._index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
        self._changed.clear()
        self._at_s += self._random.randint(600, 200_000)
        who = self._who()
        tree = self._index.write_tree(self._repository)
        return self._repository.create_commit(None, who, who, message + "\n", tree, parents)

    def _who(self) -> pygit2.Signature:
        return pygit2.Signature(*self._random.choice(PEOPLE), self._at_s, 120)
