"""The known ssh servers, by the names that ssh files them under."""

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

from hub.jobs.gate import RemoteUrl

SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


def user_file() -> Path:
    return Path.home() / ".ssh" / "known_hosts"


def filed_under(host: str, port: int) -> str:
    """sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": other ports than 22 are part of the name."""
    return host if port == 22 else f"[{host}]:{port}"


def home_with_known_hosts(remote: RemoteUrl, address: str, folder: Path) -> Path:
    """A home folder in which libgit2 finds the remote's known keys under its address.

    libgit2 is given the checked address instead of the name, and looks for `~/.ssh/known_hosts` alone.
    """
    home = folder / "ssh-home"
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    name = filed_under(remote.host, remote.effective_port)
    alias = filed_under(address, remote.effective_port)
    lines = [f"{alias} {key}\n" for file in (user_file(), SYSTEM_FILE) if file.exists() for key in keys(file, name)]
    (home / ".ssh" / "known_hosts").write_text("".join(lines))
    return home


def keys(file: Path, name: str) -> Iterator[str]:
    """The `type base64` of each key that the file has for the name, revoked ones left out."""
    found: list[str] = []
    revoked: set[str] = set()
    for line in file.read_text(errors="replace").splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or not _matches(fields[0], name):
            continue
        key = f"{fields[1]} {fields[2]}"
        if marker == "@revoked":
            revoked.add(key)
        elif not marker:  # an authority's certificates are beyond libssh2
            found.append(key)
    return (key for key in found if key not in revoked)


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _matches_hash(patterns, name)
    matched = False
    for pattern in patterns.split(","):
        # fnmatch reads brackets as a set of characters, ssh does not.
        if fnmatch.fnmatchcase(name, pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def _matches_hash(pattern: str, name: str) -> bool:
    try:
        salt, wanted = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), wanted)
