import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.jobs.child_run import ChildRun
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import Repositories, build

ENGINES = ("git", "libgit2")


def needs(program: str) -> str:
    """The program's path; see `missing` for when there is none."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/lib/git-core")
    if found is None:
        missing(program)
    return str(found)


def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Return when the condition holds; fail after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "git":
        needs("git")
    return request.param


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    needs("git")
    return build(tmp_path_factory.mktemp("served"))


@pytest.fixture
def server(repositories: Repositories) -> Iterator[GitServer]:
    with GitServer(repositories.root) as server:
        yield server


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., ChildRun]]:
    """Start a child on a task; all of a test's children share the project's folder."""
    started: list[ChildRun] = []

    def start(url: str, **options) -> ChildRun:
        run = ChildRun(tmp_path, url, number=len(started), **options)
        started.append(run)
        return run

    yield start
    for run in started:
        run.close()


@contextlib.contextmanager
def running(arguments: list[str], port: int, **options) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        arguments, start_new_session=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        until(lambda: accepts(port))
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def git_daemon(repositories: Repositories) -> Iterator[str]:
    port = free_port()
    arguments = [needs("git"), "daemon", "--listen=127.0.0.1", f"--port={port}", f"--base-path={repositories.root}"]
    with running([*arguments, "--export-all", "--reuseaddr"], port):
        yield f"git://127.0.0.1:{port}"


@dataclass
class Sshd:
    port: int
    host_key: str
    """`type base64`"""
    key: str
    """A private key that opens the account."""
    locked_key: str
    """The same key under the passphrase `open sesame`."""
    other_key: str
    """A private key that opens nothing."""
    url: str
    home: Path
    """With no known hosts until `know` is called."""

    def know(self, line: str | None = None) -> None:
        (self.home / ".ssh" / "known_hosts").write_text((line or f"[127.0.0.1]:{self.port} {self.host_key}") + "\n")


@pytest.fixture(scope="session")
def sshd(repositories: Repositories, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    program, keygen, folder = needs("sshd"), needs("ssh-keygen"), tmp_path_factory.mktemp("sshd")
    for name in ("host", "user", "other"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user", folder / "locked")
    subprocess.run([keygen, "-q", "-p", "-N", "open sesame", "-P", "", "-f", folder / "locked"], check=True)
    (folder / "home" / ".ssh").mkdir(parents=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    config = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": "none", "UsePAM": "no",
        "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no", "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
    }  # fmt: skip
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in config.items()))
    with running([program, "-D", "-f", str(folder / "config")], port):
        yield Sshd(
            port=port,
            host_key=" ".join((folder / "host.pub").read_text().split()[:2]),
            key=(folder / "user").read_text(),
            locked_key=(folder / "locked").read_text(),
            other_key=(folder / "other").read_text(),
            url=f"ssh://{getpass.getuser()}@127.0.0.1:{port}{repositories.root}",
            home=folder / "home",
        )


@pytest.fixture
def ssh(sshd: Sshd) -> Sshd:
    (sshd.home / ".ssh" / "known_hosts").unlink(missing_ok=True)
    return sshd


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody trusts by himself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            needs("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", key, "-out", cert,
        ],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return cert, key
