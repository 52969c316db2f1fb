"""The table and the recipes of README's "Behind a proxy", through the programs themselves."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing
from pathlib import Path

import aiohttp
import pytest

from hub.client import Hub, link, rungs
from hub.core.events import State
from tests.conftest import until
from tests.fakes import job_body, log_body
from tests.hubs import Running, Watch, running
from tests.proxies.programs import haproxy, nginx
from tests.proxies.sights import EVENTS, Sight, sight

pytestmark = pytest.mark.proxy

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Behind a proxy")[2].partition("\n## ")[0]
RECIPES = dict(re.findall(r"```(nginx|haproxy)\n(.*?)```", SECTION, re.DOTALL))
BARE_NGINX = "server { listen PORT; location / { proxy_pass http://HUB; %s } }"
BARE_HAPROXY = """
frontend hub
    bind 127.0.0.1:PORT
    default_backend hub
backend hub
    server hub HUB
"""
IMPATIENT = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n"
DEAF = "proxy_ignore_headers X-Accel-Buffering;"
Start = Callable[[Path, str], AbstractContextManager[str]]
WAYS: dict[str, tuple[Start, str]] = {
    "nginx, `proxy_pass` alone": (nginx, BARE_NGINX % ""),
    "the same with `proxy_http_version 1.1`": (nginx, BARE_NGINX % "proxy_http_version 1.1;"),
    "nginx that ignores `X-Accel-Buffering`": (nginx, BARE_NGINX % DEAF),
    "the same with `proxy_http_version 1.1`, too": (nginx, BARE_NGINX % (DEAF + " proxy_http_version 1.1;")),
    "haproxy, the address alone": (haproxy, BARE_HAPROXY),
    "nginx as below": (nginx, RECIPES.get("nginx", "")),
    "haproxy as below": (haproxy, RECIPES.get("haproxy", "")),
}


def told() -> Iterator[tuple[str, Sight]]:
    """The table's rows."""
    for line in SECTION.partition("\n### ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "proxy":
            ws, sse, poll, client = cells[1:]
            yield cells[0], Sight(ws=ws, sse=sse, poll=poll, client=client)


TOLD = dict(told())


def filled(sections: str, hub: Running) -> str:
    """The hub and a free port in the place of the documented addresses."""
    place = hub.url.removeprefix("http://")
    sections = sections.replace("HUB", place).replace("127.0.0.1:8470", place)
    return re.sub(r"listen 80;", "listen 127.0.0.1:PORT;", sections).replace("bind :80\n", "bind 127.0.0.1:PORT\n")


def test_the_table_tells_of_every_way_that_is_tried() -> None:
    assert list(TOLD) == list(WAYS)


@pytest.mark.parametrize("name", WAYS)
async def test_what_passes_is_what_the_table_says(hub: Running, tmp_path: Path, name: str) -> None:
    start, sections = WAYS[name]
    with start(tmp_path, filled(sections, hub)) as url:
        assert await sight(hub, url) == TOLD[name]


@pytest.mark.parametrize("name", ["nginx as below", "haproxy as below"])
async def test_behind_a_recipe_the_page_of_that_host_may_do_everything(hub: Running, tmp_path: Path, name: str) -> None:
    """Browsers send the Origin, and the proxy may have changed the Host."""
    start, sections = WAYS[name]
    headers = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
    with start(tmp_path, filled(sections, hub)) as url:
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.ws_connect(url + EVENTS) as socket:
                assert (await socket.receive_json())["type"] == "hello"
            async with session.post(f"{url}/api/v1/projects", json={"url": "https://example.org/q.git"}) as response:
                assert response.status == 201
            async with session.get(f"{url}/") as response:
                assert response.status == 200
            stranger = {"Origin": "https://elsewhere.example"}
            async with session.post(f"{url}/api/v1/projects", json={}, headers=stranger) as response:
                assert response.status == 403


async def test_a_hub_that_was_not_told_its_public_name_says_so(tmp_path: Path) -> None:
    headers = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
    refusals = []
    async with running(tmp_path / "data") as hub, aiohttp.ClientSession(headers=headers) as session:
        for start, sections in (WAYS["nginx as below"], WAYS["haproxy as below"]):
            with start(tmp_path, filled(sections, hub)) as url:
                projects = f"{url}/api/v1/projects"
                async with session.get(projects) as look, session.post(projects, json={}) as touch:
                    refusals.append((look.status, touch.status, (await touch.json())["error"]["code"]))
    assert refusals == [(200, 403, "foreign_origin"), (403, 403, "unknown_host")]


async def test_heartbeats_quicker_than_a_proxys_patience_keep_a_quiet_stream_alive(tmp_path: Path) -> None:
    impatient = IMPATIENT.replace("client 5s", "client 1s").replace("server 5s", "server 1s")
    async with running(tmp_path / "data", heartbeat_s=0.3) as hub:
        await hub.make_project()
        with haproxy(tmp_path, filled(impatient + BARE_HAPROXY, hub)) as url:
            async with hub.session.ws_connect(url + EVENTS) as socket:
                kinds = [(await socket.receive_json(timeout=5))["type"] for _ in range(10)]
    assert kinds == ["hello", "snapshot", *["heartbeat"] * 8]


@pytest.mark.parametrize("rung", rungs.RUNGS, ids=lambda rung: rung.name)
async def test_a_proxy_less_patient_than_the_heartbeats_costs_reconnects_and_nothing_else(
    hub: Running, tmp_path: Path, rung: rungs.Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 s of silence are allowed here, heartbeats come every 10 s, and a poll may wait 20 s."""
    monkeypatch.setattr(link, "RUNGS", (rung,))
    watch, cuts = Watch(), list[link.Link]()
    watch.epoch = hub.hub.tracker.epoch

    def on_link(state: link.Link) -> None:
        if not state.live:
            cuts.append(state)

    async def tell() -> None:
        await until(lambda: watch.cursor)
        hub.publish("p", "j1", log_body("before"))
        await until(lambda: cuts, 20)
        hub.publish("p", "j1", log_body("while away"))
        await hub.settle()
        hub.publish("p", "j1", job_body(State.SUCCEEDED))

    with haproxy(tmp_path, filled(IMPATIENT + BARE_HAPROXY, hub)) as url:
        telling = asyncio.create_task(tell())
        async with (
            asyncio.timeout(50),
            Hub(url, pace=link.Pace(shortest_s=0.1)) as client,
            aclosing(client.watch(job="j1", on_link=on_link)) as messages,
        ):
            async for message in messages:
                watch.take(message)
        await telling
    assert [m["message"] for m in watch.of("log")] == ["before", "while away"]
    assert (len(watch.of("snapshot")), watch.of("job")[-1]["state"]) == (1, "succeeded")
