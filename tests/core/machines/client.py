"""A model client: its books, the connection it has, and what may be said over it."""

import collections
from collections.abc import Mapping
from typing import Any

from hub.core.composition import View
from hub.core.events import BODIES
from hub.transports.ask import Ask
from tests.core.machines.book import Book, Told
from tests.core.machines.decoders import Message, read_json
from tests.core.machines.peers import Peer, PollPeer, SsePeer, WsPeer


class Client:
    """One user's program: its books, and the connection it has, if any."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.books: dict[str | None, Book] = {}
        self.old: list[Book] = []
        """Books as they once were: what a tab that slept comes back with."""
        self.peer: Peer | None = None
        self.life = 0
        self.said: list[Message] = []
        """What the hub said about the present stream itself: hello, bye, errors."""
        self.asked: collections.deque[tuple[str, Ask, Book | None]] = collections.deque()
        """What it has asked for over a WebSocket and has no answer to: op, ask, and the book behind its cursor."""
        self._heads: Mapping[str, int] = {}

    def book(self, project: str | None) -> Book:
        return self.books.setdefault(project, Book(project, self._told))

    def connect(self, peer: Peer, life: int) -> None:
        self.peer, self.life, self.said = peer, life, []
        self.asked.clear()
        for book in self.books.values():
            book.is_on = False

    def read(self) -> None:
        """Take what has arrived."""
        peer = self.peer
        if peer is None:
            return
        for end, message in peer.read():
            while peer.pipe.marks and peer.pipe.marks[0][0] < end:
                self._mark(peer.pipe.marks.pop(0)[1])
            self._take(message)
        if isinstance(peer, PollPeer) and peer.response is not None:
            self._take_response(peer)

    def _mark(self, mark: Any) -> None:
        match mark:
            case ("heads", heads):
                self._heads = heads
            case ("left", project):
                self.book(project).is_on = False

    def _take(self, message: Message) -> None:
        kind = message["type"]
        assert (kind == "hello") == (not self.said), "hello is the first of a stream, and comes once"
        assert not self.said or self.said[-1]["type"] != "bye", "bye is the last"
        if kind == "heartbeat":
            self._check_beat(message["cursors"])
        elif kind in {"hello", "bye"}:
            self.said.append(message)
        elif kind in {"subscribed", "unsubscribed", "error"}:
            self._take_reply(message)
        elif kind == "reset" and message["reason"] == "gone":
            self._book_of(message).forget(message["project"])
        else:
            assert kind in BODIES or kind in {"merged", "snapshot", "reset"}
            self._book_of(message).take(message, self.life, self._heads)

    def _book_of(self, message: Message) -> Book:
        """The feed and single projects are never on one connection."""
        on = [book for book in self.books.values() if book.is_on]
        for book in on:
            if book.project in {None, message["project"]}:
                return book
        assert self.asked, "nothing comes of what is not followed"
        op, ask, known = self.asked[0]
        assert op == "subscribe"
        assert ask.project in {None, message["project"]}
        book = self.book(ask.project)
        book.begin(ask, known)
        return book

    def _take_reply(self, message: Message) -> None:
        op, ask, known = self.asked.popleft()
        book = self.book(ask.project)
        if message["type"] == "error":
            assert message["error"]["code"] in {"not_found", "journal_unavailable"}
            book.is_on = False
            return
        assert (message["type"], message["project"]) == (f"{op}d", ask.project)
        if op == "unsubscribe":
            assert not book.is_on
            return
        if not book.is_on:  # nothing had to be told
            book.begin(ask, known)
        assert book.awaits is None, "subscribed, and at the present"

    def _check_beat(self, cursors: Mapping[str, str]) -> None:
        for project, cursor in cursors.items():
            book = self.books[project]
            assert book.is_on
            assert book.view == View()
            assert cursor == book.cursor, "a heartbeat tells where the stream is"

    def _take_response(self, peer: PollPeer) -> None:
        response, peer.response = peer.response, None
        book = self.book(peer.ask.project)
        tag = response.headers["ETag"].removeprefix("W/").strip('"')
        if response.status == 304:
            assert not response.body
            book.awaits = None
            assert peer.tag == tag
        else:
            assert response.status == 200
            body = read_json(response.body)
            assert body["cursor"] == tag
            book.take_answer(body, self.life, self._heads)
        book.is_on = False

    def ask(self, op: str, ask: Ask, known: Book | None) -> None:
        """Over the open WebSocket."""
        assert isinstance(self.peer, WsPeer)
        self.asked.append((op, ask, known))
        self.peer.say(op, ask, len(self.asked))

    @property
    def is_streaming(self) -> bool:
        return isinstance(self.peer, WsPeer | SsePeer) and not self.peer.is_over
