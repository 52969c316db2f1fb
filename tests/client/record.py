"""Makes `recordings/`, what real programs print in a terminal and in a pipe: `python -m tests.client.record [NAME ...]`

Each is run against servers on loopback that are slow on purpose, so that there is something to report in between.
A program that is not on the machine is left out, and its old recording stays.
"""

import asyncio
import contextlib
import fcntl
import functools
import http.server
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hub.demo.git_server import GitServer
from hub.demo.repository import make_repository
from tests.servers import serving

HERE = Path(__file__).parent / "recordings"
ROWS, COLUMNS = 24, 100
FILE_BYTES = 6_000_000
BYTES_PER_S = 2_000_000


class Slow(http.server.SimpleHTTPRequestHandler):
    """Serves a folder at BYTES_PER_S."""

    def copyfile(self, source, outputfile):
        while chunk := source.read(BYTES_PER_S // 20):
            outputfile.write(chunk)
            time.sleep(0.05)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def slow_server(folder: Path) -> Iterator[str]:
    with serving(functools.partial(Slow, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}"


def without_traces(said: bytes, folder: str) -> bytes:
    """Without what is this machine's own."""
    said = said.replace(folder.encode(), b"/home/a").replace(sys.prefix.encode(), b"/usr")
    return re.sub(rb"Looking in links: [^\r\n]*\r?\n", b"", said)


def run(command: list[str], *, tty: bool, cwd: Path) -> bytes:
    """Everything that `command` prints, stdout and stderr as one."""
    environment = os.environ | {
        "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "PIP_CONFIG_FILE": os.devnull,
        "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    if not tty:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return done.stdout
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # a terminal's other end reports its close as an error
            while data := os.read(ours, 65536):
                said += data
    os.close(ours)
    return said


def git(folder: Path, *, tty: bool) -> bytes:
    async def clone() -> bytes:
        await asyncio.to_thread(make_repository, folder / "harbour.git")
        server = GitServer(folder / "harbour.git", 400_000)
        await server.start(folder / "address")
        try:
            command = ["git", "clone", "--progress", server.url, "copy"]
            return await asyncio.to_thread(run, command, tty=tty, cwd=folder)
        finally:
            await server.stop()

    return asyncio.run(clone())


def fetch(*command: str) -> Callable[..., bytes]:
    """A command that downloads `{url}`."""

    def record(folder: Path, *, tty: bool) -> bytes:
        (folder / "big.bin").write_bytes(os.urandom(FILE_BYTES))
        with slow_server(folder) as url:
            return run([part.format(url=f"{url}/big.bin") for part in command], tty=tty, cwd=folder)

    return record


def pip(folder: Path, *, tty: bool) -> bytes:
    index = folder / "index" / "payload"
    index.mkdir(parents=True)
    name = "payload-1.0-py3-none-any.whl"
    with zipfile.ZipFile(index / name, "w") as wheel:
        wheel.writestr("payload/data.bin", os.urandom(FILE_BYTES))
        wheel.writestr("payload-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: payload\nVersion: 1.0\n")
        wheel.writestr("payload-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("payload-1.0.dist-info/RECORD", "")
    with slow_server(folder / "index") as url:
        command = [sys.executable, "-m", "pip", "download", "--no-cache-dir", "--disable-pip-version-check"]
        return run([*command, "--index-url", url, "payload"], tty=tty, cwd=folder)


def script(text: str, *command: str) -> Callable[..., bytes]:
    def record(folder: Path, *, tty: bool) -> bytes:
        (folder / "script.py").write_text(text)
        return run([*command], tty=tty, cwd=folder)

    return record


TQDM = """
import time
from tqdm import tqdm
for _ in tqdm(range(400), desc="Epoch 1"):
    time.sleep(0.004)
for _ in tqdm(range(3_000_000), unit="B", unit_scale=True):
    pass
for _ in tqdm(iter(range(200)), unit="rows"):
    time.sleep(0.004)
print("done")
"""
PYTESTS = """
import pytest
@pytest.mark.parametrize("n", range(300))
def test_it(n):
    pass
"""


def pytest(folder: Path, *, tty: bool) -> bytes:
    for n in range(3):
        (folder / f"test_{n}.py").write_text(PYTESTS)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], tty=tty, cwd=folder)


def ninja(folder: Path, *, tty: bool) -> bytes:
    text = "rule make\n  command = sleep 0.01 && touch $out\n"
    text += "".join(f"build out{n}: make\n" for n in range(40))
    (folder / "build.ninja").write_text(text)
    return run(["ninja", "-j2"], tty=tty, cwd=folder)


def cargo(folder: Path, *, tty: bool) -> bytes:
    names = [f"part{n}" for n in range(6)]
    for name in names:
        (folder / name / "src").mkdir(parents=True)
        (folder / name / "src" / "lib.rs").write_text("pub fn it() {}\n" * 1)
        (folder / name / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n')
    (folder / "Cargo.toml").write_text(f'[workspace]\nresolver = "2"\nmembers = {names!r}\n'.replace("'", '"'))
    return run(["cargo", "build", "--offline", "-j1"], tty=tty, cwd=folder)


def rsync(folder: Path, *flags: str, tty: bool) -> bytes:
    (folder / "from").mkdir()
    for n in range(6):
        (folder / "from" / f"f{n}").write_bytes(os.urandom(1_000_000))
    return run(["rsync", "-a", "--bwlimit=3000", *flags, "from/", "to/"], tty=tty, cwd=folder)


def apt(folder: Path, *, tty: bool) -> bytes:
    """Of an archive of one package, made here, into a root of its own."""
    archive = folder / "archive"
    (folder / "big" / "DEBIAN").mkdir(parents=True)
    (folder / "big" / "payload").write_bytes(os.urandom(FILE_BYTES))
    control = "Package: payload\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: nothing\n"
    (folder / "big" / "DEBIAN" / "control").write_text(control)
    archive.mkdir()
    subprocess.run(
        ["dpkg-deb", "-Znone", "-b", "big", "archive/payload.deb"], cwd=folder, check=True, capture_output=True
    )
    packages = subprocess.run(["dpkg-scanpackages", "."], cwd=archive, check=True, capture_output=True).stdout
    (archive / "Packages").write_bytes(packages)
    state = folder / "state"
    for part in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d"):
        (state / part).mkdir(parents=True)
    (state / "status").write_text("")
    with slow_server(archive) as url:
        (state / "sources.list").write_text(f"deb [trusted=yes] {url} ./\n")
        settings = {
            "Dir::State": state, "Dir::State::status": state / "status", "Dir::Cache": state / "cache",
            "Dir::Etc": state / "etc", "Dir::Etc::sourcelist": state / "sources.list",
            "Dir::Etc::sourceparts": "-", "Dir::State::lists": state / "lists", "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }  # fmt: skip
        flags = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        first = run(["apt-get", *flags, "update"], tty=tty, cwd=folder)
        return first + run(["apt-get", *flags, "download", "payload"], tty=tty, cwd=folder)


RECORDINGS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "git": ("git", git),
    "curl": ("curl", fetch("curl", "-o", "got.bin", "{url}")),
    "curl-bar": ("curl", fetch("curl", "-#", "-o", "got.bin", "{url}")),
    "wget": ("wget", fetch("wget", "-O", "got.bin", "{url}")),
    "wget-bar": ("wget", fetch("wget", "-q", "--show-progress", "--progress=bar:force", "-O", "got.bin", "{url}")),
    "pip": (sys.executable, pip),
    "tqdm": (sys.executable, script(TQDM, sys.executable, "script.py")),
    "pytest": (sys.executable, pytest),
    "ninja": ("ninja", ninja),
    "cargo": ("cargo", cargo),
    "rsync-total": ("rsync", lambda folder, *, tty: rsync(folder, "--info=progress2", tty=tty)),
    "rsync-each": ("rsync", lambda folder, *, tty: rsync(folder, "--progress", tty=tty)),
    "apt": ("dpkg-scanpackages", apt),
}


def main(names: list[str]) -> None:
    HERE.mkdir(exist_ok=True)
    for name in names or RECORDINGS:
        program, record = RECORDINGS[name]
        if shutil.which(program) is None:
            print(f"{name}: no {program} on this machine")
            continue
        for tty in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                said = record(Path(folder), tty=tty)
            said = without_traces(said, folder)
            (HERE / f"{name}.{'tty' if tty else 'pipe'}").write_bytes(said)
            print(f"{name}: {len(said)} bytes {'in a terminal' if tty else 'in a pipe'}")


if __name__ == "__main__":
    main(sys.argv[1:])
