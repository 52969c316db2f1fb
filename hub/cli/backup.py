"""`progress-hub backup` and `restore-backup`: a data folder into a file, and back."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hub.cli import codes
from hub.cli.configuration import traced_settings
from hub.cli.screen import CLEAR_LINE
from hub.cli.tables import moment
from hub.words import amount

if TYPE_CHECKING:
    from hub.backups.manifest import Manifest

EXAMPLES = """\
Everything in the data folder: the journal, commits, clones, indexes, snapshots that are kept there, and keys with their
modes. The hub may be at work meanwhile: each database is copied as of one moment and checked. It holds secrets, so only
its owner may read it. Snapshots in a bucket are not in it. Work that a failed job left for its retry is not either: the
retry then begins anew.

examples:
  progress-hub backup /srv/backups/hub-$(date +%F).tar.zst
  progress-hub backup --data-dir /srv/hub --without-clones hub.tar.zst
  progress-hub backup /srv/backups/hub      a folder, as the name does not end in .tar.zst"""

RESTORE_EXAMPLES = """\
All of the backup is checked before anything is put in its place: hashes, and each database by SQLite. The data folder
must be empty, or not there, and no hub may use it. (A project's snapshots come back
by `progress-hub snapshots restore`.)

After it, watchers get a new snapshot, jobs that ran are told as interrupted, and tokens that were revoked since the
backup are valid again.

examples:
  progress-hub restore-backup hub.tar.zst
  progress-hub restore-backup --data-dir /srv/hub hub.tar.zst
  progress-hub restore-backup --check hub.tar.zst      look only, restore nothing"""


def add_take(command: argparse.ArgumentParser) -> None:
    command.add_argument("place", type=Path, metavar="FILE|FOLDER", help="a new .tar.zst file, or a new folder")
    command.add_argument("--without-clones", action="store_true", help="leave out what jobs can make again")
    _add_common(command)


def add_restore(command: argparse.ArgumentParser) -> None:
    command.add_argument("place", type=Path, metavar="FILE|FOLDER", help="what `progress-hub backup` has made")
    command.add_argument("--check", action="store_true", help="check the backup, and restore nothing")
    _add_common(command)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-dir", metavar="FOLDER", help="the hub's data folder (HUB_DATA_DIR)")
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings (HUB_CONFIG)")
    command.add_argument("--json", action="store_true", help="one JSON object at the end")


def take(options: argparse.Namespace) -> int:
    from hub.backups import taking  # noqa: PLC0415 - only here is it needed, and it takes its time

    settings, _ = traced_settings(options)
    progress = Progress(sys.stderr)
    made = taking.take(settings.data_path, options.place, small=options.without_clones, tell=progress.show)
    progress.end()
    for path in made.unsettled:
        _warn(f"{path} changed all the time, so it is not in order in the backup; its next job makes it anew.")
    for path in made.left_out:
        _warn(f"{path} is damaged and was left out; its next job makes it anew.")
    if settings.store_url and "://" in settings.store_url:
        _warn(f"Snapshots are in {settings.store_url}, and not in this backup.")
    _tell(options, made, f"Saved {settings.data_path} in {options.place}")
    return codes.SUCCEEDED


def restore(options: argparse.Namespace) -> int:
    from hub.backups import restoring  # noqa: PLC0415
    from hub.backups.contents import COMMITS, JOURNAL  # noqa: PLC0415
    from hub.doctor import migrations  # noqa: PLC0415

    settings, _ = traced_settings(options)
    progress = Progress(sys.stderr)
    newest = {JOURNAL: migrations.newest(JOURNAL), COMMITS: migrations.newest(COMMITS)}

    def tell(done: int, what: str) -> None:
        progress.show(done, 0, what)

    if options.check:
        made = restoring.verify(options.place, options.place, newest, tell=tell)
    else:
        made = restoring.restore(options.place, settings.data_path, newest, tell=tell)
    progress.end()
    where = "is sound" if options.check else f"is restored as {settings.data_path}"
    _tell(options, made, f"The backup of {moment(made.made_ms)} {where}")
    return codes.SUCCEEDED


def _tell(options: argparse.Namespace, made: "Manifest", what: str) -> None:
    if options.json:
        told = {
            "made": made.made_ms, "hub": made.hub, "entries": len(made.entries), "bytes": made.size,
            "unsettled": list(made.unsettled), "left_out": list(made.left_out),
        }  # fmt: skip
        print(json.dumps(told))
    else:
        print(f"{what}: {len(made.entries):,} entries, {amount(made.size, 'bytes')}.")


def _warn(text: str) -> None:
    sys.stderr.write(f"progress-hub: {text}\n")


class Progress:
    """A line that moves on a terminal; elsewhere nothing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._write: Callable[[str], object] = out.write if out.isatty() else lambda text: None
        self._said = -1

    def show(self, done: int, of: int, what: str) -> None:
        step = done * 1000 // of if of else done // 1_000_000
        if step == self._said:
            return
        self._said = step
        percent = f"{min(99, done * 100 // of)} %  " if of else ""
        self._write(f"{CLEAR_LINE}{percent}{amount(done, 'bytes')}  {what[:60]!a}")
        self._out.flush()

    def end(self) -> None:
        self._write(CLEAR_LINE)
