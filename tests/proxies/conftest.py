"""A hub to be put behind a proxy, with heartbeats as slow as they are by default."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hubs import Running, running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", allowed_hosts=("hub.example.org",)) as made:
        await made.make_project()
        await made.begin()
        yield made
