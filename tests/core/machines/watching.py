"""Rules: watchers that come with any cursor, on any transport, stall, change their minds and leave."""

import hypothesis.strategies as st
from hypothesis.stateful import rule

from hub.transports.ask import Ask
from tests.core.machines.book import Book
from tests.core.machines.client import Client
from tests.core.machines.peers import Peer, PollPeer, SsePeer, WsPeer
from tests.core.machines.scene import CLIENTS, PROJECTS, RARELY, Scene
from tests.fakes import log_body

CADENCES = (0, 0, 100, 2000)
topics = st.sampled_from([*PROJECTS, *PROJECTS, None])
numbers = st.integers(0, CLIENTS - 1)
pasts = st.sampled_from(["own", "own", "own", "old", "none", "nonsense", "future", "other"])


class Watching(Scene):
    def _draw_ask(self, data: st.DataObject, client: Client, project: str | None) -> tuple[Ask, Book | None]:
        """What the client asks for, and the book that goes with its cursor."""
        jobs = [None, None, None, *sorted(self.world.truth.jobs.get(project or "", {}))[-3:]]
        job = data.draw(st.sampled_from(jobs), label="of job") if project is not None else None
        past = data.draw(pasts, label="cursor")
        book: Book | None = client.book(project).copy()
        if past == "old":
            older = [old for old in client.old if old.project == project]
            book = data.draw(st.sampled_from(older), label="old").copy() if older else book
        assert book is not None
        cursor = book.cursor_for(job)
        if past in {"none", "nonsense", "future", "other"} or cursor is None:
            book = None
            cursor = {
                "nonsense": "0123abcd-x1",
                "future": "0123abcd-99999999",
                "other": "ffffffff-1",
            }.get(past)
        ask = Ask(
            project=project,
            cursor=cursor,
            cadence_ms=data.draw(st.sampled_from(CADENCES), label="cadence"),
            job=job,
            logs=project is not None and data.draw(st.booleans(), label="logs"),
        )
        return ask, book

    @rule(n=numbers, data=st.data(), project=topics, anew=RARELY)
    def subscribe(self, n: int, data: st.DataObject, project: str | None, anew: bool) -> None:
        """Over a WebSocket: one more project, or another view of the same."""
        client = self.clients[n]
        peer = client.peer
        ask, book = self._draw_ask(data, client, project)
        if not client.is_streaming or anew:
            self._open(client, WsPeer(self.life.delivery, ask), book)
        elif isinstance(peer, WsPeer) and (not peer.wanted or (project is None) == (None in peer.wanted)):
            client.read()
            peer.wanted.add(project)
            client.ask("subscribe", ask, book)
        self.life.loop.turn(data.draw(st.integers(0, 3), label="turns"))

    @rule(n=numbers, data=st.data(), kind=st.sampled_from(["sse", "ws", "poll"]), keep=st.integers(0, 9))
    def come_back_late(self, n: int, data: st.DataObject, kind: str, keep: int) -> None:
        """So much has happened that the journal is asked, page by page; and it is pruned under the pages."""
        client, jobs = self.clients[n], sorted(self.live)
        books = [book for book in client.books.values() if book.project in self.life.projects and book.cursor_for(None)]
        if not jobs or not books or self.life.journal.is_full:
            return
        book, late = books[0], self.life.journal
        self._leave(client)
        late.is_slow = False
        late.go_on()
        for _ in range(3):
            for job in [job for job in jobs if job in self.live and self.live[job][0] == book.project] * 4:
                self._publish(job, log_body("while away"))
            self.life.loop.settle()
        late.is_slow = True
        ask = Ask(project=book.project, cursor=book.cursor, cadence_ms=0, job=None, logs=True)
        peers: dict[str, Peer] = {
            "sse": SsePeer(self.life.delivery, ask, chunked=True),
            "ws": WsPeer(self.life.delivery, ask),
            "poll": PollPeer(self.life.delivery, ask, 0, None),
        }
        self._open(client, peers[kind], book.copy())
        self.life.loop.settle()
        for _ in range(data.draw(st.integers(0, 4), label="pages")):
            if late.reads:
                late.reads.popleft().reply()
                self.life.loop.settle()
        if keep < 8:
            self._prune_at_once(keep)

    @rule(n=numbers, project=st.sampled_from([*PROJECTS, None]))
    def unsubscribe(self, n: int, project: str | None) -> None:
        peer = self.clients[n].peer
        if isinstance(peer, WsPeer) and project in peer.wanted:
            peer.wanted.remove(project)
            ask = Ask(project=project, cursor=None, cadence_ms=0, job=None, logs=True)
            self.clients[n].ask("unsubscribe", ask, None)

    @rule(n=numbers, data=st.data(), project=topics, chunked=st.booleans(), anew=RARELY)
    def stream(self, n: int, data: st.DataObject, project: str | None, chunked: bool, anew: bool) -> None:
        """Over server-sent events."""
        client = self.clients[n]
        if client.is_streaming and not anew:
            return
        if data.draw(RARELY, label="slowly"):
            self.life.journal.is_slow = True
        ask, book = self._draw_ask(data, client, project)
        self._open(client, SsePeer(self.life.delivery, ask, chunked=chunked), book)
        self.life.loop.turn(data.draw(st.integers(0, 3), label="turns"))

    @rule(n=numbers, data=st.data(), project=topics, wait_s=st.sampled_from([0, 0, 1, 30]), has_tag=st.booleans())
    def poll(self, n: int, data: st.DataObject, project: str | None, wait_s: int, has_tag: bool) -> None:
        client = self.clients[n]
        if client.is_streaming and n < CLIENTS - 1:
            return
        ask, book = self._draw_ask(data, client, project)
        tag = client.book(project).cursor_for(ask.job) if has_tag else None
        self._open(client, PollPeer(self.life.delivery, ask, wait_s, tag), book)
        self.life.loop.turn(data.draw(st.integers(0, 3), label="turns"))

    @rule(n=numbers, chance=RARELY)
    def leave(self, n: int, chance: bool) -> None:
        if chance:
            self._leave(self.clients[n])

    @rule(n=numbers)
    def stall(self, n: int) -> None:
        if (peer := self.clients[n].peer) is not None:
            peer.pipe.is_stalled = True

    @rule(n=numbers, count=st.one_of(st.none(), st.integers(1, 3000)))
    def take(self, n: int, count: int | None) -> None:
        if (peer := self.clients[n].peer) is not None:
            peer.pipe.take(count)

    @rule(n=numbers)
    def remember(self, n: int) -> None:
        """The client may come back to where it is now."""
        client = self.clients[n]
        client.read()
        client.old = [*client.old[-5:], *(book.copy() for book in client.books.values() if book.cursor)]
