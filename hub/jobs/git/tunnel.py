"""The way out for libgit2's http: a relay inside this process that leads to one checked address and nowhere else.

libgit2 looks host names up by itself. For https it can be given a proxy: this one knows a single host and port,
connects to the address that the gate has checked, and lets TLS pass through untouched. For plain http libgit2 writes
to a proxy's URL but connects to the server all the same (1.9), so there it is given the relay in the server's place,
and the relay puts the server's name back into each request.
"""

import contextlib
import re
import socket
import threading
from io import BufferedReader
from typing import Self

from hub.jobs.gate import RemoteUrl

CHUNK = 256 * 1024
LONGEST_HEAD = 64 * 1024

_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding: *chunked", re.IGNORECASE | re.MULTILINE)
_HOST = re.compile(rb"^host:[^\r\n]*", re.IGNORECASE | re.MULTILINE)


class Tunnel:
    """A context; while it lasts, `url` and `proxy` are what to give to libgit2."""

    def __init__(self, remote: RemoteUrl, address: str, connect_timeout_s: float) -> None:
        self._remote = remote
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        host, port = self._listener.getsockname()
        here = f"http://{host}:{port}"
        self.proxy = here if remote.scheme == "https" else None
        self.url = remote.text if self.proxy else here + remote.path

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts; closing alone would not
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the context is over
                return
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # Whatever breaks here, libgit2 sees a closed connection and says so.
        with client, client.makefile("rb") as reader, contextlib.suppress(OSError, ValueError):
            try:
                head = _head(reader)
                if self.proxy and not head.startswith(b"CONNECT %s " % self._place()):
                    client.sendall(_REFUSED)
                    return
                address = (self._address, self._remote.effective_port)
                with socket.create_connection(address, self._connect_timeout_s) as server:
                    self._open.add(server)
                    server.settimeout(None)  # from here on libgit2 minds the time
                    if self.proxy:
                        client.sendall(_OPEN)
                    back = threading.Thread(target=_pour, args=(server.makefile("rb"), client), daemon=True)
                    back.start()
                    if self.proxy:
                        _pour(reader, server)
                    else:
                        self._pass_requests(reader, server, head)
                        server.shutdown(socket.SHUT_WR)
                    back.join()
                    self._open.discard(server)
            finally:
                self._open.discard(client)

    def _pass_requests(self, reader: BufferedReader, server: socket.socket, head: bytes) -> None:
        while head:
            server.sendall(_HOST.sub(b"Host: " + self._remote.authority.encode(), head))
            _pass_body(reader, head, server)
            head = _head(reader)

    def _place(self) -> bytes:
        host = f"[{self._remote.host}]" if ":" in self._remote.host else self._remote.host
        return f"{host}:{self._remote.effective_port}".encode()


def _head(reader: BufferedReader) -> bytes:
    """The next request's line and headers; empty when there is none, or none that ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(LONGEST_HEAD)
        head += line
        if not line or len(head) > LONGEST_HEAD:
            return b""
    return head


def _pass_body(reader: BufferedReader, head: bytes, server: socket.socket) -> None:
    length = _LENGTH.search(head)
    if length:
        _pass_bytes(reader, int(length[1]), server)
    elif _CHUNKED.search(head):
        size = -1
        while size:
            line = reader.readline(LONGEST_HEAD)
            size = int(line.partition(b";")[0], 16)
            server.sendall(line)
            _pass_bytes(reader, size + len(b"\r\n"), server)


def _pass_bytes(reader: BufferedReader, left: int, server: socket.socket) -> None:
    while left > 0:
        piece = reader.read(min(left, CHUNK))
        if not piece:
            raise ConnectionError("the request ended before its body did")
        server.sendall(piece)
        left -= len(piece)


def _pour(source: BufferedReader, sink: socket.socket) -> None:
    """Everything that comes out of `source` into `sink`, as it comes, then end `sink`'s input."""
    buffer = memoryview(bytearray(CHUNK))
    with source, contextlib.suppress(OSError):
        while size := source.readinto1(buffer):
            sink.sendall(buffer[:size])
        sink.shutdown(socket.SHUT_WR)
