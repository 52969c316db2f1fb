"""For browsers without JavaScript, and for places that show nothing but pictures."""

import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hub.core.events import Failure, LogBody, State
from tests.fakes import job_body, progress_body
from tests.hubs import Running, running

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data") as made:
        await made.make_project()
        yield made


async def ask(hub: Running, path: str, **headers: str) -> tuple[int, str, Any]:
    async with hub.session.get(hub.url + path, headers=headers) as response:
        return response.status, await response.text(), response.headers


class Seen(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def first(self, tag: str, **wanted: str) -> dict[str, str | None]:
        return next(attrs for name, attrs in self.elements if name == tag and wanted.items() <= attrs.items())

    def has(self, tag: str, **wanted: str) -> bool:
        return any(name == tag and wanted.items() <= attrs.items() for name, attrs in self.elements)


async def test_a_running_job_is_shown_and_the_page_asks_again_by_itself(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", progress_body(43.7, 437))
    status, text, headers = await ask(hub, "/j/j1")
    seen = Seen(text)
    assert status == 200
    assert seen.first("progress")["value"] == "43"
    assert seen.has("meta", **{"http-equiv": "refresh", "content": "3"})
    assert seen.has("a", href="../#/j/j1")
    assert not seen.has("script")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert text.startswith("<!doctype html>")


async def test_an_ended_job_says_why_and_asks_no_more(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", LogBody(level="error", message="the last word", stage="receiving"))
    error = Failure(code="refused", message="The server refused.", stage="receiving", hint="Try the other.", retry=True)
    hub.publish("p", "j1", job_body(State.FAILED, error=error))
    await hub.settle()
    _, text, _ = await ask(hub, "/j/j1")
    seen = Seen(text)
    assert not seen.has("meta", **{"http-equiv": "refresh"})
    for words in ("Failed", "The server refused.", "Try the other.", "the last word", "Nothing changes here any more."):
        assert words in seen.text
    assert seen.has("div", role="alert")


async def test_the_overview_lists_what_is_under_way_and_what_ended(hub: Running) -> None:
    _, empty, _ = await ask(hub, "/status")
    assert "Nothing has been started yet." in empty
    await hub.begin()
    await hub.begin(job="j2")
    hub.publish("p", "j2", job_body(State.SUCCEEDED))
    await hub.settle()
    seen = Seen((await ask(hub, "/status"))[1])
    assert seen.has("a", href="j/j1")
    assert seen.has("a", href="j/j2")
    assert seen.text.index("Under way") < seen.text.index("Ended")
    assert seen.has("td", **{"class": "succeeded"})


async def test_foreign_text_is_only_ever_text(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", LogBody(level="info", message=EVIL, stage="receiving"))
    error = Failure(code="x", message=EVIL, stage="receiving", hint=EVIL, retry=False)
    hub.publish("p", "j1", job_body(State.FAILED, error=error))
    await hub.settle()
    for path in ("/j/j1", "/status", "/j/j1/badge.svg", "/j/%3Cscript%3E"):
        _, text, _ = await ask(hub, path)
        seen = Seen(text)
        assert not seen.has("script")
        assert not seen.has("img")
        assert "\u202e" not in text
    assert "<script>alert(1)" in Seen((await ask(hub, "/j/j1"))[1]).text


async def test_a_job_that_is_not_there_is_said_so_in_words_and_as_a_picture(hub: Running) -> None:
    status, text, _ = await ask(hub, "/j/nothing")
    assert status == 404
    assert "No such job" in text
    status, text, headers = await ask(hub, "/j/nothing/badge.svg")
    assert (status, headers["Content-Type"]) == (404, "image/svg+xml; charset=utf-8")
    assert "unknown" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [(State.SUCCEEDED, "done"), (State.FAILED, "failed"), (State.CANCELLED, "cancelled"), (State.PAUSED, "paused")],
)
async def test_a_badge_tells_the_state(hub: Running, state: State, words: str) -> None:
    await hub.begin()
    hub.publish("p", "j1", job_body(state))
    await hub.settle()
    _, text, _ = await ask(hub, "/j/j1/badge.svg")
    picture = ET.fromstring(text)
    assert picture.get("aria-label") == f"clone: {words}"
    assert picture.get("role") == "img"
    assert [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")] == ["clone", words]


async def test_a_badge_follows_the_percent_and_is_sent_only_when_it_changed(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", progress_body(43.7, 437))
    status, text, headers = await ask(hub, "/j/j1/badge.svg")
    assert (status, "43 %" in text, headers["Cache-Control"]) == (200, True, "no-cache")
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    status, _, again = await ask(hub, "/j/j1/badge.svg", **{"If-None-Match": headers["ETag"]})
    assert (status, again["ETag"]) == (304, headers["ETag"])
    hub.publish("p", "j1", progress_body(44.1, 441))
    status, text, _ = await ask(hub, "/j/j1/badge.svg", **{"If-None-Match": headers["ETag"]})
    assert (status, "44 %" in text) == (200, True)


async def test_a_badge_may_have_a_label_of_its_own_and_grows_with_it(hub: Running) -> None:
    await hub.begin()
    widths = []
    for label in ("ci", "nightly build", "夜間のビルド"):
        _, text, _ = await ask(hub, f"/j/j1/badge.svg?label={label}")
        assert label in text
        widths.append(float(re.findall(r'<svg [^>]*?width="([\d.]+)"', text)[0]))
    assert widths[0] < widths[1]
    status, _, _ = await ask(hub, f"/j/j1/badge.svg?label={'x' * 41}")
    assert status == 400
