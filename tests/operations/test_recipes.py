"""`progress-hub recipe`: what it prints is run by the real programs, with TLS, and lets every transport through."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import missing
from tests.hubs import Running, running
from tests.operations.conftest import ROOT, Cli
from tests.proxies import programs
from tests.proxies.programs import free_port

README = (ROOT / "README.md").read_text(encoding="utf-8")
proxies = pytest.mark.proxy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `hub.pem`, `hub.key` and, for haproxy, `both.pem`, for localhost."""
    if shutil.which("openssl") is None:
        missing("openssl")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:hub.example.org"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "hub.key", "-out", folder / "hub.pem", *names],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "both.pem").write_text((folder / "hub.pem").read_text() + (folder / "hub.key").read_text())
    return folder


@contextlib.contextmanager
def caddy(folder: Path, sites: str) -> Iterator[str]:
    port = free_port()
    conf = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + sites.replace("PORT", str(port))
    with programs._serving("caddy", ["run", "--adapter", "caddyfile", "--config"], folder / "Caddyfile", conf, port):
        yield f"https://localhost:{port}"


@contextlib.contextmanager
def nginx(folder: Path, site: str) -> Iterator[str]:
    with programs.nginx(folder, site.replace("listen 443", "listen 127.0.0.1:PORT")) as url:
        yield url.replace("http://127.0.0.1", "https://localhost")


@contextlib.contextmanager
def haproxy(folder: Path, sections: str) -> Iterator[str]:
    with programs.haproxy(folder, sections.replace("bind :443", "bind 127.0.0.1:PORT")) as url:
        yield url.replace("http://127.0.0.1", "https://localhost")


RUN: dict[str, Any] = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


def recipe(cli: Cli, what: str, hub: Running, certificate: Path) -> str:
    files = ["--certificate", certificate / ("both.pem" if what == "haproxy" else "hub.pem")]
    files += [] if what == "haproxy" else ["--key", certificate / "hub.key"]
    done = cli("recipe", what, "--name", "localhost", "--port", hub.url.rpartition(":")[2], *files)
    assert done.returncode == 0, done.stderr
    return done.stdout


@proxies
@pytest.mark.parametrize("what", RUN)
async def test_behind_a_recipe_with_tls_everything_is_live(
    what: str, tmp_path: Path, cli: Cli, program: Cli, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where caddy keeps what it knows
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "hub.pem"))
    plain_port = free_port()
    async with running(tmp_path / "data", heartbeat_s=0.3, allowed_hosts=("hub.example.org",)) as hub:
        text = recipe(cli, what, hub, certificate)
        text = text.replace("listen 80;", f"listen 127.0.0.1:{plain_port};").replace(
            "bind :80\n", f"bind 127.0.0.1:{plain_port}\n"
        )
        text = re.sub(r"^localhost \{", "https://localhost:PORT {\n\tbind 127.0.0.1", text)
        with RUN[what](tmp_path, text) as url:
            done = await asyncio.to_thread(program, "doctor", "--hub", url, "--json")
            found = {each["id"]: each["level"] for each in json.loads(done.stdout)["findings"]}
            assert set(found.values()) == {"ok"}, done.stdout
            assert {"hub.websocket", "hub.sse", "hub.poll"} <= set(found)
            await check_page(url, certificate)
            if what != "caddy":  # which redirects by itself, where it may listen on port 80
                await check_redirect(plain_port)


async def check_page(url: str, certificate: Path) -> None:
    """A page from that very address may change things, and a stranger's may not."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate / "hub.pem")))
    async with aiohttp.ClientSession(connector=connector) as session:
        for origin, status in ((url, 201), ("https://elsewhere.example", 403)):
            body = {"url": "https://example.org/q.git"}
            async with session.post(f"{url}/api/v1/projects", json=body, headers={"Origin": origin}) as response:
                assert response.status == status, await response.text()


async def check_redirect(port: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{port}/x?y", allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"].startswith("https://localhost")) == (301, True)


@pytest.mark.parametrize("what", ["nginx", "haproxy"])
def test_the_readme_shows_what_is_printed(what: str, cli: Cli) -> None:
    section = README.partition("## Behind a proxy")[2].partition("\n## ")[0]
    (shown,) = re.findall(rf"```{what}\n(.*?)```", section, re.DOTALL)
    assert cli("recipe", what).stdout == shown


def test_settings_fill_a_recipe_in(cli: Cli) -> None:
    told = cli("recipe", "nginx", "--host", "::1", "--port", "9", "--allowed-hosts", "a.example,b.example").stdout
    assert "server_name a.example;" in told
    assert "proxy_pass http://[::1]:9;" in told
    told = cli(
        "recipe", "nginx", "--certificate", "/c", "--key", "/k", "--heartbeat-s", "40", "--max-body-bytes", "5"
    ).stdout
    assert "proxy_read_timeout 240s;" in told
    assert "client_max_body_size 5;" in told
    assert "@" not in re.sub(r"@system-service", "", cli("recipe", "systemd").stdout)


@pytest.mark.parametrize(
    "arguments",
    [("nginx", "--certificate", "/c"), ("haproxy", "--key", "/k"), ("caddy", "--key", "/k"),
     ("systemd", "--certificate", "/c"), ("apache",)],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], cli: Cli) -> None:
    done = cli("recipe", *arguments)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)


@pytest.fixture
def units(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both units, for a program that is there."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")
    program = tmp_path / "bin" / "progress-hub"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    folder = tmp_path / "units"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for what, name in (("systemd", "service"), ("systemd-socket", "socket")):
        done = cli("recipe", what)
        assert str(program) in done.stdout or name == "socket"
        (folder / f"progress-hub.{name}").write_text(done.stdout)
    return folder


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    for name in ("service", "socket"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", units / f"progress-hub.{name}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        ours = [line for line in done.stderr.splitlines() if "progress-hub" in line]
        assert (done.returncode, ours) == (0, [])


def test_systemd_thinks_the_service_well_hardened(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", units / "progress-hub.service"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--name", "a;b"), ("--name", "a b"), ("--name", "a\nb"),
     ("--certificate", "/a b.pem", "--key", "/k"), ("--certificate", "/c", "--key", "/k;}")],
)  # fmt: skip
def test_nothing_that_is_filled_in_ends_its_line(arguments: tuple[str, ...], cli: Cli) -> None:
    done = cli("recipe", "nginx", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[0] in done.stderr or arguments[-2] in done.stderr


@pytest.mark.parametrize(
    ("what", "host", "line"),
    [
        ("nginx", "unix:/run/hub.sock", "proxy_pass http://unix:/run/hub.sock;"),
        ("haproxy", "unix:/run/hub.sock", "server hub unix@/run/hub.sock"),
        ("caddy", "unix:/run/hub.sock", "reverse_proxy unix//run/hub.sock"),
        ("systemd-socket", "unix:/run/hub.sock", "ListenStream=/run/hub.sock"),
        ("nginx", "0.0.0.0", "proxy_pass http://127.0.0.1:8470;"),
        ("caddy", "::", "reverse_proxy [::1]:8470"),
        ("systemd-socket", "0.0.0.0", "ListenStream=0.0.0.0:8470"),
    ],
)
def test_each_program_is_told_the_hubs_address_in_its_own_words(what: str, host: str, line: str, cli: Cli) -> None:
    assert line in [each.strip() for each in cli("recipe", what, "--host", host).stdout.splitlines()]


def test_the_unit_has_all_that_was_set(cli: Cli) -> None:
    done = cli("recipe", "systemd", "--roots", "/srv/a b:/srv/c%d", "--durable-power", "--data-dir", "/x")
    told = next(line for line in done.stdout.splitlines() if line.startswith("Environment="))
    assert '"HUB_ROOTS=/srv/a b:/srv/c%%d"' in told
    assert "HUB_DURABLE_POWER=on" in told
    assert "HUB_DATA_DIR=%S/progress-hub" in told
    assert "/x" not in told


def test_a_program_that_the_unit_could_not_see_is_warned_of(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, seen in (("/home/ann/.venv/bin/progress-hub", False), ("/opt/progress-hub/bin/progress-hub", True)):
        monkeypatch.setattr(shutil, "which", lambda _, place=place: place)
        done = cli("recipe", "systemd")
        assert f"ExecStart={place} serve" in done.stdout
        assert ("warning:" in done.stderr) is not seen
