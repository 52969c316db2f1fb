"""nginx and haproxy as Debian configures them, with no more added than a test says."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import missing

NGINX_CONF = Path("/etc/nginx/nginx.conf")
HAPROXY_CFG = Path("/etc/haproxy/haproxy.cfg")
START_S = 10.0


@contextlib.contextmanager
def nginx(folder: Path, site: str) -> Iterator[str]:
    """The base URL of Debian's nginx with `site` as its only one; it listens where `site` says PORT."""
    port = free_port()
    (folder / "site").write_text(site.replace("PORT", str(port)))
    conf = stock(NGINX_CONF).replace("/etc/nginx/sites-enabled/*", str(folder / "site"))
    conf = conf.replace("/run/nginx.pid", str(folder / "pid")).replace("/var/log/nginx/", f"{folder}/")
    with _serving("nginx", ["-g", "daemon off;", "-c"], folder / "nginx.conf", conf, port) as url:
        yield url


@contextlib.contextmanager
def haproxy(folder: Path, sections: str) -> Iterator[str]:
    """The same of haproxy with `sections`, under Debian's `defaults`; what only a system service needs is left out."""
    port = free_port()
    conf = re.sub(r"(?m)^\s*(log|chroot|stats|user|group|daemon)\b.*\n", "", stock(HAPROXY_CFG))
    conf += sections.replace("PORT", str(port))
    with _serving("haproxy", ["-db", "-f"], folder / "haproxy.cfg", conf, port) as url:
        yield url


def stock(path: Path) -> str:
    if not path.exists():
        missing(str(path))
    return path.read_text(encoding="utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def _serving(name: str, flags: list[str], path: Path, conf: str, port: int) -> Iterator[str]:
    program = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing(name)
    path.write_text(conf)
    with (path.parent / f"{name}.out").open("wb+") as out:
        process = subprocess.Popen([program, *flags, str(path)], stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + START_S
            while not _answers(port):
                out.seek(0)
                assert process.poll() is None, out.read().decode()
                assert time.monotonic() < deadline, f"{name} does not listen"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(START_S)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        time.sleep(0.02)
        return False
