"""Attack: have the hub connect to where only it can: this machine, its network, a cloud's metadata.

The way in: a URL, at every door that takes one, in any spelling that some resolver, proxy or library further down reads
as such an address; a name that leads there. What holds: one gate takes the URL apart, writes numbers out as addresses,
folds what a resolver would fold, and judges every address; what it can't read alike it refuses. Nobody connects.
"""

# ruff: noqa: RUF001 - look-alikes are what is tried

import socket
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from yarl import URL

from hub.core.errors import UrlRefused
from hub.jobs import gate
from hub.jobs.base import Rules
from hub.webhooks import receiver
from tests.attacks.conftest import Canary
from tests.hubs import Running, running

NONE_OPEN = Rules()

LOOPBACK = [
    # Numbers, as inet_aton reads them
    "127.0.0.2", "127.2", "127.0.2", "2130706434", "0x7f000002", "0x7F.0.0.2", "0x7f.2", "0177.0.0.2", "0177.0.0.02",
    "017700000002", "0x7f.0x0.0x0.0x2", "127.0.0.2.", "00000177.0.0.2", "127.0x0.0.2", "127.0.0.0x2",
    # IPv6, and IPv4 in it
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[0:0:0:0:0:ffff:127.0.0.2]",
    "[::127.0.0.2]",
    "[::ffff:0:127.0.0.2]", "[2002:7f00:2::]", "[64:ff9b::127.0.0.2]", "[64:ff9b:1::7f00:2]", "[::]", "[::1%25lo]",
    "[::1%lo]", "[fe80::1%25eth0]", "[2001:0:7f00:2::]",
    # What Unicode folds into digits, dots and letters
    "127。0。0。2", "127．0．0．2", "127｡0｡0｡2", "１２７.0.0.2", "①②⑦.⓪.⓪.②", "𝟏𝟐𝟕.0.0.2",
    "ⓛocalhost", "ｌｏｃａｌｈｏｓｔ",
    "loc\u00adalhost",
    "local\u200bhost", "localho\u017ft",
    # Names
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "ip6-localhost",
    # Percent-encoding, and what hides behind a user
    "%31%32%37.0.0.2", "127%2e0%2e0%2e2", "localhos%74", "example.org@127.0.0.2", "example.org%40127.0.0.2",
    "127.0.0.2%2f@example.org", "127.0.0.2\\@example.org", "127.0.0.2#@example.org", "127.0.0.2?@example.org",
    "127.0.0.2%00.example.org", "127.0.0.2%0a.example.org", "127.0.0.2 .example.org", "127.0.0.2\t", "\u202e127.0.0.2",
    "0", "0.0.0.0", "00", "0x0", "[::ffff:0:0]",
]  # fmt: skip
ELSEWHERE = [
    "10.0.0.1", "10.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "3232235521", "0xc0.0xa8.1",  # private
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[fd00:ec2::254]",
    "100.100.100.200", "168.63.129.16", "192.0.0.192",  # metadata
    "100.64.0.1", "198.18.0.1", "198.19.255.254", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
    "192.0.0.8",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "0.1.2.3",
    "[fc00::1]", "[fd12:3456:789a::1]", "[fe80::1]", "[febf::1]", "[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]",
    "[2001:2::1]", "[2001:10::1]", "[2001:20::1]", "[3fff::1]", "[5f00::1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]",
    "[2001:0:a00:1::]", "[::ffff:10.0.0.1]", "[::10.0.0.1]",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS in the attacker's hands: every name leads to the canary. Numbers are read as the system reads them."""
    real = socket.getaddrinfo

    def answer(
        host: str | None, port: int, family: int = 0, type_: int = 0, proto: int = 0, flags: int = 0, **named: int
    ) -> list[tuple[object, ...]]:
        try:
            return real(host, port, family, named.get("type", type_), proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize("host", LOOPBACK + ELSEWHERE)
def test_no_spelling_leads_to_a_place_that_is_not_public(host: str) -> None:
    for url in (f"http://{host}/a.git", f"https://{host}:443/a.git", f"ssh://git@{host}/a.git", f"git@{host}:a.git"):
        with pytest.raises(UrlRefused):
            gate.resolve(gate.check(url, NONE_OPEN), NONE_OPEN)
    with pytest.raises(UrlRefused):
        receiver.resolved(receiver.parse(f"https://{host}/hook", NONE_OPEN).remote, NONE_OPEN)


PORTS = ["+80", "-1", "080000", "80 ", "٨٠", "0x50", "80@example.org", "80#", "80:22", "0", "65536", "8０"]


@pytest.mark.parametrize("port", PORTS)
def test_a_port_is_a_number_or_the_url_is_refused(port: str) -> None:
    with pytest.raises(UrlRefused):
        gate.parse(f"http://example.org:{port}/a.git")


SOUND = [
    "http://example.org/a.git", "https://1.1.1.1:8443/a", "https://0x01010101/a", "http://１.1.1.1/a",
    "https://bücher.example/a", "https://ann@example.org/a", "http://[2606:4700::1111]:80/a", "http://example.org./a",
    "ssh://git@example.org:2222/~a/b", "https://example.org/a@127.0.0.2/b", "https://example.org/%40127.0.0.2:80/",
]  # fmt: skip


@pytest.mark.parametrize("url", SOUND)
def test_everybody_further_down_reads_the_same_host_out_of_what_has_passed(url: str) -> None:
    remote = gate.check(url, NONE_OPEN)
    split, yarled = urllib.parse.urlsplit(remote.text), URL(remote.text)
    assert (split.hostname, split.port or remote.effective_port) == (remote.host, remote.effective_port)
    assert (yarled.raw_host, yarled.explicit_port or remote.effective_port) == (remote.host, remote.effective_port)


# -- every door -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, allow_networks=("127.0.0.1/32",)) as hub:
        yield hub


def doors(url: str, https: str) -> Iterator[tuple[str, str, object]]:
    yield "POST", "/api/v1/projects", {"url": url}
    yield "POST", "/api/v1/projects", {"source": "gitlab", "repository": url}
    yield "POST", "/api/v1/ingest/gitlab", {"repository": url}
    yield "GET", f"/repos/clone-progress?url={urllib.parse.quote(url)}", None
    yield "POST", "/repos/clone-progress", {"url": url}
    yield "POST", "/repos/clone", {"url": url}
    yield "POST", "/api/v1/webhooks", {"url": https}


async def test_no_door_lets_any_spelling_in(hub: Running, canary: Canary) -> None:
    """Names that lead there are another matter: see the next test."""
    hosts = [host for host in LOOPBACK + ELSEWHERE if not _is_name(host)]
    assert len(hosts) > 100
    for host in hosts:
        url = f"http://{host}:{canary.port}/a.git"
        for method, path, body in doors(url, f"https://{host}:{canary.port}/hook"):
            async with hub.session.request(method, hub.url + path, json=body) as response:
                text = await response.text()
            is_told = response.status == 400 or (response.status == 200 and '"error"' in text)
            assert is_told, (host, method, path, response.status, text)
    assert (await hub.call("GET", "/api/v1/projects"))[1]["total"] == 0
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0
    assert (await hub.call("GET", "/api/v1/webhooks"))[1]["total"] == 0


async def test_a_name_that_leads_there_is_a_project_and_no_connection(hub: Running, canary: Canary) -> None:
    """No DNS is asked before a job does, so that a request never waits for it."""
    status, said, _ = await hub.call("POST", "/api/v1/webhooks", {"url": f"https://inside.example:{canary.port}/hook"})
    assert (status, said["error"]["code"]) == (400, "url_refused")
    with pytest.raises(UrlRefused):
        gate.resolve(gate.check(f"http://inside.example:{canary.port}/a", NONE_OPEN), NONE_OPEN)


def _is_name(host: str) -> bool:
    """One that only the DNS, or the file `hosts`, can place."""
    try:
        return not gate.literal_addresses(gate.parse(f"http://{host}/a.git"))
    except UrlRefused:
        return False
