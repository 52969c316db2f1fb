"""`/status` and `/j/{job}`: how things are, for browsers without JavaScript. Plain HTML that refreshes itself."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from aiohttp import web

from hub.core.errors import NotFound
from hub.core.events import Event, LogBody, State
from hub.core.job import JobState, StageState
from hub.core.ports import EventFilter, JobFilter
from hub.web.html import Markup, el
from hub.web.keys import HUB
from hub.web.resources.jobs import newest
from hub.words import amount, clean, counts, doing, duration, eta, percent_of, rate, result_text, title

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
REFRESH_S = {State.QUEUED: 10, State.PAUSED: 10}
RUNNING_S, IDLE_S = 3, 30
MESSAGES = 20
ENDED = 25
UNDER_WAY = (State.RUNNING, State.CANCELLING, State.PAUSED, State.QUEUED)
ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.INTERRUPTED)
WORDS = {State.SUCCEEDED: "Done", **{state: state.value.capitalize() for state in ENDS[1:]}}


async def job(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    try:
        state = newest(hub, await hub.engine.state(request.match_info["job"]))
    except NotFound as missing:
        return _page("No such job", [el("h1", "No such job"), el("p", missing.message)], None, up="../", status=404)
    wanted = EventFilter(project=state.project, job=state.id, types=("log",))
    lines = (await hub.journal.history(wanted, MESSAGES, None)).items
    refresh_s = None if state.state.is_end and state.starts_at is None else REFRESH_S.get(state.state, RUNNING_S)
    head = f"{percent_of(state)} % {clean(state.kind)} {clean(state.project)}"
    return _page(head, list(_job(state, lines, hub.clock.now_ms())), refresh_s, up="../", live=f"#/j/{state.id}")


async def overview(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    under_way = await hub.journal.jobs(JobFilter(states=UNDER_WAY), 100, None)
    ended = await hub.journal.jobs(JobFilter(states=ENDS), ENDED, None)
    parts: list[Markup] = [el("h1", "Jobs")]
    if not under_way.total and not ended.total:
        parts.append(el("p", "Nothing has been started yet.", class_="soft"))
    for words, page in (("Under way", under_way), ("Ended", ended)):
        if page.items:
            parts += [el("h2", words), _list([newest(hub, each) for each in page.items])]
    return _page("Jobs", parts, RUNNING_S if under_way.total else IDLE_S, up="")


def _list(jobs: Iterable[JobState]) -> Markup:
    rows = [
        el(
            "tr",
            el("th", el("a", f"{clean(each.kind)} {clean(each.project)}", href=f"j/{each.id}"), scope="row"),
            el("td", WORDS.get(each.state) or doing(each), class_=each.state.value),
            el("td", f"{percent_of(each)} %", class_="number"),
            el("td", _when(each.ended or each.started or each.created)),
        )
        for each in jobs
    ]
    return _table(("Job", "State", "Percent", "Since"), rows)


def _job(state: JobState, lines: Sequence[Event], now: int) -> Iterable[Markup]:
    percent = percent_of(state)
    yield el("h1", clean(state.project))
    yield el("p", " · ".join(_about(state, now)), class_="soft")
    yield el(
        "p", el("strong", WORDS.get(state.state) or doing(state)), f" {percent} %", class_=f"state {state.state.value}"
    )
    yield el(
        "progress", f"{percent} %", max=100, value=percent, aria_label=f"{clean(state.kind)} {clean(state.project)}"
    )
    if moving := [part for part in (counts(state), rate(state), eta(state)) if part and not state.state.is_end]:
        yield el("p", " · ".join(moving), class_="soft")
    if state.error is not None:
        where = f"In {title(state)}: " if title(state) else ""
        hint = [el("p", clean(state.error.hint))] if state.error.hint else []
        yield el("div", el("p", el("strong", where + clean(state.error.message))), *hint, class_="cause", role="alert")
    if state.result and (told := result_text(state.result)):
        yield el("p", told)
    if state.stages:
        yield el("h2", "Stages")
        yield _table(("Stage", "State", "Counted", "Took"), [_stage(stage) for stage in state.stages])
    if lines:
        yield el("h2", "Last messages")
        yield el("ol", *[_line(event) for event in lines], class_="log")


def _about(state: JobState, now: int) -> Iterable[str]:
    yield clean(state.kind)
    if state.attempt > 1:
        yield f"attempt {state.attempt}"
    if state.started is None:
        yield f"asked for {_clock(state.created)}"
        return
    yield f"started {_clock(state.started)}"
    held_ms = state.held_ms + (now - state.held_at if state.held_at and not state.ended else 0)
    passed_ms = (state.ended or now) - state.started - held_ms
    yield f"{'took' if state.ended else 'for'} {duration(max(0, passed_ms) / 1000)}"


def _stage(stage: StageState) -> Markup:
    took = "" if stage.started is None or stage.ended is None else duration((stage.ended - stage.started) / 1000)
    counted = amount(stage.current, stage.unit or "", stage.total) if stage.current else ""
    return el(
        "tr",
        el("th", clean(stage.title), scope="row"),
        el("td", stage.state, class_=stage.state),
        el("td", counted),
        el("td", took, class_="number"),
    )


def _line(event: Event) -> Markup:
    assert isinstance(event.body, LogBody)
    return el("li", _when(event.at), " ", clean(event.body.message), class_=event.body.level)


def _table(heads: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = el("tr", *[el("th", words, scope="col") for words in heads])
    return el("table", el("thead", head), el("tbody", *rows))


def _when(ms: int) -> Markup:
    return el("time", _clock(ms), datetime=datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds"))


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _page(
    head: str, parts: Sequence[Markup], refresh_s: int | None, *, up: str, live: str = "", status: int = 200
) -> web.Response:
    """`up` leads from the page's folder to the hub's, so that it works under any prefix."""
    again = [el("meta", http_equiv="refresh", content=refresh_s)] if refresh_s else []
    said = f"This page asks again every {refresh_s} seconds. " if refresh_s else "Nothing changes here any more. "
    document = el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", name="color-scheme", content="light dark"),
            *again,
            el("title", f"{head} · Progress Hub"),
            el("link", rel="icon", href="data:,"),
            el("link", rel="stylesheet", href=f"{up}static/status/status.css"),
        ),
        el(
            "body",
            el("header", el("a", "Progress Hub", href=f"{up}status")),
            el("main", *parts),
            el("footer", said, el("a", "The live page", href=(up or "./") + live)),
        ),
        lang="en",
    )
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return web.Response(text=f"<!doctype html>{document}", content_type="text/html", headers=headers, status=status)
