"""A hub that may read the test's own folder, and the git server that the jobs' own tests have."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hubs import Running, running
from tests.jobs.conftest import repositories, server

__all__ = ["repositories", "server"]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path),), spare_children=1) as hub:
        yield hub
