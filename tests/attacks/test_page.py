"""Attack: have a script run, or an element made, in the page of whoever watches.

The ways in: every text that a repository, a server or a publisher chooses, from project names to search snippets. What
holds: the page makes elements of its own and puts such texts into them as text; addresses are made out of ids; and the
policy that comes with the page lets no other script run. Looked at in a real Chromium, all texts in one hub.
"""

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest
from playwright.async_api import Page

from tests.attacks.conftest import Canary
from tests.browser.conftest import browser as _browser
from tests.browser.conftest import context as _context
from tests.conftest import until
from tests.jobs.git_server import GitServer, packet
from tests.jobs.repositories import Repositories, git, init, raw_tree
from tests.processes import HubProcess

browser, context = _browser, _context
pytestmark = pytest.mark.browser

IMAGE = "<img id=pwned src=x onerror=window.pwned=1>"
PAYLOADS = [
    IMAGE, '"><script id=pwned>window.pwned=1</script>', "'onmouseover='window.pwned=1' x='",
    "<svg id=pwned onload=pwned=1>",
    "</title></style></textarea><iframe id=pwned srcdoc='<script>top.pwned=1</script>'>", "javascript:window.pwned=1",
    "data:text/html,<script>window.pwned=1</script>", "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned=1}",
    "<a id=pwned href=javascript:window.pwned=1>x</a>", "x;background:url(http://127.0.0.2:1/css)",
    "&lt;img id=pwned&gt;",
    "<style id=pwned>*{display:none}</style>", "<base id=pwned href=//127.0.0.2:1/>", "\u202egnp.exe\u202c",
    "</script><!--",
]  # fmt: skip
ALL = " ".join(PAYLOADS)
INSPECT = """() => ({
  pwned: window.pwned ?? null,
  made: [...document.querySelectorAll('#pwned, img, iframe, object, embed, base, style, form[action]')]
    .map((node) => node.outerHTML.slice(0, 200)),
  scripts: [...document.scripts].filter((node) => !node.src.startsWith(location.origin)).map((node) => node.outerHTML),
  handlers: [...document.querySelectorAll('*')].flatMap((node) => [...node.attributes])
    .filter((one) => one.name.startsWith('on')).map((one) => one.name),
  links: [...document.querySelectorAll('[href], [src], [action]')]
    .map((node) => node.href?.baseVal ?? node.href ?? node.src ?? node.action)
    .filter((href) => !href.startsWith(location.origin) && !href.startsWith('data:image/svg') && href !== 'data:,'),
  styles: [...document.querySelectorAll('[style]')].map((node) => node.getAttribute('style'))
    .filter((text) => /url|expression|@import/.test(text)),
  text: document.body.innerText,
  loading: Boolean(document.querySelector('.loading:not([hidden])')),
})"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    folder = tmp_path_factory.mktemp("hub")
    process = HubProcess(folder / "data", "--snapshot-quiet-s", "0", "--drain-s", "0.1")
    yield process
    process.close()


@pytest.fixture
async def page(context: Any, hub: HubProcess) -> AsyncIterator[Page]:
    page = await context.new_page()
    heard: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on("console", lambda message: "Content Security" in message.text and heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert heard == []
    own = (hub.url, hub.url.replace("http", "ws"), "data:image/svg", "about:blank")
    assert [url for url in asked if not url.startswith(own)] == []


def hostile(root: Path) -> None:
    """A repository in which everything that can be chosen is chosen badly."""
    path = init(root / "evil.git")
    repo = pygit2.Repository(str(path))
    code = "\n".join(f"def needle_{n}():\n    return '''{text}'''" for n, text in enumerate(PAYLOADS))
    blob = repo.create_blob(code.encode())
    names = sorted({f"{text.replace('/', '-')[:100]}.py".encode() for text in PAYLOADS})
    tree = raw_tree(repo, *(("100644", name, blob) for name in names))
    who = f"{IMAGE.replace('<', '').replace('>', '')} <a@example.org> 1700000000 +0000"
    parent = ""
    for text in PAYLOADS:
        data = f"tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{text}\n"
        parent = f"parent {repo.odb.write(pygit2.enums.ObjectType.COMMIT, data.encode())}\n"
    branch = "<img/id=pwned/src=x/onerror=window.pwned=1>"
    git(path, "update-ref", f"refs/heads/{branch}", parent.split()[1])
    git(path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")


def published(hub: HubProcess) -> None:
    def say(*events: dict[str, Any]) -> None:
        hub.call("POST", "projects/outside/publish", {"events": [{"kind": "train", **event} for event in events]})

    short = IMAGE[:60]
    hub.call("POST", "projects", {"id": "outside", "name": ALL[:200]})
    for number, state in enumerate(("running", "failed", "succeeded")):
        job = f"job-{number}"
        ends: dict[str, dict[str, Any]] = {
            "failed": {"error": {"code": short, "message": ALL, "hint": ALL, "stage": short}},
            "succeeded": {"result": {text[:60]: text for text in PAYLOADS}},
        }
        end = ends.get(state, {})
        params = {text[:60]: text for text in PAYLOADS}
        stages = [{"stage": text[:60], "title": text[:60]} for text in PAYLOADS if text[:60].isprintable()]
        say(
            {
                "job": job,
                "type": "job",
                "state": "running",
                "params": params,
                "stages": stages,
            }
        )
        say({"job": job, "type": "stage", "stage": short, "title": short})
        say(*({"job": job, "type": "log", "message": text, "level": "warning"} for text in PAYLOADS))
        say({"job": job, "type": "progress", "stage": short, "current": 3, "total": 9, "unit": short, "message": ALL,
             "detail": {text[:60]: text for text in PAYLOADS}})  # fmt: skip
        if state != "running":
            say({"job": job, "type": "job", "state": state, **end})


async def ended(hub: HubProcess, kind: str, **params: Any) -> dict[str, Any]:
    job = hub.call("POST", "projects/evil/jobs", {"kind": kind, "params": params})

    def look() -> dict[str, Any] | None:
        state = hub.call("GET", f"jobs/{job['id']}")
        return state if state["ended"] is not None else None

    return await until(look, 30)


async def inspected(page: Page, wanted: str) -> dict[str, Any]:
    """What there is once it is loaded, and shows what is wanted."""
    async with asyncio.timeout(15):
        while True:
            found: dict[str, Any] = await page.evaluate(INSPECT)
            if wanted in found["text"] and not found["loading"]:
                return found
            await asyncio.sleep(0.05)


async def test_no_text_becomes_anything_but_text(
    hub: HubProcess, page: Page, repositories: Repositories, server: GitServer, canary: Canary
) -> None:
    hostile(repositories.root)
    server.behaviour.words = "\n".join(PAYLOADS).encode()
    hub.call("POST", "projects", {"url": f"{server.url}/evil.git", "id": "evil", "name": ALL[:200]})
    jobs = {kind: await ended(hub, kind, **params) for kind, params in (
        ("clone", {"engine": "git"}), ("sync", {}), ("index", {}), ("snapshot", {}),
    )}  # fmt: skip
    assert {job["state"] for job in jobs.values()} == {"succeeded"}, jobs
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n"
    server.behaviour.garbage = head + packet(b"ERR " + ALL.encode())
    failed = await ended(hub, "clone")
    assert IMAGE in failed["error"]["message"]
    server.behaviour.garbage = None
    hub.call("POST", "webhooks", {"url": f"http://127.0.0.1:9/{urllib.parse.quote(IMAGE)}", "name": ALL[:200]})
    published(hub)
    seen = (
        f"#/j/{jobs['clone']['id']}", f"#/j/{failed['id']}", "#/j/job-0", "#/j/job-1", "#/j/job-2",
        f"#/p/evil/search?q={urllib.parse.quote('<img')}", "#/p/evil/commits", "#/p/evil/settings",
    )  # fmt: skip
    unseen = (
        "", f"#/j/{jobs['snapshot']['id']}", "#/p/evil", "#/p/outside", "#/p/evil/links", "#/p/evil/snapshots",
        f"#/p/{urllib.parse.quote(IMAGE)}", f"#/j/{urllib.parse.quote(IMAGE)}", f"#/{urllib.parse.quote(IMAGE)}",
        "#/j/../../x", "#/p/javascript:alert(1)", f"?{urllib.parse.quote(IMAGE)}#{IMAGE}", f"j/{failed['id']}",
        "j/job-1",
        f"j/{urllib.parse.quote(IMAGE, safe='')}",
    )  # fmt: skip
    for place in (*seen, *unseen):
        await page.goto("about:blank")
        await page.goto(hub.url + place)
        found = await inspected(page, IMAGE[:20] if place in seen else "")
        bad = {name: found[name] for name in ("pwned", "made", "scripts", "handlers", "links", "styles") if found[name]}
        assert bad == {}, place


ADDRESSES = [
    "static/../hub/settings.py", "static/%2e%2e/hub/settings.py", "static/..%2fhub/settings.py", "static//etc/passwd",
    "static/%2fetc/passwd", "static/..%5c..%5cx", "static/%00", "static/index.html%00.js", "static/./index.html",
    "static/",
    "api/v1/projects/..%2f..%2fetc", "api/v1/projects/%2e%2e/jobs", "api/v1/jobs/..%2f..%2fjournal.sqlite3",
    "api/v1/projects/evil/snapshots/..%2f..%2fx", "api/v1/projects/evil/snapshots/..%2f..%2fx/archive",
    "api/v1/projects/evil/snapshots/%00/file?path=..%2f..%2fetc%2fpasswd", "j/..%2f..%2fx", "j/%3Cscript%3E/badge.svg",
]  # fmt: skip


def test_no_address_leads_to_a_file(hub: HubProcess) -> None:
    hub.call("POST", "projects", {"id": "evil", "name": "x"})
    host, port = hub.url.removeprefix("http://").strip("/").split(":")
    import socket  # noqa: PLC0415 - as it stands: a client library would tidy the address up

    for address in ADDRESSES:
        with socket.create_connection((host, int(port)), 10) as sock:
            sock.sendall(f"GET /{address} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        status = int(answer.split(b" ", 2)[1])
        assert status in {400, 404, 405}, (address, answer[:300])
        assert b"root:" not in answer
        assert b"<script>" not in answer
        head = answer.partition(b"\r\n\r\n")[0]
        assert b"text/html" not in head or b"default-src 'none'" in head, address


async def test_names_of_files_are_headers_of_downloads_and_no_more() -> None:
    from hub.web.resources.downloads import disposition  # noqa: PLC0415

    for name in (*PAYLOADS, 'a"; filename="b', "a\r\nX-Injected: 1", "../../etc/passwd", "a\0b", "\ud800"):
        header = disposition(name)
        assert header.isascii()
        assert header.isprintable()
        assert header.startswith("attachment; ")
        assert header.count('"') == 2
        assert "/" not in header.partition("filename*")[0]


def _is_json(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=10) as response:
        json.load(response)
        return response.headers["X-Content-Type-Options"] == "nosniff"


def test_what_the_api_says_is_never_taken_for_a_page(hub: HubProcess) -> None:
    hub.call("POST", "projects", {"id": "evil", "name": ALL[:200]})
    for path in ("projects", "projects/evil", "jobs", "projects/evil/history", "kinds", "webhooks"):
        assert _is_json(f"{hub.url}api/v1/{path}")
