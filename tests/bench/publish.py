"""Publishing: how many updates a second the hub takes over HTTP, against Nchan's publisher and an HTTP server that does
nothing with them.

A few clients on the load's core, each with one connection that is kept; each sends its next request once the one before
is answered. An update is a progress event of a job of each client's own, PAYLOAD_BYTES of JSON. One in a request, or
BATCH. A line of a log is answered only once it is committed.
"""

import contextlib
import itertools
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import figures
from tests.bench.figures import Line, Plan, Row, amount, median
from tests.bench.machine import LOAD_CORE, SERVER_CORE, BrokenError, MissingError, cpu_s, on_core, process, said
from tests.bench.peer import PAYLOAD_BYTES
from tests.bench.peers import nchan

CLIENTS = 8
LOGGED = 20
"""Jobs of each client that takes turns with its lines, as no more than 50 a second of each are kept."""
BATCH = 100
WARM_S = 0.5
PUBLISH = "/api/v1/projects/p/publish"
BARE = """
import asyncio, json
from aiohttp import web

async def publish(request):
    events = json.loads(await request.read())["events"]
    return web.json_response({"outcomes": [{"outcome": "accepted"} for _ in events]})

async def main():
    app = web.Application()
    app.router.add_post("/publish", publish)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()

try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that is measured."""

    port: int
    pid: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    per_s: float
    """Updates."""
    cpu_us: float
    """Of the server, for each update."""


def event(job: str, type_: str, size: int = PAYLOAD_BYTES) -> dict[str, Any]:
    """One of so many bytes as compact JSON."""
    made: dict[str, Any] = {"job": job, "kind": "bench", "type": type_, "message": ""}
    if type_ == "progress":
        made |= {"current": 123_456, "total": 1_000_000, "unit": "steps", "stage": "fit"}
    return made | {"message": "x" * (size - len(json.dumps(made, separators=(",", ":"))))}


def post(path: str, body: Any) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


def pushed(target: Target, requests: Sequence[Sequence[bytes]], seconds: float) -> Took:
    """`requests`: for each client, those it takes turns with. Raises BrokenError for an answer that is no yes."""
    with contextlib.ExitStack() as stack, on_core(LOAD_CORE):
        chosen = stack.enter_context(selectors.DefaultSelector())
        for turns in requests:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", target.port)))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            chosen.register(client, selectors.EVENT_READ, [itertools.cycle(turns), b""])
            client.sendall(turns[-1])
        _answers(chosen, WARM_S)
        cpu, began = cpu_s(target.pid), time.monotonic()
        count = _answers(chosen, seconds)
        return Took(per_s=count / (time.monotonic() - began), cpu_us=(cpu_s(target.pid) - cpu) / count * 1e6)


def _answers(chosen: selectors.BaseSelector, seconds: float) -> int:
    """How many requests are answered in that time; each is followed by the next."""
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for key, _ in chosen.select(1.0):
            client, state = key.fileobj, key.data
            assert isinstance(client, socket.socket)
            state[1] += client.recv(1 << 20)
            if (length := _whole(state[1])) is None:
                continue
            state[1] = state[1][length:]
            client.sendall(next(state[0]))
            count += 1
    return count


def _whole(data: bytes) -> int | None:
    """The length of the answer at the beginning of `data`; None while it is not all there."""
    if not data:
        raise BrokenError("the server has closed a publisher's connection")
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    if not data.startswith((b"HTTP/1.1 20", b"HTTP/1.1 404")):  # 404: Nchan, while nobody subscribes
        raise BrokenError(f"a publisher was answered {data[:300]!r}")
    at = data.lower().find(b"content-length:", 0, head)
    length = head + 4 + (int(data[at + 15 : data.find(b"\r\n", at)]) if at >= 0 else 0)
    return length if len(data) >= length else None


@contextlib.contextmanager
def hub() -> Iterator[Target]:
    options = json.dumps({"loop": "uvloop", "settings": {"publish_rate": 0, "max_outside_jobs_project": 1000}})
    with process([sys.executable, "-m", "tests.bench.peers.hub", options], SERVER_CORE) as started:
        yield Target(port=said(started.stdout)["port"], pid=started.pid, path=PUBLISH)


@contextlib.contextmanager
def bare() -> Iterator[Target]:
    with process([sys.executable, "-c", BARE], SERVER_CORE) as started:
        yield Target(port=said(started.stdout)["port"], pid=started.pid, path="/publish")


@contextlib.contextmanager
def nginx() -> Iterator[Target]:
    with nchan.serving(nchan.nginx(), str(nchan.module()), 512, SERVER_CORE) as (port, worker):
        yield Target(port=port, pid=worker, path="/publish")


def measure(plan: Plan) -> figures.Figures:
    found: dict[str, list[Took]] = {}
    for _ in range(plan.rounds):
        with hub() as target:
            for name, type_, count in (("hub", "progress", 1), ("hub batch", "progress", BATCH), ("hub log", "log", 1)):
                found.setdefault(name, []).append(_load(target, type_, count, plan.seconds))
        with bare() as target:
            for name, count in (("aiohttp", 1), ("aiohttp batch", BATCH)):
                found.setdefault(name, []).append(_load(target, "progress", count, plan.seconds))
        if plan.among("nchan"):
            with contextlib.suppress(MissingError), nginx() as target:
                requests = [[post(target.path, event(f"job-{client}", "progress"))] for client in range(CLIENTS)]
                found.setdefault("nchan", []).append(pushed(target, requests, plan.seconds))
    names = {name: {"per_s": median(t.per_s for t in took), "cpu_us": median(t.cpu_us for t in took)}
             for name, took in found.items()}  # fmt: skip
    samples = {name: [took.per_s for took in taken] for name, taken in found.items()}
    return {"rounds": plan.rounds, "clients": CLIENTS, "batch": BATCH, "found": names, "samples": samples}


def _load(target: Target, type_: str, count: int, seconds: float) -> Took:
    jobs = LOGGED if type_ == "log" else 1
    requests = [
        [post(target.path, {"events": [event(f"{type_}-{client}-{n}", type_)] * count}) for n in range(jobs)]
        for client in range(CLIENTS)
    ]
    took = pushed(target, requests, seconds)
    return Took(per_s=took.per_s * count, cpu_us=took.cpu_us / count)


def lines(f: figures.Figures) -> Iterable[Line]:
    found = f["found"]

    def rate(name: str) -> str:
        return amount(found[name]["per_s"], "updates/s")

    def line(what: str, ours: str, peer: str, title: str) -> Line:
        ratio = found[ours]["per_s"] / found[peer]["per_s"]
        return Line(what=what, hub=rate(ours), peer=f"{title}: {rate(peer)}", ratio=ratio)

    yield line(f"published over HTTP by {f['clients']} clients, one in a request", "hub", "aiohttp", "aiohttp alone")
    if "nchan" in found:
        yield line("", "hub", "nchan", "Nchan in nginx")
    yield line(f"the same, {f['batch']} in a request", "hub batch", "aiohttp batch", "aiohttp alone")
    if "nchan" in found:
        yield line("", "hub batch", "nchan", "Nchan in nginx, one in a request")
    yield Line(what="log lines, one in a request, each committed first", hub=rate("hub log"))


def notes(f: figures.Figures) -> Iterable[str]:
    cost = ", ".join(f"{name} {found['cpu_us']:.1f} us" for name, found in f["found"].items())
    yield f"CPU of the server for each update: {cost}."


ROW = Row(name="publish", title="Publishing", measure=measure, lines=lines, notes=notes)
