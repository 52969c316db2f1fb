import base64
import hashlib
import hmac

import pytest

from hub.jobs import gate
from hub.jobs.git import known_hosts

KEY = "ssh-ed25519 AAAAkey"


def hashed(name: str) -> str:
    salt = b"0123456789abcdef0123"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


@pytest.mark.parametrize(
    ("line", "name", "found"),
    [
        (f"example.org {KEY} comment", "example.org", [KEY]),
        (f"other.org,example.org {KEY}", "example.org", [KEY]),
        (f"*.example.org {KEY}", "a.example.org", [KEY]),
        (f"*.example.org,!a.example.org {KEY}", "a.example.org", []),
        (f"[example.org]:2222 {KEY}", "[example.org]:2222", [KEY]),
        (f"[example.org]:2222 {KEY}", "example.org", []),
        (f"{hashed('example.org')} {KEY}", "example.org", [KEY]),
        (f"{hashed('example.org')} {KEY}", "example.net", []),
        ("|1|broken", "example.org", []),
        (f"|1|not-base64|x {KEY}", "example.org", []),
        (f"# example.org {KEY}", "example.org", []),
        (f"@cert-authority example.org {KEY}", "example.org", []),
        (f"example.org {KEY}\n@revoked * {KEY}", "example.org", []),
        ("", "example.org", []),
    ],
)
def test_keys_are_found_as_ssh_finds_them(line, name, found, tmp_path):
    (tmp_path / "known_hosts").write_text(line + "\n")
    assert list(known_hosts.keys(tmp_path / "known_hosts", name)) == found


def test_the_keys_of_a_name_are_filed_under_its_address(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user" / ".ssh").mkdir(parents=True)
    (tmp_path / "user" / ".ssh" / "known_hosts").write_text(f"[example.org]:2222 {KEY}\nelse.org ssh-rsa BBBB\n")
    remote = gate.parse("ssh://git@example.org:2222/a")
    home = known_hosts.home_with_known_hosts(remote, "93.184.216.34", tmp_path)
    assert (home / ".ssh" / "known_hosts").read_text() == f"[93.184.216.34]:2222 {KEY}\n"
