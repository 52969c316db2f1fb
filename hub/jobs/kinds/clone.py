"""clone: bring a repository here, or bring what is here up to date."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pygit2

from hub.core.errors import BadParams
from hub.core.events import Stage
from hub.jobs import gate
from hub.jobs.base import Accepted, Kind, Report, Rules, Target, Task
from hub.jobs.gate import RemoteUrl
from hub.jobs.git import ENGINES, landing, preflight, submodules, tree
from hub.jobs.git.base import Credentials, Engine, Fetched, Source, Wanted
from hub.jobs.git.failures import failed

SECRETS = ("token", "password", "ssh_key", "ssh_passphrase")
PLAIN: Mapping[str, type] = {
    "depth": int, "branch": str, "bare": bool, "submodules": bool, "engine": str, "username": str,
}  # fmt: skip
LONGEST_SECRET = 64 * 1024
LONGEST_NAME = 255


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    if target.url is None:
        raise BadParams("This project is a folder; there is no URL to clone from.")
    remote = gate.check(target.url, rules)
    for name, value in params.items():
        wanted = str if name in SECRETS else PLAIN.get(name)
        if wanted is None:
            raise BadParams(f"A clone has no parameter {name!r}; it takes {', '.join((*PLAIN, *SECRETS))}.")
        if value is not None and type(value) is not wanted:
            raise BadParams(f"{name} must be {_WORDS[wanted]}.")
        if isinstance(value, str) and _UNSOUND.search(value):
            raise BadParams(f"{name} holds characters that cannot be meant.")
    given = {name: value for name, value in params.items() if value is not None and value != ""}
    _check_values(given)
    _check_credentials(given, remote)
    return Accepted(
        params={name: value for name, value in given.items() if name not in SECRETS},
        secrets={name: value for name, value in given.items() if name in SECRETS},
    )


_UNSOUND = re.compile(r"[\0\ud800-\udfff]")
"""No file, program or protocol takes these."""
_WORDS: Mapping[type, str] = {int: "a whole number", str: "a text", bool: "true or false"}


def _check_values(given: Mapping[str, Any]) -> None:
    if not 1 <= given.get("depth", 1) < 2**31 - 1:
        raise BadParams("depth must be 1 or more.")
    if given.get("engine", "auto") not in {"auto", *ENGINES}:
        raise BadParams(f"engine must be one of auto, {', '.join(ENGINES)}.")
    branch = given.get("branch", "x")
    is_sound = not branch.startswith("-") and pygit2.reference_is_valid_name(f"refs/heads/{branch}")
    if not is_sound or len(branch) > LONGEST_NAME:
        raise BadParams("branch is not the name of a branch.")
    if given.get("bare") and given.get("submodules"):
        raise BadParams("submodules need files, and bare is a clone without.")


def _check_credentials(given: Mapping[str, Any], remote: RemoteUrl) -> None:
    for name in SECRETS:
        value = given.get(name, "")
        if len(value) > LONGEST_SECRET or (name != "ssh_key" and not value.isprintable()):
            raise BadParams(f"{name} is too long, or holds characters that cannot be meant.")
    username = given.get("username", "")
    if ":" in username or not username.isprintable() or len(username) > LONGEST_NAME:
        raise BadParams("username is too long, or holds a colon or control characters.")
    if remote.scheme == "ssh" and username and not gate.is_user(username):
        raise BadParams("username is not one for ssh.")  # it becomes a part of the URL, and could name another host
    if "token" in given and "password" in given:
        raise BadParams("Give a token or a password, not both.")
    if "password" in given and "username" not in given:
        raise BadParams("A password needs its username.")
    if "ssh_passphrase" in given and "ssh_key" not in given:
        raise BadParams("ssh_passphrase needs its ssh_key.")
    if not remote.is_http and ("token" in given or "password" in given):
        raise BadParams(f"A token or password is for http and https URLs; this one is {remote.scheme}.")
    if remote.scheme != "ssh" and "ssh_key" in given:
        raise BadParams(f"An ssh_key is for ssh URLs; this one is {remote.scheme}.")


def run(task: Task, report: Report) -> Mapping[str, Any]:
    params, home = task.params, task.workspace.home
    assert task.target.url is not None
    report.stage("connect")
    remote = gate.check(task.target.url, task.rules)
    wanted = Wanted(depth=params.get("depth"), branch=params.get("branch"), bare=params.get("bare", False))
    current = landing.find(home, remote)
    source = _connect(remote, task, report)
    engine = choose_engine(params.get("engine", "auto"), source, wanted)
    repo = task.workspace.work / "repo"
    is_update = current is not None and current.is_bare == wanted.bare
    if current is not None and is_update:
        landing.copy(current, repo, report)
    report.log(f"{'Updating' if is_update else 'Cloning'} {remote.text} with {engine.name}")
    fetched = engine.fetch(source, wanted, repo, report)
    report.log(f"Received {fetched.objects:,} objects, {fetched.bytes:,} bytes")
    landing.settle(repo, remote)
    report.stage("checkout")
    files = 0
    if fetched.head and not wanted.bare:
        files = _write_files(engine, repo, fetched, task.rules, report)
        if params.get("submodules"):
            submodules.fetch_all(engine, repo, source, report)
    place = landing.land(repo, home)
    report.log(f"{files:,} files are in {place}" if files else f"The repository is in {place}")
    return {
        "path": str(place),
        "head": fetched.head,
        "branch": fetched.branch,
        "bare": wanted.bare,
        "updated": is_update,
        "engine": engine.name,
        "objects": fetched.objects,
        "bytes": fetched.bytes,
        "files": files,
    }


def _connect(remote: RemoteUrl, task: Task, report: Report) -> Source:
    credentials = Credentials.of(task.params, task.secrets)
    if remote.scheme == "ssh" and remote.user is None:
        remote = replace(remote, user=credentials.username or "git")
    return preflight.connect(remote, credentials, task.rules, report)


def choose_engine(name: str, source: Source, wanted: Wanted) -> Engine:
    """The engine of that name, or for `auto` the first that can do it. Raises JobFailed."""
    reasons = []
    for engine in ENGINES.values():
        if name in {"auto", engine.name}:
            reason = engine.why_not(source, wanted)
            if reason is None:
                return engine
            reasons.append(reason)
    raise failed("protocol", " ".join(reasons), hint="Choose another engine, or leave the choice to auto.", retry=False)


def _write_files(engine: Engine, repo: Path, fetched: Fetched, rules: Rules, report: Report) -> int:
    assert fetched.head is not None
    report.progress(0, None, "files", "Measuring the files")
    size = tree.measure(pygit2.Repository(str(repo)), fetched.head, report)
    size.check()
    tree.check_room(size, repo, rules)
    engine.checkout(repo, report)
    report.progress(size.files, size.files, "files", "Writing files")
    return size.files


CLONE = Kind(
    name="clone",
    title="Clone",
    stages=(
        Stage(name="connect", title="Connecting", weight=2),
        Stage(name="receiving", title="Receiving objects", weight=60),
        Stage(name="resolving", title="Resolving deltas", weight=25),
        Stage(name="checkout", title="Writing files", weight=13),
    ),
    check=check,
    run=run,
)
