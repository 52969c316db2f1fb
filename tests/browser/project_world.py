"""A hub with a project in which everything has been done once: the ground that tests of the project view stand on."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.jobs.git_server import GitServer
from tests.processes import HubProcess

MARKUP = "<img src=x onerror=\"document.title='owned'\">"
TURNED = "turn\u202eed"
ENDLESS = "x" * 10_000
HOUR_MS = 3_600_000
IDENTITY = ("-c", "commit.gpgsign=false", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")
END_S = 60.0


class Repository:
    """A repository with a bare twin that is served."""

    def __init__(self, root: Path, name: str) -> None:
        self.work = root / f"{name}-work"
        self.bare = root / f"{name}.git"
        self.work.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str, **env: str) -> None:
        command = ["git", *IDENTITY, "-C", str(self.work), *words]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | env)

    def commit(self, subject: str, at_s: float, files: dict[bytes, str], author: str = "Ada") -> None:
        for name, content in files.items():
            path = self.work / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        at = f"@{at_s:.0f} +0000"
        self.git("commit", "-qm", subject, GIT_AUTHOR_NAME=author, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at)

    def steps(self, number: int, from_s: float) -> None:
        """So many commits, a minute apart."""
        stream = []
        for n in range(number):
            who = f"Ada <ada@example.org> {from_s + n * 60:.0f} +0000"
            subject, text = f"Step {n}", f"{n}\n"
            stream.append(
                f"commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {len(subject)}\n{subject}\n"
                + ("" if n else "from refs/heads/main^0\n")
                + f"M 100644 inline src/steps.txt\ndata {len(text)}\n{text}\n"
            )
        command = ["git", "-C", str(self.work), "fast-import", "--quiet"]
        subprocess.run(command, input="".join(stream).encode(), check=True, capture_output=True)
        self.git("reset", "-q", "--hard")

    def publish(self) -> None:
        if self.bare.exists():
            self.git("push", "-q", str(self.bare), "main")
        else:
            self.git("clone", "-q", "--bare", str(self.work), str(self.bare))


class Receiver:
    """Takes webhooks; `status` is what it answers."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class World:
    """`lab`: all has been done; `fresh` and `bulk`: nothing has run; `outside`: published into."""

    def __init__(self, hub: HubProcess, git: GitServer, root: Path, roots: Path) -> None:
        self.hub, self.git, self.root, self.roots = hub, git, root, roots
        self.now_ms = int(time.time() * 1000)

    def run(self, project: str, kind: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a job and wait for its end; its state object."""
        return self.ended(
            self.hub.call("POST", f"projects/{project}/jobs", {"kind": kind, "params": params or {}})["id"]
        )

    def ended(self, job: str) -> dict[str, Any]:
        latest = time.monotonic() + END_S
        while (state := self.hub.call("GET", f"jobs/{job}"))["ended"] is None:
            assert time.monotonic() < latest, state
            time.sleep(0.03)
        return state

    def build(self) -> None:
        repository = self._repository()
        assert self.hub.call("POST", "projects", {"url": f"{self.git.url}/lab.git"})["id"] == "lab"
        self._done("lab", "clone")
        self._done("lab", "snapshot", {"quiet_s": 0})
        (repository.work / "old.txt").unlink()
        news = {b"src/app.js": "export const needle = 2;\n", b"new.txt": "new needle\n"}
        repository.commit("Change", self.now_ms / 1000 - 600, news)
        repository.publish()
        self._done("lab", "clone")
        self._done("lab", "snapshot", {"quiet_s": 0})
        self._done("lab", "index")
        assert self.run("lab", "clone", {"branch": "no-such-branch"})["state"] == "failed"
        self.hub.call("POST", "sessions", {"sessions": self._sessions()})
        self._done("lab", "sync")
        self._others(repository)

    def _done(self, project: str, kind: str, params: dict[str, Any] | None = None) -> None:
        ended = self.run(project, kind, params)
        assert ended["state"] == "succeeded", ended["error"]

    def _repository(self) -> Repository:
        repository, now_s = Repository(self.root, "lab"), self.now_ms / 1000
        code = "".join(f"def needle_{n}(value):\n    return value + {n}\n\n" for n in range(20))
        hostile = f"{MARKUP}\nneedle {TURNED}\n{ENDLESS}needle{ENDLESS}\nemoji \U0001f600 needle\n"
        repository.commit("Begin", now_s - 9 * 3600, {
            b"src/needle.py": code, b"src/app.js": "export function needleOf(x) { return x; }\n",
            b"docs/readme.md": "# A needle in the docs\n", b"hostile.txt": hostile, b"old.txt": "goes\n",
            b"raw-\xff\xfe.txt": "needle in a name that is no UTF-8\n", TURNED.encode() + b".txt": "turned needle\n",
            b"<img src=x onerror=alert(1)>.txt": "needle\n",
        })  # fmt: skip
        more = {b"src/more.py": "needle = 1\n"}
        repository.commit(f"{MARKUP} {TURNED}", now_s - 8 * 3600, more, author=f"Eve {TURNED}")
        repository.commit(f"long {ENDLESS}", now_s - 7 * 3600, {b"long/" + b"y" * 200 + b".txt": "y\n"})
        repository.steps(48, now_s - 6 * 3600)
        repository.publish()
        return repository

    def _sessions(self) -> list[dict[str, Any]]:
        hours = {n: self.now_ms - n * HOUR_MS for n in (6, 8, 9)}
        spans = {
            "work-1": (hours[6], hours[6] + 30 * 60_000),
            MARKUP: (hours[8] - 60_000, hours[8] + 60_000),
            "missed": (hours[9] + 100_000, hours[9] + 200_000),
        }
        sessions = [{"id": id_, "project": "lab", "start": start, "end": end} for id_, (start, end) in spans.items()]
        sessions[0]["events"] = [{"at": hours[6] + 5 * 60_000 - 5_000, "type": "commit"}]
        return sessions

    def _others(self, repository: Repository) -> None:
        shutil.copytree(repository.bare, self.root / "fresh.git")
        bulk = Repository(self.root, "bulk")
        texts = {f"src/d{n % 50}/f{n}.py".encode(): f"def bulky_{n}():\n    return {n}\n" * 60 for n in range(1500)}
        bulk.commit("Bulk", self.now_ms / 1000, texts)
        bulk.publish()
        for name in ("fresh", "bulk"):
            self.hub.call("POST", "projects", {"url": f"{self.git.url}/{name}.git"})
        self.hub.call("POST", "projects", {"id": "outside", "name": f"{MARKUP} {TURNED}"})


def until(seen: Callable[[], Any], patience_s: float = 20.0) -> Any:
    latest = time.monotonic() + patience_s
    while not (found := seen()):
        assert time.monotonic() < latest, "it never came"
        time.sleep(0.05)
    return found
