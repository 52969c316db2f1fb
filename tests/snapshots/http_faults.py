"""A proxy in front of an HTTP store that fails, breaks off, stalls or cuts a chosen request."""

import http.client
import http.server
import threading
import time
import urllib.parse
from collections.abc import Callable

Rule = Callable[[int, str, str], str | None]
"""The number of the request, its method and its path; what to do with it, None to let it pass."""


class FaultProxy:
    """`rule` decides for each request: `500`, `403`, `drop` (the connection ends), `half` (of the body is handed on),
    `cut` (the answer ends too early), `stall` (no answer until `close`)."""

    def __init__(self, endpoint: str, rule: Rule) -> None:
        self._target = urllib.parse.urlsplit(endpoint)
        self.rule = rule
        self.requests: list[tuple[str, str]] = []
        self.sent_bytes = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, method: str, path: str, headers, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=30)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() != "connection"}
            connection.request(method, path, body=body or None, headers={**kept, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _handler(proxy):  # noqa: N805 - the handler's own self is another
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with proxy._lock:
                    number = len(proxy.requests)
                    proxy.requests.append((self.command, self.path))
                    if self.command in {"PUT", "POST"}:
                        proxy.sent_bytes += len(body)
                what = proxy.rule(number, self.command, self.path)
                if what == "stall":
                    proxy._over.wait(60)
                    self.close_connection = True
                    return
                if what == "slow":
                    time.sleep(0.2)
                if what == "drop":
                    self.close_connection = True
                    return
                if what in {"500", "503", "403"}:
                    self.answer(int(what), [], b"<Error><Code>X</Code><Message>made to fail</Message></Error>")
                    return
                if what == "half":
                    body = body[: len(body) // 2]
                status, headers, data = proxy.pass_on(self.command, self.path, self.headers, body)
                self.answer(status, headers, data, cut=what == "cut")

            def answer(self, status, headers, data, *, cut=False) -> None:
                self.send_response_only(status)
                length = str(len(data))
                for name, value in headers:
                    if name.lower() == "content-length" and self.command == "HEAD":
                        length = value
                    elif name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if cut else data)
                if cut:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve  # noqa: N815 - the library's names

            def log_message(self, *args) -> None: ...

        return Handler
