import errno
import socket
from pathlib import Path

import pytest

from hub.core.errors import UrlRefused
from hub.jobs import gate
from hub.jobs.addresses import check_addresses
from hub.jobs.base import JobFailed, Rules

NONE_OPEN = Rules()

SOUND = {  # the URL as given: the text that is stored, host, port, path, user
    "https://example.org/a/b.git": ("https://example.org/a/b.git", "example.org", None, "/a/b.git", None),
    "HTTPS://Example.ORG/A/b": ("https://example.org/A/b", "example.org", None, "/A/b", None),
    "https://example.org:443/a": ("https://example.org/a", "example.org", 443, "/a", None),
    "https://example.org:8443/a": ("https://example.org:8443/a", "example.org", 8443, "/a", None),
    "http://example.org./a": ("http://example.org/a", "example.org", None, "/a", None),
    "https://ann@example.org/a": ("https://example.org/a", "example.org", None, "/a", "ann"),
    "https://example.org/a%20b": ("https://example.org/a%20b", "example.org", None, "/a%20b", None),
    "https://bücher.example/a": ("https://xn--bcher-kva.example/a", "xn--bcher-kva.example", None, "/a", None),
    "https://under_score.example/a": ("https://under_score.example/a", "under_score.example", None, "/a", None),
    "git://example.org/a": ("git://example.org/a", "example.org", None, "/a", None),
    "ssh://example.org/a": ("ssh://example.org/a", "example.org", None, "/a", None),
    "ssh://git@example.org:2222/a": ("ssh://git@example.org:2222/a", "example.org", 2222, "/a", "git"),
    "ssh://git@example.org/~ann/a": ("ssh://git@example.org/~ann/a", "example.org", None, "/~ann/a", "git"),
    "git@example.org:a/b.git": ("git@example.org:a/b.git", "example.org", None, "a/b.git", "git"),
    "git@[2606:4700::1111]:a": ("git@[2606:4700::1111]:a", "2606:4700::1111", None, "a", "git"),
    "http://[2606:4700::1111]:80/a": ("http://[2606:4700::1111]/a", "2606:4700::1111", 80, "/a", None),
    "http://0x01010101/a": ("http://1.1.1.1/a", "1.1.1.1", None, "/a", None),
    "file:///srv/git/a%20b.git": ("file:///srv/git/a%20b.git", "", None, "/srv/git/a b.git", None),
    "/srv/git/a.git": ("file:///srv/git/a.git", "", None, "/srv/git/a.git", None),
}


@pytest.mark.parametrize("url", SOUND)
def test_sound_urls_are_taken_apart(url):
    remote = gate.parse(url)
    assert (remote.text, remote.host, remote.port, remote.path, remote.user) == SOUND[url]
    assert gate.parse(remote.text).text == remote.text


UNSOUND = [
    "", "   ", "example.org/a", "a", "example.org:a", "C:\\repo", "https:/example.org/a", "https:example.org/a",
    "ftp://example.org/a", "ftps://example.org/a", "rsync://example.org/a", "svn://example.org/a",
    "git+ssh://example.org/a", "javascript://example.org/a", "data:text/plain,x", "gopher://example.org/a",
    "ext::sh -c touch% /tmp/x", "EXT::sh -c id", "fd::17", "http::https://example.org/a", "::x", "transport::address",
    "--upload-pack=touch /tmp/x", "-oProxyCommand=id", "-", "git@-oProxyCommand=id:a",
    "-oProxyCommand=id@example.org:a",
    "ssh://-oProxyCommand=id/a", "ssh://-oProxyCommand=id@example.org/a", "ssh://git@-example.org/a",
    "ssh://%2doProxyCommand=id@example.org/a", "git@example.org:-a", "git@example.org:/-a", "https://example.org/-a",
    "https://example.org/%2da", "https://-example.org/a", "git://example.org/--upload-pack=x",
    "https://example.org/a\nb", "https://example.org/a\rb", "https://example.org/a\0b", "https://example.org/a\tb",
    "https://example.org/a%0ab", "https://example.org/a%0D%0Ab", "https://example.org/%00", "https://example.org/%7f",
    "git@example.org:a\nb", "git://example.org/a%0ahost=evil", "https://exa\u2028mple.org/a", "\nhttps://example.org/a",
    "https:///a", "https://:80/a", "https://user@/a", "ssh:///a", "https://example.org", "https://example.org/",
    "git@example.org:", "git@:a", "https://example.org//",
    "https://example.org:0/a", "https://example.org:65536/a", "https://example.org:99999999/a", "https://example.org:/a",
    "https://example.org:80a/a", "https://example.org:-1/a", "https://example.org:+80/a", "https://example.org: 80/a",
    "https://example.org:٨٠/a", "https://exa mple.org/a", "https://example.org/a b", "https://exam%70le.org/a",
    "https://example..org/a", "https://.example.org/a", "https://exam!ple.org/a", "https://example.org\\@evil.org/a",
    "https://[::1/a", "https://[::1]x/a", "https://[fe80::1%25eth0]/a", "https://[example.org]/a", "https://[]/a",
    "https://1.2.3.4.5/a", "https://256.1.1.1/a", "https://example.99/a", "https://0x/a", "https://999999999999/a",
    "https://example.org/a?x=1", "https://example.org/a#x", "https://" + "a" * 2100,
    "file://example.org/a", "file://a", "file:///a/../../etc", "/a/../b", "//host/share", "file:///a\n", "/-a", "/a\\b",
    "../a", "./a", "~/a",
]  # fmt: skip


@pytest.mark.parametrize("url", UNSOUND)
def test_unsound_urls_are_refused(url):
    with pytest.raises(UrlRefused) as caught:
        gate.parse(url)
    assert caught.value.narrow_code == "url_refused"


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:secret@example.org/a", "https://:secret@example.org/a", "https://ann:@example.org/a",
        "http://ann:secret@127.0.0.1/a", "ssh://ann:secret@example.org/a", "https://ann:se%40cret@example.org/a",
        "https://ghp_0123456789abcdef@example.org/a", "https://glpat-abc@example.org/a",
        "https://0123456789abcdef0123456789abcdef01234567@example.org/a",
        "https://example.org/a?private_token=x", "https://example.org/a?access_token=x&b=c",
    ],
)  # fmt: skip
def test_a_secret_in_the_url_has_its_own_code_and_is_not_repeated(url):
    with pytest.raises(UrlRefused) as caught:
        gate.parse(url)
    assert caught.value.narrow_code == "credentials_in_url"
    assert "secret" not in caught.value.message
    assert "ghp_" not in caught.value.message


LITERALS = [
    "http://127.0.0.1/a", "http://127.1/a", "http://127.0.1/a", "http://2130706433/a", "http://0x7f000001/a",
    "http://0x7f.1/a", "http://0177.0.0.1/a", "http://017700000001/a", "http://127.0.0.1./a", "http://0/a",
    "http://0.0.0.0/a", "http://\uff11\uff12\uff17.0.0.1/a", "http://\u2460\u2461\u2466.0.0.1/a",
    "http://127\u30020\u30020\u30021/a", "http://localhost/a",
    "http://LOCALHOST./a", "http://x.localhost/a", "git://127.0.0.1/a", "ssh://git@127.0.0.1/a", "git@127.0.0.1:a",
    "http://10.0.0.1/a", "http://10.1/a", "http://172.16.5.4/a", "http://172.31.255.255/a", "http://192.168.1.1/a",
    "http://169.254.169.254/a", "http://0xa9fea9fe/a", "http://168.63.129.16/a", "http://100.64.0.1/a",
    "http://100.100.100.200/a", "http://192.0.0.192/a", "http://192.0.2.1/a", "http://198.18.0.1/a",
    "http://198.51.100.7/a", "http://203.0.113.9/a", "http://224.0.0.1/a", "http://239.255.255.250/a",
    "http://240.0.0.1/a", "http://255.255.255.255/a", "http://192.88.99.1/a",
    "http://[::1]/a", "http://[::]/a", "http://[::ffff:127.0.0.1]/a", "http://[::ffff:7f00:1]/a",
    "http://[::ffff:10.0.0.1]/a", "http://[::127.0.0.1]/a", "http://[64:ff9b::7f00:1]/a", "http://[64:ff9b::8.8.8.8]/a",
    "http://[64:ff9b:1::1]/a", "http://[2002:7f00:1::]/a", "http://[2002:808:808::]/a", "http://[2001::1]/a",
    "http://[2001:10::1]/a", "http://[2001:20::1]/a", "http://[2001:db8::1]/a", "http://[100::1]/a",
    "http://[fc00::1]/a", "http://[fd12:3456::1]/a", "http://[fe80::1]/a", "http://[fec0::1]/a", "http://[ff02::1]/a",
    "git@[::1]:a",
]  # fmt: skip


@pytest.mark.parametrize("url", LITERALS)
def test_literal_addresses_off_the_public_network_are_refused_without_asking_anyone(url, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    gate.parse(url)  # the spelling is sound, it is the place that is not
    with pytest.raises(UrlRefused):
        gate.check(url, NONE_OPEN)


@pytest.mark.parametrize("url", ["http://1.1.1.1/a", "http://[2606:4700::1111]/a", "http://example.org/a"])
def test_public_places_pass(url):
    gate.check(url, NONE_OPEN)


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://127.0.0.1/a", "127.0.0.0/8"), ("http://[::ffff:10.0.0.1]/a", "10.0.0.0/8"),
        ("http://0x7f.1/a", "127.0.0.1/32"), ("http://[fd00::1]/a", "fd00::/8"), ("http://[::1]/a", "::1/128"),
    ],
)  # fmt: skip
def test_allowed_networks_open_what_they_name(url, network):
    gate.check(url, Rules(allow_networks=(network,)))
    with pytest.raises(UrlRefused):
        gate.check(url, Rules(allow_networks=("192.168.0.0/16",)))


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(UrlRefused):
        check_addresses(["1.1.1.1", "10.0.0.1"], NONE_OPEN)


def test_an_embedded_address_needs_its_own_permission():
    rules = Rules(allow_networks=("64:ff9b::/96",))
    check_addresses(["64:ff9b::808:808"], rules)
    with pytest.raises(UrlRefused):
        check_addresses(["64:ff9b::7f00:1"], rules)


def answer(*addresses: str):
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]


def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answer("93.184.216.34", "192.168.0.1"))
    remote = gate.check("https://looks-fine.example/a", NONE_OPEN)
    with pytest.raises(UrlRefused):
        gate.resolve(remote, NONE_OPEN)


def test_a_name_resolves_to_each_address_once(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answer("93.184.216.34", "93.184.216.34", "1.1.1.1"))
    assert gate.resolve(gate.parse("https://example.org/a"), NONE_OPEN) == ("93.184.216.34", "1.1.1.1")


def test_an_unknown_name_is_a_failure_that_says_so(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(JobFailed) as caught:
        gate.resolve(gate.parse("https://no-such-host.invalid/a"), NONE_OPEN)
    assert caught.value.failure.code == "host_not_found"


def test_local_folders_are_closed_by_default():
    for url in ("/srv/git/a.git", "file:///srv/git/a.git"):
        with pytest.raises(UrlRefused):
            gate.check(url, NONE_OPEN)


def test_local_folders_are_open_inside_the_roots_only(tmp_path):
    rules = Rules(roots=(str(tmp_path / "open"),))
    (tmp_path / "open" / "a.git").mkdir(parents=True)
    (tmp_path / "open-not").mkdir()
    (tmp_path / "open" / "way-out").symlink_to(tmp_path / "open-not")
    remote = gate.check(f"file://{tmp_path}/open/a.git", rules)
    assert gate.local_path(remote, rules) == tmp_path / "open" / "a.git"
    with pytest.raises(UrlRefused):
        gate.check(str(tmp_path / "open-not"), rules)
    led_out = gate.check(str(tmp_path / "open" / "way-out"), rules)  # only the disk can tell
    with pytest.raises(UrlRefused):
        gate.local_path(led_out, rules)


@pytest.mark.parametrize("name", ["x" * 300, "loop", "file/below"])
def test_a_path_that_nobody_can_look_at_is_refused_or_missing(tmp_path, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    rules = Rules(roots=(str(tmp_path),))
    remote = gate.check(f"file://{tmp_path}/{name}", rules)
    if name == "file/below":
        assert gate.local_path(remote, rules) == tmp_path / name
    else:
        with pytest.raises(UrlRefused):
            gate.local_path(remote, rules)


def test_any_error_of_the_system_about_a_path_is_a_refusal(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    rules = Rules(roots=(str(tmp_path),))
    remote = gate.check(f"file://{tmp_path}/a.git", rules)
    monkeypatch.setattr(Path, "lstat", denied)
    with pytest.raises(UrlRefused, match="Permission denied"):
        gate.local_path(remote, rules)


@pytest.mark.parametrize("url", ["/srv/\ud800", "https://example.org/\udce9.git", "git@example.org:\ud800"])
def test_half_a_character_is_refused(url):
    with pytest.raises(UrlRefused):
        gate.parse(url)


def test_a_root_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "real" / "a.git").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    rules = Rules(roots=(str(tmp_path / "link"),))
    assert gate.local_path(gate.check(f"{tmp_path}/link/a.git", rules), rules) == tmp_path / "real" / "a.git"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.org/x", "https://a.org/y", True),
        ("https://a.org/x", "https://a.org:443/y", True),
        ("http://a.org/x", "https://a.org/x", True),
        ("https://a.org/x", "http://a.org/x", False),
        ("https://a.org/x", "https://a.org:8443/x", False),
        ("http://a.org:8080/x", "https://a.org/x", False),
        ("https://a.org/x", "https://b.a.org/x", False),
        ("https://a.org/x", "ssh://a.org/x", False),
    ],
)
def test_credentials_go_to_the_same_server_only(one, other, same):
    assert gate.parse(one).same_origin(gate.parse(other)) is same
