"""What the attacks are tried with: a place that nobody may connect to, and repositories that strangers may serve."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel

from hub.core.report import Unheard
from hub.jobs.git import ENGINES
from hub.jobs.git.base import Engine
from tests.jobs.conftest import child as _child
from tests.jobs.conftest import needs
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import Repositories, fill, init

child = _child
LEVELS = (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA)


class Canary:
    """Listens where nobody may connect, and remembers who did."""

    def __init__(self, host: str) -> None:
        self._listener = socket.create_server((host, 0))
        self.host, self.port = self._listener.getsockname()[:2]
        self.visits = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def canary() -> Iterator[Canary]:
    """At 127.0.0.2, where the rules of these tests allow 127.0.0.1 alone. Whoever was there fails the test."""
    canary = Canary("127.0.0.2")
    yield canary
    canary.close()
    assert canary.visits == 0


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    needs("git")
    root = tmp_path_factory.mktemp("served")
    fill(init(root / "small.git"))
    return Repositories(root)


@pytest.fixture
def server(repositories: Repositories) -> Iterator[GitServer]:
    with GitServer(repositories.root) as server:
        yield server


@pytest.fixture(params=("git", "libgit2"))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Run in this process; what libgit2 is set to is put back."""
    needs("git")
    before = {level: pygit2.settings.search_path[level] for level in LEVELS}
    yield ENGINES[request.param]
    for level, path in before.items():
        pygit2.settings.search_path[level] = path


class Notes(Unheard):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.logs: list[str] = []

    def log(self, message: str, level: str = "info") -> None:
        self.logs.append(message)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """A file that any program which an attack has started would make."""
    made = tmp_path / "a-strangers-program-ran"
    yield made
    assert not made.exists()
