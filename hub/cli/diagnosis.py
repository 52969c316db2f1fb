"""What `progress-hub doctor` does; apart from its options, because it loads all that a hub loads."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable

from hub.cli import codes, credentials
from hub.cli.configuration import config_path, traced_settings
from hub.cli.screen import has_unicode
from hub.doctor import configuration, folder, machine, repository, transports
from hub.doctor.findings import Finding, Level, worst
from hub.jobs.git.base import Credentials
from hub.terminal import GREEN, RED, YELLOW, Style
from hub.web.assembly import rules_of
from hub.words import clean

TITLES = {
    "machine": "Machine",
    "folder": "Data folder",
    "settings": "Settings",
    "repo": "Repository",
    "hub": "The way to the hub",
}
COLORS = {Level.OK: GREEN, Level.WARN: YELLOW, Level.FAIL: RED}


def run(options: argparse.Namespace) -> int:
    found = list(_findings(options))
    level = worst(found)
    if options.json:
        print(json.dumps({"level": level.value, "findings": [each.to_wire() for each in found]}, ensure_ascii=True))
    else:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print("\n".join(lines(found, Style(unicode=has_unicode(sys.stdout), color=color))))
    return codes.FAILED if level is Level.FAIL else codes.SUCCEEDED


def _findings(options: argparse.Namespace) -> Iterable[Finding]:
    if options.hub:
        token = credentials.hub_token(options) or os.environ.get("HUB_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return asyncio.run(transports.look(options.hub, headers, patient=not options.quick))
    settings, sources = traced_settings(options)
    if options.repo:
        options.ssh_key = None
        secrets = credentials.given(options)
        return repository.look(
            options.repo, rules_of(settings), Credentials.of({"username": options.username}, secrets)
        )
    return [
        *machine.look(settings),
        *folder.look(settings),
        *configuration.look(settings, sources, config_path(options), os.environ),
    ]


def lines(found: Iterable[Finding], style: Style) -> Iterable[str]:
    part = ""
    for finding in found:
        begun = finding.id.partition(".")[0]
        if begun != part:
            yield from [""] * bool(part)
            yield TITLES[begun]
            part = begun
        took = f" ({finding.took_ms:.0f} ms)" if finding.took_ms is not None else ""
        yield f"  {style.paint(f'{finding.level.value:4}', COLORS[finding.level])}  " + style.plain(
            clean(finding.text) + took
        )
        if finding.advice:
            yield f"        What to do: {style.plain(clean(finding.advice))}"
