"""`progress-hub recipe`: a configuration for what stands around a hub, filled in with its settings."""

import argparse
import shutil
import sys
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
    command.add_argument("what", choices=sorted(RECIPES), help="what to print a configuration for")
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
    text = (FOLDER / (tls if options.certificate else plain)).read_text(encoding="utf-8")
    for name, value in _values(settings, sources, options).items():
        text = text.replace(f"@{name}@", value)
    sys.stdout.write(text)
    return codes.SUCCEEDED


def _values(settings: Settings, sources: object, options: argparse.Namespace) -> dict[str, str]:
    host = settings.hosts[0]
    place = f"[{host}]" if ":" in host else host
    name = options.name or next(iter(settings.allowed_hosts), "hub.example.org")
    return {
        "NAME": name,
        "HUB": host if host.startswith("unix:") else f"{place}:{settings.port}",
        "CERTIFICATE": str(options.certificate),
        "KEY": str(options.key),
        "BODY_BYTES": str(settings.max_body_bytes),
        "SILENCE_S": f"{max(60.0, settings.heartbeat_s * SILENCE_HEARTBEATS):.0f}",
        "STOP_S": f"{settings.drain_s + 30:.0f}",
        "DESCRIPTORS": str(settings.max_connections + 4096),
        "COMMAND": shutil.which("progress-hub") or "/usr/local/bin/progress-hub",
        "ENVIRONMENT": f"HUB_DATA_DIR=%S/progress-hub HUB_LOG_FORMAT=text HUB_PORT={settings.port} "
        f"HUB_ALLOWED_HOSTS={name}",
    }
