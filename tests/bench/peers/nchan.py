"""Nchan in nginx: one worker, and a publisher beside it that never keeps it waiting.

The publisher has one persistent connection and pipelines: a burst is so many POSTs in flight, and a next one is under
way before the first is answered, so that nginx finds work whenever it looks.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.machine import SERVER_CORE, BrokenError, MissingError
from tests.bench.orders import obey, run, say
from tests.bench.peer import Peer, Setup, Started, payload_text, sse, websocket

MODULES = (
    "/usr/lib/nginx/modules",
    "/usr/lib64/nginx/modules",
    "/usr/share/nginx/modules",
    "/usr/local/lib/nginx/modules",
)
CONFIG = """
load_module {module};
{user}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr error;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256m;
    nchan_message_buffer_length 4096;
    nchan_message_timeout 600s;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location = /publish {{ nchan_publisher http; nchan_channel_id p; }}
        location = /watch {{
            nchan_subscriber websocket eventsource;
            nchan_subscriber_first_message newest;
            nchan_channel_id p;
        }}
    }}
}}
"""
START_S = 10.0


def start(setup: Setup) -> Started:
    # nginx closes idle connections, the publisher's too, once fewer than a sixteenth of them are left.
    files = setup.watchers * 5 // 4 + 512
    options = [nginx(), module(), files, SERVER_CORE]
    return Started(command=[sys.executable, "-m", "tests.bench.peers.nchan", *options], is_driver=True)


PEER = Peer(name="nchan", title="Nchan in nginx", start=start, watch={"ws": websocket, "sse": sse})


def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin")
    if found is None:
        raise MissingError("no nginx (apt install nginx libnginx-mod-nchan)")
    return found


def module() -> Path:
    for folder in MODULES:
        if (path := Path(folder) / "ngx_nchan_module.so").exists():
            return path
    raise MissingError("no Nchan (apt install libnginx-mod-nchan)")


@dataclass(slots=True)
class Pipeline:
    """POSTs on one connection; answers come in order, and only how many matters."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes
    sent: int = 0
    answered: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    subscribed: int = 0

    async def read(self) -> None:
        while True:
            try:
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode("ascii").lower()
            except asyncio.IncompleteReadError as exc:
                raise BrokenError("nginx has left its publisher") from exc
            status = head.split(" ", 2)[1]
            length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
            body = (await self.reader.readexactly(length)).decode()
            if not (status.startswith("2") or status == "404"):  # 404: nobody subscribes to the channel yet
                raise BrokenError(f"nginx answered {status} to a publisher")
            self.answered += 1
            counts = [line for line in body.splitlines() if line.startswith("active subscribers:")]
            if counts:
                self.subscribed = int(counts[0].rpartition(":")[2])
            self.moved.set()

    def post(self) -> None:
        self.writer.write(self.request)
        self.sent += 1

    def get(self) -> None:
        self.writer.write(b"GET /publish HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.sent += 1

    async def room(self, in_flight: int) -> None:
        while self.sent - self.answered > in_flight:
            self.moved.clear()
            await self.moved.wait()


@dataclass(slots=True)
class NchanPublisher:
    pipeline: Pipeline
    worker: int

    def watchers(self) -> int:
        if self.pipeline.sent == self.pipeline.answered:
            self.pipeline.get()  # its answer is there when this is asked again
        return self.pipeline.subscribed

    async def burst(self, events: int, burst: int) -> None:
        for n in range(events):
            self.pipeline.post()
            if n % burst == burst - 1:
                await self.pipeline.room(burst)
        await self.pipeline.room(0)

    def one(self) -> None:
        self.pipeline.post()

    def state(self) -> dict[str, Any]:
        return {"watchers": self.pipeline.subscribed}


@contextlib.contextmanager
def serving(program: str, library: str, files: int, core: int) -> Iterator[tuple[int, int]]:
    """Port and process id of the worker of an nginx that is killed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(CONFIG.format(module=library, user=user, folder=folder, files=files, port=port))
        command: list[str | Path] = [program, "-p", folder, "-c", config, "-e", "stderr"]
        with subprocess.Popen(command) as master:
            try:
                yield port, worker_of(master, port, core)
            finally:
                master.terminate()


def worker_of(master: "subprocess.Popen[bytes]", port: int, core: int) -> int:
    """The worker that serves, once it does, from then on on `core`."""
    deadline = time.monotonic() + START_S
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    while time.monotonic() < deadline and master.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            if workers := children.read_text().split():
                os.sched_setaffinity(int(workers[0]), {core})
                return int(workers[0])
        time.sleep(0.05)
    raise BrokenError("nginx did not start")


async def main(port: int, worker: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = payload_text().encode()
    head = f"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    pipeline = Pipeline(reader, writer, head.encode() + b"\r\n\r\n" + body)
    reading = asyncio.create_task(pipeline.read())
    say(port=port, path="/watch", pids=[worker])
    orders = asyncio.create_task(obey(NchanPublisher(pipeline, worker)))
    done, _ = await asyncio.wait({reading, orders}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


if __name__ == "__main__":
    try:
        with serving(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])) as (port, worker):
            run(main(port, worker), "asyncio")
    except BrokenError as exc:
        sys.exit(f"nchan: {exc}")
