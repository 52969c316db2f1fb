"""clone: bring a repository here, or bring what is here up to date."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pygit2

from hub.core.errors import BadParams
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import Accepted, Kind, Rules, Target, Task
from hub.jobs.gate import RemoteUrl
from hub.jobs.git import ENGINES, cloning, landing, submodules, tree
from hub.jobs.git.base import Wanted
from hub.jobs.git.cloning import Brought

SECRETS = ("token", "password", "ssh_key", "ssh_passphrase")
PLAIN: Mapping[str, type] = {
    "depth": int, "branch": str, "bare": bool, "submodules": bool, "engine": str, "username": str,
}  # fmt: skip
LONGEST_SECRET = 64 * 1024
LONGEST_NAME = 255


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    if target.url is None:
        raise BadParams("This project has no URL to clone from.")
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
    report.stage("connect")
    wanted = Wanted(depth=params.get("depth"), branch=params.get("branch"), bare=params.get("bare", False))
    current = landing.find(home, cloning.origin(task))
    if current is not None and current.is_bare != wanted.bare:
        current = None
    brought = cloning.fetch(task, wanted, current, report)
    fetched, repo = brought.fetched, brought.repo
    report.stage("checkout")
    place, files = home / landing.PLACE, 0
    if current is not None and fetched.head and _may_stay(current, repo):
        report.log("Nothing is new, so the clone stays as it is")
        files = 0 if wanted.bare else tree.measure(current, fetched.head, report).files
    else:
        files = _land(brought, task, report)
    report.log(f"{files:,} files are in {place}" if files else f"The repository is in {place}")
    return {
        "path": str(place),
        "head": fetched.head,
        "branch": fetched.branch,
        "bare": wanted.bare,
        "updated": brought.is_update,
        "engine": brought.engine.name,
        "objects": fetched.objects,
        "bytes": fetched.bytes,
        "files": files,
    }


def _may_stay(current: pygit2.Repository, repo: Path) -> bool:
    """Submodules are no part of what is compared: with them, or after a clone with them, everything is written."""
    return cloning.is_current(current, repo) and ".gitmodules" not in current.head.peel(pygit2.Tree)


def _land(brought: Brought, task: Task, report: Report) -> int:
    """Write the files, if there are to be any, and put the whole in its place; how many."""
    repo, head, files = brought.repo, brought.fetched.head, 0
    if head and not task.params.get("bare"):
        files = cloning.write_files(brought.engine, repo, head, task.rules, report)
        if task.params.get("submodules"):
            submodules.fetch_all(brought.engine, repo, brought.source, report)
    landing.land(repo, task.workspace.home)
    return files


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
