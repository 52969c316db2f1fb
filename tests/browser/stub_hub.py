"""A hub that says what a test wants: the page's own files, and its API over jobs that were never run."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

from aiohttp import WSCloseCode, web

from hub.assets import static_dir
from hub.core.events import ENDS
from hub.web import page

API = "/api/v1"
EPOCH, BOOT = "0123abcd", "boot-1"
MINUTE_MS = 60_000
FIRST_LINE = 1_000_000
"""The number of the first line that `history` has; what is told live begins above the last."""

STAGES = {
    "clone": ["Connecting", "Receiving objects", "Resolving deltas", "Writing files"],
    "index": ["Collecting files", "Parsing files", "Indexing", "Optimizing"],
    "snapshot": ["Opening the store", "Waiting for quiet", "Browsing files", "Compressing", "Uploading", "Verifying"],
    "sync": ["Scanning repositories", "Linking sessions"],
    "restore": ["Reading the manifest", "Writing files", "Setting links and times"],
    "verify": ["Listing", "Reading every object", "Following damage to files"],
    "prune": ["Choosing", "Reading manifests", "Removing"],
    "ingest": ["Connecting", "Receiving objects", "Collecting files", "Parsing files", "Indexing"],
}


def now_ms() -> int:
    return round(time.time() * 1000)


def job(
    id_: str, kind: str = "clone", state: str = "running", *, at: int = 2, ago_s: float = 65, **more: Any
) -> dict[str, Any]:
    """A state object. It is in its stage number `at`, began `ago_s` ago, and has what a job in that state has."""
    now = now_ms()
    began = state != "queued"
    over = state in ENDS
    started = now - round(ago_s * 1000) if began else None
    ended = now - 20_000 if over else None
    titles = STAGES.get(kind, [])
    stages = []
    for number, title in enumerate(titles, 1):
        how = "waiting" if not began or number > at else "done" if number < at or state == "succeeded" else "running"
        if number == at and over and state != "succeeded":
            how = state
        if state == "succeeded":
            how = "done"
        first = (started or 0) + (number - 1) * 5_000
        stages.append(
            {
                "stage": f"s{number}", "title": title, "weight": 10, "state": how, "held_ms": 0,
                "started": first if how != "waiting" else None,
                "ended": (ended or now) if how == state and over else first + 5_000 if how == "done" else None,
                "current": 1204 if how in {"running", state} else 2800 if how == "done" else None,
                "total": 2800 if how != "waiting" else None, "unit": "objects" if how != "waiting" else None,
            }
        )  # fmt: skip
    base = {
        "id": id_, "project": "demo", "kind": kind, "state": state, "seq": 1, "params": {}, "stages": stages,
        "stage": f"s{at}" if began and titles else None, "step": at if began and titles else 0, "steps": len(titles),
        "percent": 100.0 if state == "succeeded" else 43.7 if began else 0.0, "current": 1204 if began else 0,
        "total": 2800 if began else None, "unit": "objects" if began else "",
        "rate": 58.0 if state == "running" else None, "eta_s": [22, 44] if state == "running" else None,
        "stalled_s": None, "usual_s": None, "message": "", "detail": {}, "error": None, "result": None, "queue": None,
        "created": (started or now - 5_000) - 400, "started": started, "ended": ended, "held_at": None, "held_ms": 0,
        "attempt": 1, "retry_of": None, "resumed": False, "resumable": False, "scheduled_by": None, "retry": None,
        "starts_at": None, "silence_s": None, "watchers": 1,
    }  # fmt: skip
    return base | more


def failure(code: str, message: str, hint: str, stage: str | None = "s2") -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "stage": stage, "retry": False}


class StubHub:
    """`async with`; `url` is where it is. A test changes what it has, and `show`s or `say`s it to the pages."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.projects: list[dict[str, Any]] = []
        self.statistics: list[dict[str, Any]] = []
        self.coverage: dict[str, dict[str, int]] = {}
        self.line_count = 0
        self.lines: Callable[[int], dict[str, Any]] = lambda number: {"level": "info", "message": f"line {number}"}
        """The line of this number, from 0."""
        self.log_of: str | None = None
        """The job whose lines they are; None: every job's."""
        self.session: dict[str, Any] = {"needed": False, "signed_in": False, "roles": []}
        self.token = "right-token"
        self.refusals: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        """Method and path below the API: status and error to answer once and for all."""
        self.asked: list[tuple[str, str, Any]] = []
        """Method, path below the API, and body of each request that would change something."""
        self.seq: dict[str, int] = {}
        self._sockets: dict[web.WebSocketResponse, set[str | None]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """At the same port as before, if it was running before."""
        app = web.Application(middlewares=[self._gate])
        app.on_response_prepare.append(page.harden)
        app[page.ASSETS] = page.load(static_dir())
        get, post = web.get, web.post
        app.add_routes(
            [
                get("/", page.index), get("/static/{path:.+}", page.static), get("/healthz", self._healthz),
                get(f"{API}/events", self._events), get(f"{API}/projects/{{project}}/events", self._events),
                get(f"{API}/jobs", self._jobs), get(f"{API}/jobs/{{job}}", self._job),
                post(f"{API}/jobs/{{job}}/{{verb}}", self._act), get(f"{API}/projects", self._projects),
                post(f"{API}/projects", self._create), get(f"{API}/projects/{{project}}", self._project),
                post(f"{API}/projects/{{project}}/jobs", self._begin), get(f"{API}/statistics", self._statistics),
                get(f"{API}/projects/{{project}}/index", self._index),
                get(f"{API}/projects/{{project}}/history", self._history),
                get(f"{API}/session", self._session), post(f"{API}/session", self._sign_in),
                web.delete(f"{API}/session", self._sign_out),
            ]
        )  # fmt: skip
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.url = f"http://127.0.0.1:{self._port}/"

    async def stop(self, bye: dict[str, Any] | None = None) -> None:
        for socket in list(self._sockets):
            if bye is not None:
                await socket.send_str(json.dumps({"type": "bye", **bye}))
            await socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # -- what a test says ---------------------------------------------------------------------------------------------

    def have(self, *jobs: dict[str, Any]) -> None:
        """Know these without a word."""
        for each in jobs:
            self.seq.setdefault(each["project"], 2_000_000)
            self.jobs[each["id"]] = each
            if not any(project["id"] == each["project"] for project in self.projects):
                self.projects.append(project(each["project"]))

    async def show(self, *jobs: dict[str, Any]) -> None:
        """Know these, and tell every page by new snapshots."""
        self.have(*jobs)
        await self._to_all(self._feed_snapshot(), None)
        for name in {each["project"] for each in jobs}:
            await self._to_all(self._snapshot(name), name)

    async def say(self, id_: str, type_: str, **fields: Any) -> int:
        """An event of the job, to who follows its project or, unless it is a line, the feed; returns its number."""
        known = self.jobs[id_]
        name = known["project"]
        self.seq[name] += 1
        message = {
            "type": type_, "project": name, "seq": self.seq[name], "at": now_ms(), "job": id_, "kind": known["kind"],
            **fields,
        }  # fmt: skip
        known["seq"] = self.seq[name]
        known.update({field: value for field, value in fields.items() if field in known})
        await self._to_all(message, name)
        if type_ != "log":
            await self._to_all(message, None)
        return self.seq[name]

    async def _to_all(self, message: dict[str, Any], name: str | None) -> None:
        text = json.dumps(message)
        for socket, follows in list(self._sockets.items()):
            if name in follows and not socket.closed:
                await socket.send_str(text)

    # -- the API ------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix(f"{API}/")
        if request.method != "GET":
            body = await request.text()
            self.asked.append((request.method, path, json.loads(body) if body else None))
        if (found := self.refusals.get((request.method, path))) is not None:
            return web.json_response({"error": found[1]}, status=found[0])
        if path == "session" or not request.path.startswith(API) or not self.session["needed"]:
            return await handler(request)
        if self.session["signed_in"]:
            return await handler(request)
        return web.json_response({"error": {"code": "unauthorised", "message": "This hub wants a token."}}, status=401)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "boot": BOOT, "version": "1.0", "server_ms": now_ms()})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("project")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            snapshot = self._snapshot(name) if name else self._feed_snapshot()
            return web.json_response({"cursor": snapshot["cursor"], "events": [], "snapshot": snapshot})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = {
            "type": "hello", "epoch": EPOCH, "boot": BOOT, "version": "1.0", "server_ms": now_ms(), "heartbeat_s": 10,
        }  # fmt: skip
        await socket.send_str(json.dumps(hello))
        self._sockets[socket] = {name}
        await self._tell(socket, name)
        try:
            async for frame in socket:
                await self._answer(socket, json.loads(frame.data))
        finally:
            del self._sockets[socket]
        return socket

    async def _answer(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        op, name = asked["op"], asked.get("project")
        if op == "ping":
            await socket.send_str(json.dumps({"type": "pong", "id": asked["id"], "server_ms": now_ms()}))
            return
        if op == "subscribe":
            self._sockets[socket].add(name)
            await self._tell(socket, name)
        else:
            self._sockets[socket].discard(name)
        await socket.send_str(json.dumps({"type": f"{op}d", "id": asked["id"], "project": name}))

    async def _tell(self, socket: web.WebSocketResponse, name: str | None) -> None:
        await socket.send_str(json.dumps(self._snapshot(name) if name else self._feed_snapshot()))

    def _feed_snapshot(self) -> dict[str, Any]:
        return {"type": "snapshot", "project": None, "cursor": "feed-1", "jobs": list(self.jobs.values())}

    def _snapshot(self, name: str) -> dict[str, Any]:
        cursor = f"{EPOCH}-{self.seq.get(name, 0)}"
        jobs = [each for each in self.jobs.values() if each["project"] == name]
        return {"type": "snapshot", "project": name, "cursor": cursor, "jobs": jobs}

    async def _jobs(self, request: web.Request) -> web.Response:
        wanted = {
            name: request.query[name].split(",") for name in ("kind", "state", "project") if name in request.query
        }
        found = [each for each in self.jobs.values() if all(each[name] in values for name, values in wanted.items())]
        return listing(
            sorted(found, key=lambda each: -each["created"])[: int(request.query.get("limit", "50"))], len(found)
        )

    async def _job(self, request: web.Request) -> web.Response:
        known = self.jobs.get(request.match_info["job"])
        if known is None:
            return refusal(404, "not_found", f"There is no job {request.match_info['job']!r}.")
        return web.json_response(known)

    async def _act(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs[request.match_info["job"]], status=202)

    async def _begin(self, request: web.Request) -> web.Response:
        body = await request.json()
        made = job(f"new-{len(self.jobs)}", body["kind"], "queued", project=request.match_info["project"], queue=1)
        self.have(made)
        return web.json_response(made, status=202)

    async def _projects(self, request: web.Request) -> web.Response:
        first, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "50"))
        more = {"next": str(first + limit)} if first + limit < len(self.projects) else {}
        items = self.projects[first : first + limit]
        return web.json_response({"items": items, "total": len(self.projects), **more})

    async def _create(self, request: web.Request) -> web.Response:
        made = project("new", url=(await request.json()).get("url"))
        self.projects.append(made)
        return web.json_response(made, status=201)

    async def _project(self, request: web.Request) -> web.Response:
        return web.json_response(next(each for each in self.projects if each["id"] == request.match_info["project"]))

    async def _statistics(self, _: web.Request) -> web.Response:
        return listing(self.statistics)

    async def _index(self, request: web.Request) -> web.Response:
        coverage = self.coverage.get(request.match_info["project"])
        if coverage is None:
            return refusal(404, "no_index", "It has no index.")
        return web.json_response({"coverage": coverage})

    async def _history(self, request: web.Request) -> web.Response:
        query = request.query
        if self.log_of not in {None, query["job"]}:
            return listing([])
        limit, levels = int(query["limit"]), query.get("level", "").split(",") if "level" in query else None
        last = FIRST_LINE + self.line_count
        cursor = int(query["cursor"]) if "cursor" in query else None
        if query.get("order") == "asc":
            numbers: Iterable[int] = range((cursor or FIRST_LINE - 1) + 1, last)
        else:
            numbers = range(min(cursor or last, last) - 1, FIRST_LINE - 1, -1)
        items: list[dict[str, Any]] = []
        for seq in numbers:
            line = self.lines(seq - FIRST_LINE)
            if levels is not None and line["level"] not in levels:
                continue
            items.append(
                {
                    "type": "log",
                    "seq": seq,
                    "at": now_ms() - (last - seq) * 20,
                    "job": query["job"],
                    "stage": "s2",
                    **line,
                }
            )
            if len(items) > limit:
                break
        more = {"next": str(items[limit - 1]["seq"])} if len(items) > limit else {}
        return web.json_response({"items": items[:limit], "total": self.line_count, **more})

    async def _session(self, _: web.Request) -> web.Response:
        return web.json_response(self.session)

    async def _sign_in(self, request: web.Request) -> web.Response:
        if (await request.json())["token"] != self.token:
            return refusal(401, "unauthorised", "The token is not known.")
        self.session |= {"signed_in": True, "name": "ada", "roles": ["run"]}
        return web.json_response(self.session)

    async def _sign_out(self, _: web.Request) -> web.Response:
        self.session["signed_in"] = False
        return web.Response(status=204)


def project(id_: str, **more: Any) -> dict[str, Any]:
    url = f"https://git.example.org/team/{id_}.git"
    return {"id": id_, "name": id_, "url": url, "path": None, "created": now_ms() - 90 * MINUTE_MS, "job": None} | more


def listing(items: list[dict[str, Any]], total: int | None = None) -> web.Response:
    return web.json_response({"items": items, "total": len(items) if total is None else total})


def refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


async def settled(predicate: Callable[[], Any], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not predicate():
            await asyncio.sleep(0.02)
