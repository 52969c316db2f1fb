"""`/j/{job}/badge.svg`: a job's state as a small picture, for READMEs and dashboards that show nothing but images."""

import unicodedata

from aiohttp import web

from hub.core.errors import BadRequest, NotFound
from hub.core.events import State
from hub.core.job import JobState
from hub.web.html import Markup, el
from hub.web.keys import HUB
from hub.web.page import etag_of, has
from hub.web.resources.jobs import newest
from hub.words import clean, percent_of

HEIGHT, PADDING = 20, 7
LETTER, WIDE_LETTER = 6.6, 12.0
"""Pixels of a letter of 11 px sans-serif, on the average; `textLength` makes the text fit what was reckoned."""
LONGEST_LABEL = 40
GREY, BLUE, GREEN, RED, BROWN = "#5b5e67", "#3557d6", "#14794a", "#b93228", "#8a5a00"
"""White text on each has a contrast of at least 4.5 (WCAG 2.2, 1.4.3)."""
SHOWN = {
    State.QUEUED: ("waiting", GREY),
    State.RUNNING: ("", BLUE),
    State.PAUSED: ("paused", BROWN),
    State.CANCELLING: ("cancelling", GREY),
    State.SUCCEEDED: ("done", GREEN),
    State.FAILED: ("failed", RED),
    State.CANCELLED: ("cancelled", GREY),
    State.INTERRUPTED: ("interrupted", BROWN),
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


async def badge(request: web.Request) -> web.Response:
    """`?label=` instead of the job's kind. What does not exist is a picture, too, with status 404."""
    hub = request.app[HUB]
    label = request.query.get("label", "")
    if len(label) > LONGEST_LABEL:
        raise BadRequest(f"label must have at most {LONGEST_LABEL} characters.")
    try:
        job = newest(hub, await hub.engine.state(request.match_info["job"]))
    except NotFound:
        return _answer(request, drawn(label or "job", "unknown", GREY), 404)
    return _answer(request, drawn(label or job.kind, *_words(job)))


def drawn(label: str, words: str, color: str) -> Markup:
    label, words = clean(label), clean(words)
    left, right = _width(label), _width(words)
    texts = [
        el("text", text, x=f"{at + PADDING:g}", y="14", textLength=f"{width - 2 * PADDING:g}")
        for text, at, width in ((label, 0.0, left), (words, left, right))
    ]
    return el(
        "svg",
        el("title", f"{label}: {words}"),
        el("clipPath", el("rect", width=f"{left + right:g}", height=HEIGHT, rx=3), id="round"),
        el(
            "g",
            el("rect", width=f"{left:g}", height=HEIGHT, fill="#35373d"),
            el("rect", x=f"{left:g}", width=f"{right:g}", height=HEIGHT, fill=color),
            clip_path="url(#round)",
        ),
        el("g", *texts, fill="#fff", font_family="Verdana,DejaVu Sans,sans-serif", font_size=11),
        xmlns="http://www.w3.org/2000/svg",
        width=f"{left + right:g}",
        height=HEIGHT,
        role="img",
        aria_label=f"{label}: {words}",
    )


def _words(job: JobState) -> tuple[str, str]:
    words, color = SHOWN[job.state]
    return words or f"{percent_of(job)} %", color


def _width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return 2 * PADDING + wide * WIDE_LETTER + (len(text) - wide) * LETTER


def _answer(request: web.Request, picture: Markup, status: int = 200) -> web.Response:
    body = picture.encode()
    etag = etag_of(body)
    headers = {
        "ETag": f'"{etag}"',
        "Cache-Control": "no-cache",  # image proxies ask again each time, and get 304 while nothing has changed
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Content-Security-Policy": POLICY,
    }
    if status == 200 and has(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, status=status, content_type="image/svg+xml", charset="utf-8", headers=headers)
