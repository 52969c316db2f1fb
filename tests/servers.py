"""Web servers for tests, each in a thread of its own."""

import contextlib
import functools
import http.server
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """Its port on loopback, until the block ends."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def package_index(folder: Path, payload_bytes: int, handler: Callable[..., Any]) -> Iterator[str]:
    """The URL of a package index with one wheel, `payload` 1.0, served by `handler` out of a new folder."""
    place = folder / "payload"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "payload-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("payload/data.bin", os.urandom(payload_bytes))
        wheel.writestr("payload-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: payload\nVersion: 1.0\n")
        wheel.writestr("payload-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("payload-1.0.dist-info/RECORD", "")
    with serving(functools.partial(handler, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}"
