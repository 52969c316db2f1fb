"""What routes answer is what the document says, and they read the parameters that it names."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hub.web.openapi.document import OPERATIONS
from hub.web.openapi.operation import Operation
from tests.contract_api.conformance import of_schema, problem_of
from tests.contract_api.house import API, House, furnished
from tests.fuzz.under_fire import what_is_there
from tests.hubs import Running, running

READS = [each for each in OPERATIONS.values() if each.method == "GET"]
STREAMS = ("/clone-progress", "/progress", "/stream")
ALLOWED = {"/api/v1/events": {"logs"}}
"""Parameters that mean nothing there, and are no mistake."""
WANTED = {"url": "https://example.org/repo.git", "project_path": "/", "path": "README", "q": "parse"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[House]:
    async with furnished(tmp_path) as made:
        yield made


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as made:
        yield made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    names: set[str] = set()
    query = web.BaseRequest.query

    class Remembered:
        def __init__(self, found: Any) -> None:
            self._found = found

        def get(self, name: str, *default: Any) -> Any:
            names.add(name)
            return self._found.get(name, *default)

        def getall(self, name: str, *default: Any) -> Any:
            names.add(name)
            return self._found.getall(name, *default)

        def __getitem__(self, name: str) -> Any:
            names.add(name)
            return self._found[name]

        def __contains__(self, name: str) -> bool:
            names.add(name)
            return name in self._found

        def __iter__(self) -> Iterator[str]:
            names.update(self._found)
            return iter(self._found)

        def keys(self) -> Any:  # which only the check against the document asks for
            return self._found.keys()

    def remembered(request: web.BaseRequest) -> Any:
        return Remembered(query.__get__(request))

    monkeypatch.setattr(web.BaseRequest, "query", property(remembered))
    return names


async def test_every_read_answers_as_the_document_says_and_reads_what_it_names(hub: House, read: set[str]) -> None:
    known = await what_is_there(hub)
    for operation in READS:
        if operation.path.endswith(STREAMS) and operation.path != "/api/v1/projects/{project}/progress":
            continue
        read.clear()
        address = where(operation, known)
        async with hub.session.get(hub.url + address) as response:
            text = await response.read()
            assert response.status == 200, f"{address}: {response.status} {text[:300]!r}"
        assert problem_of("GET", address, response.status, response.headers, text) is None
        named = {each.name for each in operation.query} - ALLOWED.get(operation.path, set())
        assert read - {"access_token", "watch"} == named, operation.id


async def test_every_sort_of_message_is_as_the_document_says(hub: House) -> None:
    message = of_schema(json.dumps({"$ref": "#/components/schemas/WebSocketMessage"}))
    told = set()
    async with hub.session.ws_connect(f"{hub.url}{API}/projects/training/events?since=00000000-1") as socket:
        await socket.send_json({"op": "subscribe", "id": 1, "project": "code"})
        await socket.send_json({"op": "ping", "id": "p"})
        await socket.send_json({"op": "unsubscribe", "id": 2, "project": "code"})
        await socket.send_json({"op": "nonsense"})
        for part in (
            {"type": "stage", "stage": "fit"},
            {"type": "log", "message": "x"},
            {"type": "progress", "current": 50},
        ):
            event = {"job": "run-8", "kind": "train", **part}
            await hub.call("POST", f"{API}/projects/training/publish", {"events": [event]})
        wanted = {"hello", "reset", "snapshot", "heartbeat", "job", "stage", "log", "progress"}
        wanted |= {"subscribed", "unsubscribed", "pong", "error"}
        while not wanted <= told:
            said = await socket.receive_json(timeout=10)
            message.validate(said)
            told.add(said["type"])


async def test_a_parameter_that_is_not_there_is_refused_and_the_compatible_apis_pass_it_over(plain: Running) -> None:
    status, body, _ = await plain.call("GET", f"{API}/jobs?stat=failed")
    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert "'stat'" in body["error"]["message"]
    assert "state" in body["error"]["message"]
    assert (await plain.call("GET", "/api/status?x=1"))[0] == 200
    assert (await plain.call("GET", "/healthz?at=1"))[0] == 200


@pytest.mark.parametrize(
    ("path", "allowed"), [(f"{API}/projects", "GET, HEAD, POST"), ("/repos/scan", "POST"), (f"{API}/sync", "POST")]
)
async def test_an_address_says_what_it_can_do(plain: Running, path: str, allowed: str) -> None:
    async with plain.session.options(plain.url + path) as response:
        assert (response.status, response.headers["Allow"]) == (204, allowed)
    async with plain.session.request("PROPFIND", plain.url + path) as response:
        assert response.status == 405
        assert set(allowed.split(", ")) <= set(response.headers["Allow"].split(","))


async def test_the_document_and_its_page_are_there_for_everybody_and_sent_again_only_when_changed(
    plain: Running,
) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path, media in ((f"{API}/openapi.json", "application/json"), ("/docs", "text/html")):
            async with stranger.get(plain.url + path) as response:
                assert (response.status, response.content_type) == (200, media)
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                assert "script" not in response.headers["Content-Security-Policy"]
                etag = response.headers["ETag"]
            async with stranger.get(plain.url + path, headers={"If-None-Match": etag}) as response:
                assert response.status == 304


def where(operation: Operation, known: dict[str, str]) -> str:
    path = operation.path
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    names = [
        each.name
        for each in operation.query
        if each.name in WANTED and operation.path.rpartition("/")[2] in {"file", "search"}
    ]
    return path + ("?" + "&".join(f"{name}={WANTED[name]}" for name in names) if names else "")
