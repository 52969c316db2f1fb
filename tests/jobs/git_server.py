"""A small HTTP/1.1 server over `git http-backend` that can also be told to misbehave."""

import base64
import contextlib
import itertools
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote_to_bytes, urlsplit


@dataclass
class Behaviour:
    """How the server answers; tests change it while it runs."""

    user: tuple[str, str] | None = None
    """Name and password that are wanted; None: nobody is asked."""
    redirects: Mapping[str, str] = field(default_factory=dict)
    """Path prefix to what replaces it: a path or a whole URL."""
    status: int | None = None
    """Answered to everything, with a short text."""
    garbage: bytes | None = None
    """Sent raw instead of an answer."""
    page: bool = False
    """A web page instead of a repository."""
    hang: str = ""
    """`accept`: never answer; `refs`: never answer the first request; `pack`: nor the second."""
    bytes_per_s: float | None = None
    """Speed limit of packs."""
    cut_after: int | None = None
    """Close the connection after so many bytes of a pack."""
    words: bytes = b""
    """Said to the client in front of each pack."""
    endless: str = ""
    """`refs`: a list of refs that never ends; `words`: a line of the server's own that never ends."""
    close_1_0: bool = False
    """Answer as HTTP/1.0 servers do, the end of the connection ending the body."""


class GitServer:
    """A context: serves the bare repositories under `root` at `url`."""

    def __init__(self, root: Path, *, tls: tuple[Path, Path] | None = None, host: str = "127.0.0.1") -> None:
        self.root = root
        self.behaviour = Behaviour()
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        """Method, path and headers of each."""
        self.released = threading.Event()
        """Ends every hang."""
        self._server = _Server((host, 0), _Handler)
        self._server.git = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    git: GitServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        git = self.server.git
        behaviour = git.behaviour
        git.requests.append((self.command, self.path, dict(self.headers)))
        body = self._body()
        is_pack = self.command == "POST"
        if behaviour.hang in {"accept", "pack" if is_pack else "refs"}:
            git.released.wait(60)
            self.close_connection = True
        elif behaviour.garbage is not None:
            self.wfile.write(behaviour.garbage)
            self.close_connection = True
        elif behaviour.status is not None:
            self._short(behaviour.status)
        elif behaviour.endless == "refs" or (behaviour.endless and is_pack):
            self._talk(behaviour.endless)
        elif behaviour.page:
            self._short(200, b"<!doctype html><title>A page</title>", {"Content-Type": "text/html"})
        elif location := self._redirect():
            self._short(302, b"", {"Location": location})
        elif not self._may_enter():
            self._short(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend(body, is_pack=is_pack)

    def _talk(self, what: str) -> None:
        """Say something for as long as anybody listens."""
        kind, said = ("advertisement", endless_refs()) if what == "refs" else ("result", endless_words())
        self.send_response(200)
        self.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in said:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def _redirect(self) -> str | None:
        for prefix, place in self.server.git.behaviour.redirects.items():
            if self.path.startswith(prefix):
                return place + self.path.removeprefix(prefix)
        return None

    def _may_enter(self) -> bool:
        wanted = self.server.git.behaviour.user
        if wanted is None:
            return True
        given = base64.b64encode(":".join(wanted).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {given}"

    def _short(self, status: int, body: bytes = b"no", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _backend(self, body: bytes, *, is_pack: bool) -> None:
        url = urlsplit(self.path)
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": os.fsdecode(unquote_to_bytes(url.path.encode("latin-1"))),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": "" if self.server.git.behaviour.endless else self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        backend = subprocess.Popen(
            ["git", "http-backend"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            backend.stdin.write(body)
            backend.stdin.close()
            self._send(backend.stdout, is_pack=is_pack)
        finally:
            backend.kill()
            backend.stdout.close()
            with contextlib.suppress(OSError):
                backend.stdin.close()
            backend.wait()

    def _send(self, output, *, is_pack: bool) -> None:
        behaviour = self.server.git.behaviour
        headers = {}
        while line := output.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name] = value.strip()
        status = int(headers.pop("Status", "200").split()[0])
        if behaviour.close_1_0:
            self.protocol_version = "HTTP/1.0"
            self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not behaviour.close_1_0:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        for chunk in self._paced(output, is_pack=is_pack):
            self.wfile.write(chunk if behaviour.close_1_0 else b"%x\r\n%s\r\n" % (len(chunk), chunk))
            sent += len(chunk)
            if is_pack and behaviour.cut_after is not None and sent >= behaviour.cut_after:
                self.close_connection = True
                return
        if not behaviour.close_1_0:
            self.wfile.write(b"0\r\n\r\n")

    def _paced(self, output, *, is_pack: bool) -> Iterator[bytes]:
        behaviour = self.server.git.behaviour
        speed = behaviour.bytes_per_s if is_pack else None
        words = b"\x02" + behaviour.words
        while chunk := output.read1(4096 if speed or behaviour.cut_after else 262144):
            if behaviour.words and is_pack:
                for mark in (b"0008NAK\n", b"000dpackfile\n"):  # the pack's side band begins here, in version 0 and 2
                    chunk = chunk.replace(mark, mark + b"%04x" % (len(words) + 4) + words, 1)
            yield chunk
            if speed and not self.server.git.released.is_set():
                time.sleep(len(chunk) / speed)  # the slowness itself is what is wanted


def packet(data: bytes) -> bytes:
    """A pkt-line."""
    return b"%04x" % (len(data) + 4) + data


def endless_refs() -> Iterator[bytes]:
    yield b"001e# service=git-upload-pack\n0000" + packet(b"%s HEAD\0side-band-64k\n" % (b"a" * 40))
    for number in itertools.count():
        names = range(number * 1000, (number + 1) * 1000)
        yield b"".join(packet(b"%s refs/heads/%0200d\n" % (b"a" * 40, name)) for name in names)


def endless_words() -> Iterator[bytes]:
    """A line that does not end."""
    yield packet(b"NAK\n")
    while True:
        yield packet(b"\x02" + b"x" * 65_000) * 16


def main() -> None:
    """Serve a folder, for trying things out by hand: `python tests/jobs/git_server.py FOLDER`."""
    with GitServer(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
