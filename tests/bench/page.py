"""The page: what a first visit costs, beside another progress page and beside a client library alone."""

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import figures
from tests.bench.browsing import chromium, median_of, visit
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import HERE, MissingError
from tests.bench.peers import jupyterhub, node_socketio
from tests.processes import HubProcess

KB = 1000
CLIENT = "socket.io/client-dist/socket.io.min.js"
OURS = ("js", "css", "html")
APART = ("surfaces", "examples")
"""Folders of `static/` for other people's pages."""


def measure(plan: Plan) -> figures.Figures:
    found: figures.Figures = {"whole": _whole(HERE.parents[1] / "static")}
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        hub = HubProcess(Path(name))
        try:
            found["hub"] = median_of([visit(browser, hub.url) for _ in range(plan.rounds)])
        finally:
            hub.close()
        with jupyterhub.running(Path(name)) as url:
            pending = f"{url}spawn-pending/ada"
            found["jupyterhub"] = median_of(
                [
                    visit(browser, pending, prepare=lambda page: jupyterhub.sign_in(page, url))
                    for _ in range(plan.rounds)
                ]
            )
    try:
        client = node_socketio.installed(node_socketio.cached()) / CLIENT
        found["socketio"] = len(gzip.compress(client.read_bytes(), 9))
    except MissingError as exc:
        found["missing"] = str(exc)
    return found


def _whole(folder: Path) -> int:
    """Bytes of every file of the page, each packed by itself; also what a first visit does not load."""
    return sum(
        len(gzip.compress(path.read_bytes(), 9))
        for path in folder.rglob("*")
        if path.suffix[1:] in OURS and not set(path.parts) & set(APART)
    )


def lines(found: figures.Figures) -> Iterator[Line]:
    ours, theirs = found["hub"], found["jupyterhub"]
    yield Line(
        what="first visit of the page, gzip",
        hub=f"{ours['packed'] / KB:.1f} kB",
        peer=f"JupyterHub's starting page: {theirs['packed'] / KB:.0f} kB ({theirs['sent'] / KB:.0f} kB sent)",
        ratio=ours["packed"] / theirs["packed"],
    )
    yield Line(
        what="the same against the goal",
        hub=f"{ours['packed'] / KB:.1f} kB",
        value=ours["packed"] / KB,
        goal=Goal(bound=30, unit=" kB"),
    )
    if "socketio" in found:
        yield Line(
            what="the same against a client library that draws nothing",
            hub=f"{ours['packed'] / KB:.1f} kB",
            peer=f"Socket.IO's client: {found['socketio'] / KB:.1f} kB",
            ratio=ours["packed"] / found["socketio"],
        )
    yield Line(
        what="every file of the page, each packed by itself, with its comments", hub=f"{found['whole'] / KB:.1f} kB"
    )
    yield Line(
        what="requests to the first contentful paint; in all",
        hub=f"{ours['requests_to_paint']:.0f}; {ours['requests']:.0f}",
        peer=f"JupyterHub: {theirs['requests_to_paint']:.0f}; {theirs['requests']:.0f}",
        ratio=ours["requests_to_paint"] / theirs["requests_to_paint"],
    )
    yield Line(
        what="first contentful paint on loopback",
        hub=f"{ours['paint_ms']:.0f} ms",
        peer=f"JupyterHub: {theirs['paint_ms']:.0f} ms",
        ratio=ours["paint_ms"] / theirs["paint_ms"],
    )


ROW = Row(name="page", title="The page", measure=measure, lines=lines)
