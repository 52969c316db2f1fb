"""Attack: have a program run, or an option taken, that nobody meant.

The ways in: URLs that name programs (`ext::`), whatever begins with a dash, line breaks, names that a shell would read.
What holds: the gate refuses them at every door; commands are lists, never a shell's line; what strangers choose comes
after `--` or inside a value; git may speak one protocol, the one that the job is about.
"""

import ast
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import hub as package
from hub.core.errors import BadParams, UrlRefused
from hub.jobs import gate
from hub.jobs.base import Rules, Target
from hub.jobs.git import environment
from hub.jobs.git.base import Credentials, Source
from hub.jobs.kinds import KINDS
from tests.hubs import Running, running

URLS = [
    "ext::sh -c 'touch {mark}'", "ext::touch% {mark}", "EXT::touch {mark}", " ext::touch {mark}", "\text::touch {mark}",
    "fd::17/foo", "transport::http://example.org/a", "http::http://127.0.0.1/a", "git::ext::sh", "::ext::sh", "a+b::c",
    "--upload-pack=touch {mark}", "-utouch {mark}", "-cprotocol.ext.allow=always",
    "--config=core.sshCommand=touch {mark}",
    "ssh://-oProxyCommand=touch%20{mark}/a", "ssh://git@-oProxyCommand=touch/a",
    "ssh://-oProxyCommand=touch@example.org/a",
    "ssh://%2DoProxyCommand=touch@example.org/a", "git@-oProxyCommand=touch:a", "-oProxyCommand=touch@example.org:a",
    "git@example.org:-oProxyCommand=touch", "git@example.org:--upload-pack=touch", "git@example.org:/-x",
    "ssh://example.org/-x", "ssh://example.org/%2dx", "ssh://git@example.org:-1/a", "git://example.org/--upload-pack=x",
    "ssh://git@example.org;touch {mark}/a", "ssh://$(touch {mark})/a", "ssh://`touch {mark}`/a", "ssh://a|touch/a",
    "git@example.org;touch:a", "git@$(touch):a", "ssh://git%0a@example.org/a", "https://example.org/a%0d%0aHost:%20b",
    "https://example.org/a\r\nX: y", "https://example.org/a\nb", "https://example.org/\0a",
    "git://example.org/a\0host=b",
    "git://example.org/a%00host=b", "https://example.org/\u2028a", "https://exa\rmple.org/a",
    "https://example.org/a\x85b",
    "rsync://example.org/a", "svn+ssh://example.org/a", "git+ssh://example.org/a", "ssh+git://example.org/a",
    "bundle:///etc/a.bundle", "/srv/--upload-pack=touch", "file:///srv/-x/a", "file://-x/a", "helper+ext://x/y",
]  # fmt: skip


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=("/srv",)) as hub:
        yield hub


async def test_no_door_takes_a_url_that_is_a_command(hub: Running, mark: Path) -> None:
    for template in URLS:
        url = template.replace("{mark}", str(mark))
        is_escaped = url.startswith("https://example.org/a%")  # which goes to a receiver as it is, escaped
        for method, path, body in (
            ("POST", "/api/v1/projects", {"url": url}),
            ("POST", "/api/v1/projects", {"source": "github", "repository": url}),
            ("POST", "/api/v1/ingest/local", {"repository": url}),
            ("POST", "/repos/clone-progress", {"url": url}),
            ("POST", "/repos/clone", {"url": url}),
            *((("POST", "/api/v1/webhooks", {"url": url}),) if not is_escaped else ()),
        ):
            async with hub.session.request(method, hub.url + path, json=body) as response:
                text = await response.text()
            is_told = response.status == 400 or (response.status == 200 and '"error"' in text)
            assert is_told, (url, path, response.status, text)
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0


NAMES = [
    "-x", "--upload-pack=touch x", "-", "a\nb", "a\rb", "a\0b", "a b", "..", "a..b", "a~1", "a^", "a:b", "a?",
    "a*", "a[",
    "a\\b", "a.lock", "/a", "a/", "a//b", ".a", "a/.b", "@{", "a@{1}", "a\x7fb", "$(touch x)" + "\n",
    "x" * 300, "\ud800",
]  # fmt: skip
HTTPS = Target(id="p", name="p", url="https://example.org/a.git")
SSH = Target(id="p", name="p", url="git@example.org:a.git")


@pytest.mark.parametrize("branch", NAMES)
@pytest.mark.parametrize("kind", ["clone", "ingest"])
def test_a_branch_is_a_name_that_git_could_have_given(kind: str, branch: str) -> None:
    with pytest.raises(BadParams):
        KINDS[kind].check({"branch": branch}, HTTPS, Rules())


@pytest.mark.parametrize(
    ("target", "params"),
    [
        *((SSH, {"username": name}) for name in ("-oProxyCommand=id", "a b", "a@b/c", "a;b", "$(id)", "a\nb", "%2dx")),
        *((HTTPS, {"username": name, "password": "x"}) for name in ("a:b", "a\nb", "a\0b", "\x1b[2J")),
        (HTTPS, {"token": "a\r\nX-Injected: b"}),
        (HTTPS, {"password": "a\nb", "username": "c"}),
        (HTTPS, {"engine": "git --exec"}),
        (HTTPS, {"depth": "1 --upload-pack=x"}),
        (HTTPS, {"upload_pack": "touch x"}),
        (HTTPS, {"config": {"core.sshCommand": "touch x"}}),
    ],
)  # fmt: skip
def test_no_parameter_is_more_than_its_value(target: Target, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        KINDS["clone"].check(params, target, Rules())


@pytest.mark.parametrize(
    "url", ["https://example.org/a", "ssh://ann@example.org:2222/a", "git@example.org:a", "git://a.org/b"]
)
def test_git_may_speak_the_jobs_own_protocol_and_no_other(url: str, tmp_path: Path) -> None:
    remote = gate.parse(url)
    source = Source(remote=remote, address="1.1.1.1", credentials=Credentials(), rules=Rules())
    with environment.environment(source, tmp_path) as env:
        assert env["GIT_ALLOW_PROTOCOL"] == remote.scheme
        if remote.scheme == "ssh":
            words = env["GIT_SSH_COMMAND"].split()
            assert words[:3] == ["ssh", "-F", "none"]
            assert {"-oHostName=1.1.1.1", "-oProxyCommand=none", "-oStrictHostKeyChecking=yes"} <= set(words)
            assert "-oIdentityAgent=none" in words
    allowed = {name: value for name, value in environment.settings(source).items() if name.endswith(".allow")}
    assert allowed == {"protocol.allow": "never", f"protocol.{remote.scheme}.allow": "always"}


@pytest.mark.parametrize("value", ['x"\n[core]\n\tsshCommand = touch', "x\\\ny", "x\n", 'a"b', "a\\", "#;a"])
def test_no_value_becomes_another_setting_of_git(value: str, tmp_path: Path) -> None:
    import pygit2  # noqa: PLC0415

    text = environment.config_text({f"http.{value}.extraHeader".replace("\n", ""): value, "core.x": "y"})
    (tmp_path / "config").write_text(text)
    config = pygit2.Config(str(tmp_path / "config"))
    assert {entry.name for entry in config if entry.name.startswith("core.")} == {"core.x"}
    (found,) = (entry.value for entry in config if entry.name.startswith("http."))
    assert found == value


def test_no_program_is_started_by_a_shells_line() -> None:
    """The one shell that there is reads a constant text, and a number as its argument."""
    found = [f"{path.name}:{call.lineno}" for path, call in _calls() if _is_shell(call)]
    assert found == []


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    words = ("subprocess", "shell", "eval(", "exec(", "os.system", "popen", "pickle", "marshal")
    for path in Path(package.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text if any(word in text for word in words) else "")):
            if isinstance(node, ast.Call):
                yield path, node


def _is_shell(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    has_shell = any(word.arg == "shell" for word in call.keywords)
    return has_shell or name in {"os.system", "os.popen", "eval", "exec", "pickle.loads", "marshal.loads"} | {
        f"asyncio.{each}" for each in ("create_subprocess_shell", "subprocess.create_subprocess_shell")
    }


@pytest.mark.parametrize("text", ["a::b", "1::x", "a.b-c+d::x", "::"])
def test_whatever_git_takes_for_a_remote_helper_is_refused(text: str) -> None:
    with pytest.raises(UrlRefused):
        gate.parse(text)
