"""Attack: name another repository, or a place in the hub's own folders, in `.gitmodules`.

What holds: submodules are off unless asked for; each one's URL passes the gate like any other, with relative ones
resolved first; the tree alone says where they are; one level is fetched, elsewhere without the parent's credentials.
"""

from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest

from hub.core.errors import UrlRefused
from hub.jobs import gate
from hub.jobs.base import JobFailed, Rules
from hub.jobs.git import submodules
from hub.jobs.git.base import Credentials, Source
from hub.jobs.git.submodules import Submodule
from tests.attacks.conftest import Canary, Notes
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import Repositories, init, raw_commit, raw_tree

RULES = Rules(allow_networks=("127.0.0.1/32",), roots=("/srv",), connect_timeout_s=5)
OPEN = {"allow_networks": ["127.0.0.1/32"], "roots": ["/srv"]}

URLS = [
    "http://{canary}/x.git", "http://2130706434/x.git", "//{canary}/x.git", "ext::sh -c id", "-x", "--upload-pack=id",
    "file:///srv/x.git", "/srv/x.git", "../../../../../../etc", "..", "../..//{canary}/x.git", "../\n/x", "./-x",
    "../%0d%0aHost: x", "ssh://-oProxyCommand=id/x", "git@-oProxyCommand=id:x", "http://user:pass@example.org/x",
    "http://169.254.169.254/x", "http://localhost/x", "javascript:x", "data:x", "..\\x", "fd::3", "~/x", "x.git", "",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_its_url_passes_the_gate_like_any_other(server: GitServer, canary: Canary, notes: Notes, url: str) -> None:
    parent = gate.check(f"{server.url}/small.git", RULES)
    source = Source(remote=parent, address="127.0.0.1", credentials=Credentials(password="tok-secret"), rules=RULES)
    named = Submodule(name="x", path="x", url=url.format(canary=f"{canary.host}:{canary.port}"), commit="a" * 40)
    with pytest.raises(JobFailed) as caught:
        submodules._connect(named, source, notes)
    assert caught.value.failure.code in {"url_refused", "repository_not_found", "not_git"}
    assert {headers["Host"] for _, _, headers in server.requests} <= {f"127.0.0.1:{server.port}"}


@pytest.mark.parametrize("climb", ["../" * n + "x.git" for n in (1, 3, 50)])
def test_a_relative_one_never_leaves_its_server(climb: str) -> None:
    parent = gate.parse("https://example.org:8443/a/b.git")
    found = submodules.locate(climb, parent)
    assert (found.scheme, found.host, found.port) == ("https", "example.org", 8443)
    with pytest.raises(UrlRefused):
        submodules.locate("/srv/x.git", parent)


PATHS = ["../x", "/x", ".git", ".git/hooks", "a/../../x", "a//b", "./a", "a/", "x\0y", "link/x", "none", "file"]


def test_the_tree_says_where_it_is_whatever_gitmodules_claims(tmp_path: Path) -> None:
    repo = pygit2.Repository(str(init(tmp_path / "r.git")))
    text = "".join(
        f'[submodule "{n}"]\n\tpath = {path}\n\turl = https://example.org/x\n' for n, path in enumerate(PATHS)
    )
    modules, blob = repo.create_blob(text.encode()), repo.create_blob(b"/etc")
    raw_commit(repo, raw_tree(
        repo, ("100644", b".gitmodules", modules), ("100644", b"file", blob), ("120000", b"link", blob),
    ))  # fmt: skip
    assert list(submodules.listed(repo)) == []


def test_names_are_only_names(tmp_path: Path) -> None:
    text = (
        '[submodule "../../x"]\n path=a\n[submodule "a\\"] [core"]\n sshCommand=x\n[submodule "x\x01"]\n path=b\n'
        '[core]\n\tsshCommand = id\n[submodule "y"]\n[include]\n path=/etc/passwd\n'
    )
    assert set(submodules.parse(text)) <= {"../../x", 'a"] [core', "y"}
    assert "path" not in submodules.parse(text).get("y", {})


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_one_inside_of_another_is_left_alone_and_an_odd_name_is_no_option(
    child: Callable, server: GitServer, repositories: Repositories, canary: Canary, engine_name: str
) -> None:
    inner = repositories.root / f"inner-{engine_name}.git"
    _with_submodule(inner, f"http://{canary.host}:{canary.port}/x.git", "a" * 40, b"sub", "sub")
    commit = repositories.head(inner.name)
    outer = repositories.root / f"outer-{engine_name}.git"
    _with_submodule(outer, f"../{inner.name}", commit, b"--upload-pack=id", "-c core.x=y")
    run = child(f"{server.url}/{outer.name}", params={"engine": engine_name, "submodules": True}, rules=OPEN)
    run.result()
    place = run.repo / "--upload-pack=id"
    assert {path.name for path in place.iterdir()} == {".git", ".gitmodules", "sub"}
    assert list((place / "sub").iterdir()) == []


def _with_submodule(path: Path, url: str, commit: str, place: bytes, name: str) -> None:
    repo = pygit2.Repository(str(init(path)))
    modules = repo.create_blob(f'[submodule "{name}"]\n\tpath = {place.decode()}\n\turl = {url}\n'.encode())
    entries = [("160000", place, pygit2.Oid(hex=commit)), ("100644", b".gitmodules", modules)]
    raw_commit(repo, raw_tree(repo, *sorted(entries, key=lambda entry: entry[1])))
