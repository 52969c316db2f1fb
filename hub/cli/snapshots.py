"""`progress-hub snapshot` takes one, `progress-hub snapshots` is everything else about them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.cli import codes, credentials, jobs, snapshot_answers
from hub.cli.snapshot_answers import named
from hub.client import Hub, job_state
from hub.client.snapshots import Snapshots
from hub.core.job import JobState
from hub.settings import SettingsError

TAKE_EXAMPLES = f"""\
What stands for a project is its id, or the path of a folder, which becomes one; the hub must have the folder inside its
setting `roots`. Only what the store does not have yet is sent to it. Ctrl-C leaves the job running on the hub.

examples:
  progress-hub snapshot repo
  progress-hub snapshot ~/work --exclude '*.o' --exclude /build
  progress-hub snapshot repo --dry-run

{codes.HELP}"""
EXAMPLES = f"""\
examples:
  progress-hub snapshots list repo
  progress-hub snapshots diff repo OLD NEW
  progress-hub snapshots download repo latest -o repo.tar.zst
  progress-hub snapshots restore repo latest --to /srv/restored
  progress-hub snapshots prune repo --keep-last 3 --keep-daily 7 --keep-monthly 12 --dry-run
  progress-hub snapshots verify repo

{codes.HELP}"""

Add = Callable[..., argparse.ArgumentParser]


def add_options(command: argparse.ArgumentParser) -> None:
    """Of `snapshot`."""
    command.add_argument("what", metavar="PROJECT|PATH", help="a project, or a folder that the hub may read")
    command.add_argument("--name", help="the project's name, for a folder that is none yet")
    command.add_argument("--id", help="the project's id, for a folder that is none yet")
    command.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="leave this out; repeat")
    command.add_argument("--full", action="store_true", help="read every file, however little it seems to have changed")
    command.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    command.add_argument("--quiet", type=seconds, metavar="S", help="wait until nothing has changed for S seconds")
    command.add_argument("--wait", type=seconds, metavar="S", help="but not longer than S seconds")


def add_commands(add: Add, output: Callable[..., None]) -> None:
    """`add` makes a subcommand of a name, a sentence and a function; `output` gives it every command's options."""

    def command(name: str, about: str, run: Callable[[argparse.Namespace], int], *ids: str) -> argparse.ArgumentParser:
        made = add(name, about, run)
        made.add_argument("project", metavar="PROJECT", help="the project's id")
        for id_ in ids:
            made.add_argument(id_, metavar=id_.upper(), help="a snapshot's id, or `latest`")
        return made

    listed = command("list", "List snapshots, newest first", snapshot_answers.listing)
    listed.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default 50)")
    output(listed, draws=False)
    output(command("show", "Show what a snapshot holds", snapshot_answers.show, "snapshot"), draws=False)

    files = command("files", "List a snapshot's files", snapshot_answers.file_listing, "snapshot")
    files.add_argument("--path", help="only those whose path begins so")
    files.add_argument("--limit", type=int, default=1000, metavar="N", help="at most so many (default 1000)")
    output(files, draws=False)

    diff = command(
        "diff",
        "Show what two snapshots differ in; the exit code is 1 if they do",
        snapshot_answers.compare,
        "old",
        "new",
    )
    diff.add_argument("--limit", type=int, default=1000, metavar="N", help="at most so many (default 1000)")
    output(diff, draws=False)

    download = command("download", "Download a snapshot as .tar.zst", snapshot_answers.fetch, "snapshot")
    download.add_argument("-o", "--output", metavar="FILE", help="where to; - for standard output (default: by its id)")
    download.add_argument("--path", help="only this file or folder of it")
    download.add_argument("--force", action="store_true", help="replace FILE if it is there")
    output(download, draws=False)

    restore = command("restore", "Restore a snapshot into a folder of the hub's machine", put_back, "snapshot")
    restore.add_argument("--to", required=True, metavar="FOLDER", help="inside the hub's setting `roots`")
    restore.add_argument("--path", help="only this file or folder of it")
    restore.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    output(restore, detach=True)

    output(command("verify", "Read everything in the store, and name what is damaged", verify), detach=True)

    prune = command("prune", "Remove snapshots that a policy does not keep, and what only they needed", thin_out)
    for name, about in (
        ("last", "the newest N"),
        ("daily", "the newest of each of N days"),
        ("weekly", "the newest of each of N weeks"),
        ("monthly", "the newest of each of N months"),
    ):
        prune.add_argument(f"--keep-{name}", type=int, metavar="N", help=f"keep {about}")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    output(prune, detach=True)

    output(command("delete", "Remove a snapshot, and what only it needed", remove, "snapshot"), detach=True)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


# -- jobs -------------------------------------------------------------------------------------------------------------


def take(options: argparse.Namespace) -> int:
    params: dict[str, Any] = {name: True for name in ("full", "dry_run") if getattr(options, name)}
    params |= {"exclude": options.exclude} if options.exclude else {}
    params |= {"quiet_s": options.quiet} if options.quiet is not None else {}
    params |= {"wait_s": options.wait} if options.wait is not None else {}
    is_folder = "/" in options.what or options.what in {".", ".."}
    if not is_folder and (options.name or options.id):
        raise SettingsError("--name and --id are for a folder; this is a project that the hub has.")

    path = str(Path(options.what).expanduser().resolve()) if is_folder else None

    async def start(hub: Hub) -> JobState:
        project = options.what
        if is_folder:
            project = (await hub.create_project(path=path, id=options.id, name=options.name))["id"]
        return await jobs.start_or_join(hub, project, "snapshot", params, None)

    return jobs.to_the_end(options, start)


def put_back(options: argparse.Namespace) -> int:
    params: dict[str, Any] = {"to": str(Path(options.to).expanduser().absolute())}
    params |= {"overwrite": True} if options.overwrite else {}
    params |= {"path": options.path} if options.path else {}

    async def start(hub: Hub) -> JobState:
        async with Snapshots(options.hub, token=credentials.hub_token(options)) as asked:
            params["snapshot"] = await named(asked, options.project, options.snapshot)
        return job_state(await hub.start(options.project, "restore", params))

    return jobs.to_the_end(options, start)


def verify(options: argparse.Namespace) -> int:
    return jobs.to_the_end(options, lambda hub: jobs.start_or_join(hub, options.project, "verify", {}, None))


def thin_out(options: argparse.Namespace) -> int:
    names = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
    params: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    params |= {"dry_run": True} if options.dry_run else {}

    async def start(hub: Hub) -> JobState:
        return job_state(await hub.start(options.project, "prune", params))

    return jobs.to_the_end(options, start)


def remove(options: argparse.Namespace) -> int:
    async def start(hub: Hub) -> JobState:
        async with Snapshots(options.hub, token=credentials.hub_token(options)) as asked:
            id_ = await named(asked, options.project, options.snapshot)
            return job_state(await asked.delete(options.project, id_))

    return jobs.to_the_end(options, start)
