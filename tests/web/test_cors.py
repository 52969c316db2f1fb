"""Cross-origin requests: for the origins that were named, and for no other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hubs import Running, running

NAMED, OTHER = "https://tools.example", "https://evil.example"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", cors_origins=(NAMED,)) as hub:
        yield hub


async def test_a_named_origin_may_read_and_write(hub: Running) -> None:
    _, _, headers = await hub.call("GET", "/api/v1/jobs", headers={"Origin": NAMED})
    assert headers["Access-Control-Allow-Origin"] == NAMED
    assert "Origin" in headers["Vary"]
    asked = {"Origin": NAMED, "Access-Control-Request-Method": "POST"}
    async with hub.session.options(hub.url + "/api/v1/projects", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == NAMED
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Last-Event-ID" in response.headers["Access-Control-Allow-Headers"]
    status, _, headers = await hub.call("POST", "/api/v1/projects", {"id": "x"}, headers={"Origin": NAMED})
    assert status == 201
    assert headers["Access-Control-Allow-Origin"] == NAMED


async def test_streams_are_open_to_it_too(hub: Running) -> None:
    headers = {"Origin": NAMED, "Accept": "text/event-stream"}
    async with hub.session.get(hub.url + "/api/v1/events", headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == NAMED


async def test_another_origin_is_answered_nothing_of_it(hub: Running) -> None:
    _, _, headers = await hub.call("GET", "/api/v1/jobs", headers={"Origin": OTHER})
    assert "Access-Control-Allow-Origin" not in headers
    assert (await hub.call("POST", "/api/v1/projects", {"id": "x"}, headers={"Origin": OTHER}))[0] == 403
    asked = {"Origin": OTHER, "Access-Control-Request-Method": "POST"}
    async with hub.session.options(hub.url + "/api/v1/projects", headers=asked) as response:
        assert response.status == 403


async def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as hub:
        _, _, headers = await hub.call("GET", "/api/v1/jobs", headers={"Origin": NAMED})
        assert "Access-Control-Allow-Origin" not in headers
        assert "Origin" not in headers.get("Vary", "")
