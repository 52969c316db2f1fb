"""Socket.IO for Node: `io.to(room).emit`. npm installs it once into the user's cache folder."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.bench.machine import HERE, MissingError
from tests.bench.peer import Peer, Setup, Started, payload_text, socket_io

PACKAGE = "socket.io@4"
INSTALL_S = 180.0


def start(setup: Setup) -> Started:
    node, modules = shutil.which("node"), installed(cached())
    assert node is not None
    command = [node, HERE / "peers" / "node_socketio.cjs", payload_text()]
    return Started(command=command, env={"NODE_PATH": str(modules), "NODE_ENV": "production"})


PEER = Peer(name="socket.io", title="Socket.IO for Node", start=start, watch={"ws": socket_io})


def cached() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "progress-hub-bench" / PACKAGE


def installed(folder: Path) -> Path:
    """The folder of its modules. Raises MissingError."""
    modules = folder / "node_modules"
    if shutil.which("node") is None:
        raise MissingError("no node (apt install nodejs npm)")
    if (modules / "socket.io").is_dir():
        return modules
    if (npm := shutil.which("npm")) is None:
        raise MissingError("no npm (apt install npm)")
    folder.mkdir(parents=True, exist_ok=True)
    quietly = ("--no-audit", "--no-fund", "--no-save", "--silent")
    command: list[str | Path] = [npm, "install", "--prefix", folder, *quietly, PACKAGE]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
        raise MissingError(f"npm could not install {PACKAGE}: {exc}") from exc
    return modules
