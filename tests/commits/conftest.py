import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.commits.database import NAME, Database
from tests.conftest import missing


@pytest.fixture(params=("git", "libgit2"))
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def needs_git() -> None:
    if shutil.which("git") is None:
        missing("git")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "data" / NAME) as database:
        yield database
