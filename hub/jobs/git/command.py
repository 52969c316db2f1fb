"""The engine that runs the git command: the faster one, where git is installed."""

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pygit2

from hub.core.report import Report
from hub.jobs.base import JobFailed
from hub.jobs.git import process
from hub.jobs.git.base import WHOLE_HISTORY, Fetched, Source, Wanted
from hub.jobs.git.environment import environment
from hub.jobs.git.failures import explain
from hub.jobs.git.lines import Line, parse
from hub.jobs.git.refs import RemoteRef, choose, head_of, no_such_branch, refspecs, set_head
from hub.jobs.git.transfer import Counters, PackSize, Transfer

OLDEST_GIT = (2, 37)
"""The first with `http.curloptResolve`, which keeps git to the checked address."""


FETCHES_NOTHING: Mapping[tuple[int, ...], tuple[int, ...]] = {
    each[:2]: each for each in ((2, 39, 4), (2, 40, 2), (2, 41, 1), (2, 42, 2), (2, 43, 4), (2, 44, 1), (2, 45, 1))
}


@functools.cache
def version() -> tuple[int, ...] | None:
    """The installed git's version; None without one."""
    if shutil.which("git") is None:
        return None
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    words = subprocess.run(["git", "version"], env=env, capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", words)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def _is_safe_on_disk(found: tuple[int, ...]) -> bool:
    """Reading a partial clone fetches what it lacks, with whatever command it names, before these (CVE-2024-32004)."""
    return found >= FETCHES_NOTHING[found[:2]] if found[:2] in FETCHES_NOTHING else found > max(FETCHES_NOTHING)


class GitCommand:
    name = "git"

    def why_not(self, source: Source, wanted: Wanted) -> str | None:
        found = version()
        if found is None:
            return "git is not installed on the hub's machine."
        if found < OLDEST_GIT:
            return "git on the hub's machine is older than " + ".".join(map(str, OLDEST_GIT)) + "."
        if source.folder and not _is_safe_on_disk(found):
            return "git on the hub's machine is too old to be let into somebody else's folder."
        if source.remote.scheme == "ssh" and shutil.which("ssh") is None:
            return "ssh is not installed on the hub's machine."
        return None

    def fetch(self, source: Source, wanted: Wanted, repo: Path, report: Report) -> Fetched:
        transfer = Transfer(report)
        size = PackSize(repo)
        meter = _Meter(transfer, size, report)
        is_update = repo.exists()
        silence_s = source.rules.silence_timeout_s
        with environment(source, repo.parent) as env, _translated(source):
            git = functools.partial(
                process.run, env=env, report=report, on_line=meter.on_line,
                silence_s=lambda: silence_s if meter.is_waiting else None,
            )  # fmt: skip
            with _names_branches(git, source, wanted, repo.parent):
                if is_update:
                    _update(git, source, wanted, repo)
                else:
                    git(_clone_arguments(source, wanted, repo), cwd=repo.parent)
        transfer.finish()
        head, branch = head_of(pygit2.Repository(str(repo)))
        return Fetched(head=head, branch=branch, objects=transfer.counters.total_objects, bytes=size.bytes())

    def checkout(self, repo: Path, report: Report) -> None:
        def on_line(text: str) -> bool:
            line = parse(text)
            if line.title in {"Updating files", "Checking out files"}:  # the second up to git 2.24
                report.progress(line.current, line.total, "files", "Writing files")
            return line.title is not None

        with environment(None, repo.parent) as env, _translated(None):
            # Not `reset --hard`: it shows no progress. HEAD itself, so that a detached one stays as it is.
            arguments = ["checkout", "--force", "--progress", "HEAD", "--"]
            process.run(arguments, env=env, cwd=repo, report=report, on_line=on_line)


@contextlib.contextmanager
def _translated(source: Source | None) -> Iterator[None]:
    try:
        yield
    except process.GitError as exc:
        raise explain(exc.words, had_credentials=source is not None and bool(source.credentials)) from exc


@contextlib.contextmanager
def _names_branches(git: Callable[..., str], source: Source, wanted: Wanted, folder: Path) -> Iterator[None]:
    """Where the wanted branch is not there, ask once more, for those that are."""
    try:
        yield
    except (process.GitError, JobFailed) as exc:
        failure = explain(exc.words, had_credentials=True) if isinstance(exc, process.GitError) else exc
        if wanted.branch is None or failure.failure.code != "branch_not_found":
            raise
        listed = _listed(git(["ls-remote", "--heads", *_exactly(source), "--", _url(source)], cwd=folder))
        raise no_such_branch(wanted.branch, listed) from exc


def _url(source: Source) -> str:
    # Over http git is kept to the address by a setting, over ssh by an option; here only the URL can do it.
    return source.remote.at(source.address).text if source.remote.scheme == "git" and source.address else source.url


def _exactly(source: Source) -> list[str]:
    """Have git take a local folder for the git folder that it is, and look for no other near it."""
    return ["--upload-pack=git upload-pack --strict"] if source.folder else []


def _clone_arguments(source: Source, wanted: Wanted, repo: Path) -> list[str]:
    # `clone`, not `init` and `fetch`: only clone is spared a second walk over everything that came, because
    # index-pack has seen the whole.
    arguments = ["clone", "--progress", "--no-checkout", "--template=", "--origin=origin"]
    arguments += ["--bare"] if wanted.bare else []
    arguments += [f"--depth={wanted.depth}"] if wanted.depth else []
    arguments += [f"--branch={wanted.branch}"] if wanted.branch else []
    return [*arguments, *_exactly(source), "--", _url(source), str(repo)]


def _update(git: Callable[..., str], source: Source, wanted: Wanted, repo: Path) -> None:
    url = _url(source)
    patterns = ["HEAD", *(f"refs/{kind}/{wanted.branch}" for kind in ("heads", "tags") if wanted.branch)]
    listed = git(["ls-remote", "--symref", *_exactly(source), "--", url, *patterns], cwd=repo)
    tip = choose(_listed(listed), wanted.branch)
    specs = refspecs(tip, wanted)
    if specs:
        opened = pygit2.Repository(str(repo))
        depth = wanted.depth or (WHOLE_HISTORY if opened.is_shallow else None)
        options = ["--progress", "--force", "--no-tags", "--no-write-fetch-head", "--update-head-ok"]
        options += [f"--depth={depth}"] if depth else []
        options += [] if wanted.depth else ["--prune"]
        git(["fetch", *options, *_exactly(source), "--", url, *specs], cwd=repo)
    set_head(pygit2.Repository(str(repo)), tip, wanted)


def _listed(output: str) -> list[RemoteRef]:
    """The refs that `ls-remote --symref` lists: `ref: refs/heads/main<TAB>HEAD`, `<sha><TAB>HEAD`."""
    symrefs: dict[str, str] = {}
    names: list[str] = []
    for line in output.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            symrefs[name] = value.removeprefix("ref: ")
        else:
            names.append(name)
    return [RemoteRef(name=name, symref=symrefs.get(name)) for name in names]


class _Meter:
    """git's lines as counts of a transfer."""

    def __init__(self, transfer: Transfer, size: PackSize, report: Report) -> None:
        self._transfer = transfer
        self._size = size
        self._report = report
        self.is_waiting = True
        """More is to come from the server; when it has all come, silence means work."""

    def on_line(self, text: str) -> bool:
        line = parse(text)
        if line.remote:
            self._transfer.server_says(line.text)
        elif line.title in {"Receiving objects", "Unpacking objects"}:
            self._receiving(line)
        elif line.title == "Resolving deltas":
            self._resolving(line)
        elif line.title is None:
            if line.text.startswith("warning: "):
                self._report.log(f"git: {line.text}", "warning")
            return False
        return True

    def _receiving(self, line: Line) -> None:
        total = line.total or 0
        self._transfer.count(
            # git does not tell how many of them are deltas before it has them all, so none counts as indexed yet.
            Counters(received_objects=line.current, total_objects=total, received_bytes=self._size.bytes())
        )
        self.is_waiting = line.current < total

    def _resolving(self, line: Line) -> None:
        before, deltas = self._transfer.counters, line.total or 0
        self._transfer.count(
            Counters(
                received_objects=before.total_objects,
                total_objects=before.total_objects,
                received_bytes=before.received_bytes,
                indexed_objects=max(0, before.total_objects - deltas + line.current),
                total_deltas=deltas,
                indexed_deltas=line.current,
            )
        )
