"""`progress-hub recipe`: a configuration for what stands around a hub, filled in with its settings."""

import argparse
import dataclasses
import re
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

import hub
from hub.cli import codes
from hub.cli.configuration import traced_settings
from hub.settings import Settings, SettingsError

FOLDER = Path(hub.__file__).parent / "deploy"
RECIPES = {
    "nginx": ("nginx.conf", "nginx-tls.conf"),
    "haproxy": ("haproxy.cfg", "haproxy-tls.cfg"),
    "caddy": ("Caddyfile", "Caddyfile-tls"),
    "systemd": ("progress-hub.service", ""),
    "systemd-socket": ("progress-hub.socket", ""),
}
"""The file, and the one that ends TLS with a certificate of yours."""
SILENCE_HEARTBEATS = 6
"""How many of them may be missing before a proxy takes a stream for dead."""
NEEDS_PEM = "haproxy wants certificate and key in one file: --certificate alone."
NAME = re.compile(r"[\w.*:\[\]-]+", re.ASCII)
PATH = re.compile(r"[^\s\"';{}#$%\\]+")
"""What none of the programs takes for the end of a word."""
UNIX = {"nginx": "unix:", "haproxy": "unix@", "caddy": "unix/"}
"""What stands before a socket's path; systemd wants the path alone."""
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody listens here: a proxy asks one address of them
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - nothing is put there
"""What the unit does not see: ProtectHome and PrivateTmp."""
EXAMPLES = """\
The settings of the hub fill it in: address, limits, heartbeats. caddy gets a certificate by itself, unless it is given
one; nginx and haproxy speak plain http without.

examples:
  progress-hub recipe nginx --name hub.example.org
  progress-hub recipe nginx --name hub.example.org --certificate /etc/ssl/hub.pem --key /etc/ssl/hub.key
  progress-hub recipe haproxy --certificate /etc/haproxy/hub.pem      certificate and key in one file
  progress-hub recipe caddy --name hub.example.org
  progress-hub recipe systemd > /etc/systemd/system/progress-hub.service

Start the hub with the name that visitors use: --allowed-hosts hub.example.org"""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=sorted(RECIPES), metavar="WHAT", help=f"one of {', '.join(sorted(RECIPES))}")
    command.add_argument("--name", help="the host name that visitors use (default: the first of allowed_hosts)")
    command.add_argument("--certificate", type=Path, metavar="FILE", help="certificate chain (PEM)")
    command.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")


def show(options: argparse.Namespace) -> int:
    settings, sources = traced_settings(options)
    plain, tls = RECIPES[options.what]
    if options.certificate and not tls:
        raise SettingsError(f"--certificate means nothing to {options.what}")
    if options.certificate and not options.key and options.what != "haproxy":
        raise SettingsError(f"--key is needed, too: {options.what} keeps it in a file of its own")
    if options.key and (not options.certificate or options.what == "haproxy"):
        raise SettingsError(NEEDS_PEM if options.what == "haproxy" else "--key needs --certificate")
    _check(options)
    text = (FOLDER / (tls if options.certificate else plain)).read_text(encoding="utf-8")
    for name, value in _values(settings, sources, options).items():
        text = text.replace(f"@{name}@", value)
    sys.stdout.write(text)
    return codes.SUCCEEDED


def _check(options: argparse.Namespace) -> None:
    """Nothing that is filled in may end the line that it stands in."""
    if options.name and not NAME.fullmatch(options.name):
        raise SettingsError(f"--name: {options.name!r} is no host name")
    for flag, path in (("--certificate", options.certificate), ("--key", options.key)):
        if path and not PATH.fullmatch(str(path.absolute())):
            raise SettingsError(f"{flag}: {str(path)!r} has characters that the configuration cannot hold; rename it")


def _values(settings: Settings, sources: Collection[str], options: argparse.Namespace) -> dict[str, str]:
    name = options.name or next(iter(settings.allowed_hosts), "hub.example.org")
    return {
        "NAME": name,
        "HUB": _address(settings, options.what),
        "CERTIFICATE": str(options.certificate and options.certificate.absolute()),
        "KEY": str(options.key and options.key.absolute()),
        "BODY_BYTES": str(settings.max_body_bytes),
        "SILENCE_S": f"{max(60.0, settings.heartbeat_s * SILENCE_HEARTBEATS):.0f}",
        "STOP_S": f"{settings.drain_s + 30:.0f}",
        "DESCRIPTORS": str(settings.max_connections + 4096),
        "COMMAND": _command() if options.what == "systemd" else "",
        "ENVIRONMENT": _environment(settings, sources, name),
    }


def _address(settings: Settings, what: str) -> str:
    host = settings.hosts[0]
    if host.startswith("unix:"):
        return UNIX.get(what, "") + host.removeprefix("unix:")
    if what in UNIX:
        host = ANY.get(host, host)
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def _command() -> str:
    beside = Path(sys.executable).with_name("progress-hub")  # in an environment that is not on PATH, as under sudo
    found = shutil.which("progress-hub") or (str(beside) if beside.exists() else "/usr/local/bin/progress-hub")
    if any(Path(found).is_relative_to(folder) for folder in HIDDEN):
        sys.stderr.write(
            f"warning: the unit sees nothing in {', '.join(HIDDEN)}, and so cannot start {found}. Install the hub "
            "elsewhere, such as in /opt/progress-hub, and let that one print the unit.\n"
        )
    return found


def _environment(settings: Settings, sources: Collection[str], name: str) -> str:
    """All that was set, but for the folder, which is systemd's to make."""
    told = {"log_format": settings.log_format, "port": str(settings.port), "allowed_hosts": name}
    for field in dataclasses.fields(Settings):
        if field.name in sources and field.name != "data_dir":
            value = getattr(settings, field.name)
            if isinstance(value, tuple):
                value = (":" if field.name == "roots" else ",").join(value)
            told[field.name] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if name not in settings.allowed_hosts:
        told["allowed_hosts"] = ",".join((*settings.allowed_hosts, name))
    return " ".join(["HUB_DATA_DIR=%S/progress-hub", *(_assigned(key, value) for key, value in told.items())])


def _assigned(name: str, value: str) -> str:
    text = f"HUB_{name.upper()}={value}".replace("%", "%%")
    if not re.search(r"[\s\"'\\]", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
