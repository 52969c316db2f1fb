"""Settings: where each comes from, and which do not go together."""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.doctor.findings import Finding, ok, warn
from hub.settings import Settings, unknown_variables

PROXY_SILENCE_S = 50.0
"""haproxy's default limit of silence; nginx's is 60 s."""


def look(
    settings: Settings, sources: Mapping[str, str], config: Path | None, environ: Mapping[str, str]
) -> Iterator[Finding]:
    yield ok("settings.file", f"Config file: {config}" if config else "No config file; that is fine")
    changed = [f"{name} = {getattr(settings, name)!r} ({source})" for name, source in sorted(sources.items())]
    yield ok("settings.values", f"Not as by default: {'; '.join(changed) or 'nothing'}")
    for name, meant in unknown_variables(environ).items():
        advice = f"Is {meant} meant?" if meant else "`progress-hub settings` lists all there are."
        yield warn("settings.unknown", f"{name} is no setting, so it has no effect", advice)
    found = list(conflicts(settings))
    yield from found or [ok("settings.conflicts", "No setting is in another's way")]


def conflicts(settings: Settings) -> Iterator[Finding]:
    data = settings.data_path
    for root in settings.roots:
        if data.is_relative_to(root):
            text = f"data_dir ({data}) lies inside roots ({root}), so jobs may read the hub's own files"
            yield warn("settings.conflicts", text, "Move one of them.")
    for network in settings.allow_networks:
        if ipaddress.ip_network(network, strict=False).prefixlen == 0:
            text = f"allow_networks = {network} lets jobs connect to everything this machine reaches"
            yield warn("settings.conflicts", text, "Name the networks that jobs need.")
    if settings.heartbeat_s >= PROXY_SILENCE_S:
        text = f"heartbeat_s = {settings.heartbeat_s:g}: proxies cut streams that are silent for 50 or 60 s"
        yield warn("settings.conflicts", text, "Lower heartbeat_s, or raise the proxy's timeouts.")
    if settings.retry_max_backoff_s < settings.retry_backoff_s:
        text = "retry_max_backoff_s is less than retry_backoff_s, and has no effect"
        yield warn("settings.conflicts", text, "Raise it, or lower retry_backoff_s.")
    if settings.max_watchers > settings.max_connections:
        text = f"max_watchers ({settings.max_watchers}) is more than max_connections ({settings.max_connections})"
        yield warn("settings.conflicts", text, "Raise max_connections.")
    if 0 < settings.port < 1024 and os.geteuid() != 0:
        text = f"port = {settings.port} needs rights that this user may not have"
        yield warn("settings.conflicts", text, "Listen above 1023 behind a proxy, or give CAP_NET_BIND_SERVICE.")
    if settings.min_free_bytes == 0:
        text = "min_free_bytes = 0: a job may fill the disk, and then the journal cannot be written"
        yield warn("settings.conflicts", text, "Leave some room.")
