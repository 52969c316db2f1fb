"""A real S3 endpoint on loopback: moto's server, as a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from hub.snapshots.backend import Location, ObjectStore
from tests.conftest import missing
from tests.jobs.conftest import accepts, free_port

BUCKET = "bucket"
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIAHUBEXAMPLE00", "AWS_SECRET_ACCESS_KEY": "a-secret-nobody-may-see-0123456789"}
START_S = 30.0


@dataclass(frozen=True)
class S3:
    endpoint: str

    @property
    def options(self) -> dict[str, str]:
        return {"AWS_ENDPOINT": self.endpoint, "AWS_REGION": "us-east-1"}

    def location(self, prefix: str = "p", url: str = f"s3://{BUCKET}/hub") -> Location:
        return Location(url=url, prefix=prefix, options=self.options, secrets=SECRETS)

    def backend(self, prefix: str = "p") -> ObjectStore:
        return ObjectStore(self.location(prefix))


@contextlib.contextmanager
def serving() -> Iterator[S3]:
    try:
        import moto.server  # noqa: F401, PLC0415 - the process needs it
    except ImportError:
        missing("moto")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    try:
        end = time.monotonic() + START_S
        while not accepts(port):
            assert time.monotonic() < end, "moto did not start"
            assert process.poll() is None, "moto ended"
            time.sleep(0.05)
        endpoint = f"http://127.0.0.1:{port}"
        _make_bucket(endpoint)
        yield S3(endpoint)
    finally:
        process.kill()
        process.wait()


def _make_bucket(endpoint: str) -> None:
    request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
    with urllib.request.urlopen(request, timeout=START_S):
        pass
