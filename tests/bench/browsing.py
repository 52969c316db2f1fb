"""What a real browser loads for a page, and when it first paints it."""

import gzip
import shutil
import statistics
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.bench.machine import MissingError

CHROMIUM = "/usr/bin/chromium"
QUIET_MS = 1500
"""After the load event, for what scripts ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A first visit with an empty cache. Streams are not counted: they have no size."""

    requests: int
    requests_to_paint: int
    """Answered before the first contentful paint."""
    sent: int
    """Bytes of bodies as they were sent."""
    packed: int
    """The same with gzip on what was sent plain and is text."""
    paint_ms: float


@contextmanager
def chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing
    except ImportError as exc:
        raise MissingError("no Playwright (pip install playwright)") from exc
    if shutil.which(CHROMIUM) is None:
        raise MissingError("no Chromium (apt install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()


def median_of(visits: list[Visit]) -> Mapping[str, float]:
    return {name: statistics.median(getattr(visit, name) for visit in visits) for name in Visit.__slots__}


def visit(browser: Any, url: str, *, prepare: Callable[[Any], None] = lambda page: None) -> Visit:
    """`prepare` may sign in with a page of the same visitor, whose cache is then put aside."""
    first = browser.new_context()
    prepare(first.new_page())
    context = browser.new_context(storage_state=first.storage_state())
    first.close()
    page = context.new_page()
    answers: list[Any] = []

    def note(request: Any) -> None:  # Playwright marks what it is given, and a list's own `append` takes no mark
        answers.append(request)

    page.on("requestfinished", note)
    page.goto(url, wait_until="load")
    page.wait_for_timeout(QUIET_MS)
    paint_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ended_ms = page.evaluate("performance.getEntriesByType('resource').map((each) => each.responseEnd)")
    sizes = [_sizes(request) for request in answers if urllib.parse.urlsplit(request.url).scheme != "data"]
    context.close()
    return Visit(
        requests=len(sizes),
        requests_to_paint=1 + sum(ended <= paint_ms for ended in ended_ms),
        sent=sum(sent for sent, _ in sizes),
        packed=sum(packed for _, packed in sizes),
        paint_ms=paint_ms,
    )


def _sizes(request: Any) -> tuple[int, int]:
    """Sent, and what gzip makes of it."""
    response = request.response()
    sent = request.sizes()["responseBodySize"]
    if response.headers.get("content-encoding"):
        return sent, sent
    return sent, min(sent, len(gzip.compress(response.body(), 9)))
