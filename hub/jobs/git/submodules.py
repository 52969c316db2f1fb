"""Submodules: one level, each fetched through the same gate, stages and budgets as a repository of its own.

git's own `submodule update` is not used: it would look up, connect and recurse by itself. What a submodule contains
is left alone, submodules of its own included.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import FileMode

from hub.core.errors import UrlRefused
from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import JobFailed
from hub.jobs.gate import RemoteUrl
from hub.jobs.git import landing, preflight, tree
from hub.jobs.git.base import Credentials, Engine, Source, Wanted
from hub.jobs.git.failures import failed

MOST_SUBMODULES = 200
LONGEST_MODULES = 1024 * 1024
"""Bytes of a .gitmodules file that is read at all."""

_HEADER = re.compile(r'\s*\[\s*submodule\s+"((?:[^"\\]|\\.)*)"\s*\]')
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    name: str
    path: str
    url: str
    """As written in .gitmodules."""
    commit: str


class _Quiet:
    """The report inside a submodule's fetch: its stages and counts are not the job's own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.log = report.log
        self.check = report.check

    def stage(self, name: str) -> None:
        self._report.check()

    def progress(
        self,
        current: int,
        total: int | None = None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self._report.check()


def fetch_all(engine: Engine, repo: Path, parent: Source, report: Report) -> None:
    """Bring every submodule of the checked out `repo` to the commit that it names. Raises JobFailed."""
    opened = pygit2.Repository(str(repo))
    found = list(listed(opened))
    if len(found) > MOST_SUBMODULES:
        raise failed("too_large", f"The repository has {len(found)} submodules; {MOST_SUBMODULES} are taken.")
    for number, submodule in enumerate(found):
        report.progress(number, len(found), "submodules", f"Submodule {submodule.path}")
        _fetch(engine, repo, submodule, parent, report)
        opened.config[f"submodule.{submodule.name}.url"] = submodule.url
        opened.config[f"submodule.{submodule.name}.active"] = True
    report.progress(len(found), len(found), "submodules", "Submodules")


def listed(repo: pygit2.Repository) -> Iterator[Submodule]:
    """The submodules of HEAD: entries of its tree that are commits, and that .gitmodules gives a URL."""
    root = repo.head.peel(pygit2.Tree)
    if ".gitmodules" not in root:
        return
    modules = root[".gitmodules"]
    if not isinstance(modules, pygit2.Blob) or modules.filemode == FileMode.LINK or modules.size > LONGEST_MODULES:
        return
    for name, values in parse(modules.data.decode(errors="replace")).items():
        # What the tree says is what git will look for; .gitmodules may claim any path.
        path, url = values.get("path", ""), values.get("url", "")
        try:
            entry = root[path]
        except (KeyError, ValueError):
            continue
        if url and entry.filemode == FileMode.COMMIT and path == posixpath.normpath(path):
            yield Submodule(name=name, path=path, url=url, commit=str(entry.id))


def parse(text: str) -> dict[str, dict[str, str]]:
    """The keys of each `[submodule "name"]` of a .gitmodules file. What is not understood is passed over."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            name = re.sub(r"\\(.)", r"\1", header[1])
            section = found.setdefault(name, {}) if _NAME.fullmatch(name) else {}
        elif line.lstrip().startswith("["):
            section = {}
        else:
            key, equals, value = line.partition("=")
            if equals:
                section[key.strip().lower()] = value.strip().strip('"')
    return found


def locate(url: str, parent: RemoteUrl) -> RemoteUrl:
    """The remote of a submodule; `./` and `../` lead from the parent's own URL. Raises UrlRefused."""
    if not url.startswith(("./", "../")):
        remote = gate.parse(url)
        if remote.scheme == "file" and parent.scheme != "file":
            raise UrlRefused("A repository from the network may not name a local folder.")
        return remote
    absolute = posixpath.normpath(posixpath.join("/" + parent.path.lstrip("/"), url))
    path = absolute if parent.path.startswith("/") else absolute.lstrip("/")
    return gate.parse(replace(parent, path=path).text)


def _fetch(engine: Engine, repo: Path, submodule: Submodule, parent: Source, report: Report) -> None:
    source = _connect(submodule, parent, report)
    quiet = _Quiet(report)
    fresh = repo.parent / "submodule"
    fetched = engine.fetch(source, Wanted(), fresh, quiet)
    opened = pygit2.Repository(str(fresh))
    if fetched.head is None or submodule.commit not in opened:
        raise failed(
            "protocol",
            f"The submodule {submodule.path} is missing its commit {submodule.commit[:12]} at its URL.",
            hint="Clone without submodules, or ask the owner to push that commit.",
            retry=False,
        )
    opened.set_head(pygit2.Oid(hex=submodule.commit))
    landing.settle(fresh, source.remote)
    size = tree.measure(opened, submodule.commit, quiet)
    size.check()
    tree.check_room(size, fresh, parent.rules)
    engine.checkout(fresh, quiet)
    place = repo / submodule.path
    # The tree has folders all the way down to it, so a link here is none of git's making.
    if place.resolve() != place.parent.resolve() / place.name or not place.resolve().is_relative_to(repo.resolve()):
        raise failed("protocol", f"The submodule's path {submodule.path} leads elsewhere.", retry=False)
    place.rmdir()  # empty, as checkout leaves it; anything else is an error
    fresh.rename(place)


def _connect(submodule: Submodule, parent: Source, report: Report) -> Source:
    try:
        remote = locate(submodule.url, parent.remote)
        gate.check(remote.text, parent.rules)
        if remote.scheme == "ssh" and remote.user is None:
            remote = replace(remote, user="git")
        credentials = parent.credentials if parent.remote.same_origin(remote) else Credentials()
        return preflight.connect(remote, credentials, parent.rules, report)
    except UrlRefused as exc:
        raise JobFailed(
            "url_refused",
            f"The submodule {submodule.path} has a URL that the hub does not fetch. {exc.message}",
            hint="Clone without submodules.",
        ) from exc
    except JobFailed as exc:
        failure = exc.failure
        raise JobFailed(
            failure.code, f"Submodule {submodule.path}: {failure.message}", hint=failure.hint, retry=failure.retry
        ) from exc
