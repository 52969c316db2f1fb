"""Commands and their options; what `--help` teaches."""

import argparse
import functools
from typing import Any

import hub
from hub.cli import (
    backup,
    batch,
    codes,
    configuration,
    doctor,
    history,
    ingest,
    jobs,
    policy,
    recipe,
    run,
    schedules,
    search,
    snapshots,
    statistics,
    texts,
    token,
    watch_link,
    webhooks,
)
from hub.cli.flags import add_settings
from hub.cli.groups import add_credentials, add_hub, add_output
from hub.cli.subcommands import Command, add_command


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="progress-hub",
        description=texts.ABOUT,
        epilog=texts.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"progress-hub {hub.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Command)
    _add_serve(commands)
    _add_clone(commands)
    _add_ingest(commands)
    _add_start(commands)

    _add_attending(commands)

    listing = add_command(commands, "jobs", "List jobs, newest first", jobs.listing, texts.JOBS_EXAMPLES)
    listing.add_argument("--project", help="only of this project")
    listing.add_argument("--kind", help="only of this kind")
    listing.add_argument("--state", help="only in this state, such as running or failed")
    listing.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
    add_output(listing, draws=False)

    found = add_command(commands, "search", "Search indexed projects", search.search, search.EXAMPLES)
    search.add_options(found)
    add_output(found, draws=False)

    wrapped = add_command(commands, "run", "Run a command, and show its progress on the hub", run.run, run.EXAMPLES)
    add_hub(wrapped)
    run.add_options(wrapped)

    _add_rhythm(commands)
    taken = add_command(commands, "snapshot", "Take a snapshot, and watch", snapshots.take, snapshots.TAKE_EXAMPLES)
    snapshots.add_options(taken)
    add_output(taken, detach=True)

    _add_operation(commands)
    add_command(commands, "version", "Print the version", _version)
    return top


def _add_serve(commands: Any) -> None:
    serve = add_command(commands, "serve", "Start a hub", _serve, texts.SERVE_EXAMPLES)
    serve.add_argument("--demo", action="store_true", help="bring a repository of its own, and clone it slowly")
    serve.add_argument("--open", action="store_true", help="open the page in a browser")
    add_settings(serve, "[options]")


def _add_clone(commands: Any) -> None:
    clone = add_command(commands, "clone", "Clone a repository on the hub, and watch", jobs.clone, texts.CLONE_EXAMPLES)
    clone.add_argument("url", metavar="URL", help="where git would clone from; again: fetch what is new")
    clone.add_argument("--name", help="the project's name (default: from the URL)")
    clone.add_argument("--id", help="the project's id, as it stands in URLs (default: from the name)")
    clone.add_argument("--depth", type=jobs.depth, metavar="N", help="only the newest N commits")
    clone.add_argument("--branch", help="the branch to check out, instead of the repository's own choice")
    clone.add_argument("--bare", action="store_true", help="no files, only the repository")
    clone.add_argument("--submodules", action="store_true", help="submodules, too")
    clone.add_argument(
        "--engine", choices=("auto", "git", "libgit2"), default="auto", help="what does the work (default: auto)"
    )
    add_credentials(clone)
    policy.add_options(clone)
    add_output(clone, detach=True)


def _add_ingest(commands: Any) -> None:
    command = add_command(
        commands, "ingest", "Bring a repository here, index it, and watch", ingest.ingest, ingest.EXAMPLES
    )
    ingest.add_options(command)
    add_credentials(command)
    policy.add_options(command)
    add_output(command, detach=True)


def _add_start(commands: Any) -> None:
    command = add_command(commands, "start", "Start a kind of job on many projects", batch.start, batch.EXAMPLES)
    command.takes_any_order = True
    batch.add_options(command)
    policy.add_options(command)
    add_output(command, draws=False)


def _add_attending(commands: Any) -> None:
    """What is done about a job that there is."""
    watch = add_command(commands, "watch", "Watch a job until it ends", jobs.watch, texts.WATCH_EXAMPLES)
    watch.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or the first to come; or a job")
    add_output(watch)

    for verb, about in (
        ("cancel", "Ask a job to stop"),
        ("pause", "Have a job stand still"),
        ("resume", "Let a paused job go on, or one that waits to be tried again"),
    ):
        command = add_command(commands, verb, about, jobs.ask, texts.VERB_EXAMPLES[verb])
        command.set_defaults(verb=verb)
        command.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or a job")
        add_output(command, draws=False)

    retry = add_command(commands, "retry", "Run an ended job again, and watch", jobs.retry, texts.RETRY_EXAMPLES)
    retry.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or a job")
    retry.add_argument("--from-stage", action="store_true", help="go on with the work the job left, if it was kept")
    add_credentials(retry)
    add_output(retry, detach=True)


def _add_rhythm(commands: Any) -> None:
    for name, about, module in (
        ("snapshots", "Look at snapshots, restore, verify and prune them", snapshots),
        ("schedules", "Jobs that come back by themselves", schedules),
        ("webhooks", "Other programs that are told of ends", webhooks),
        ("token", "Who may use the hub", token),
    ):
        group = add_command(commands, name, about, None, module.EXAMPLES)
        verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        module.add_commands(functools.partial(add_command, verbs), add_output)

    link = add_command(
        commands,
        "watch-link",
        "Let somebody without a token watch a project or a job",
        watch_link.run,
        watch_link.EXAMPLES,
    )
    add_output(link, draws=False)
    watch_link.add_options(link)

    told = add_command(
        commands, "history", "Print a project's history, or write it to a file", history.history, history.EXAMPLES
    )
    history.add_options(told)
    add_output(told, draws=False)

    counted = add_command(
        commands,
        "statistics",
        "How long jobs take, and how often they succeed",
        statistics.statistics,
        statistics.EXAMPLES,
    )
    statistics.add_options(counted)
    add_output(counted, draws=False)


def _add_operation(commands: Any) -> None:
    """What whoever runs a hub needs; none of it asks a hub."""
    saved = add_command(
        commands, "backup", "Save a hub's data folder, also while it is at work", backup.take, backup.EXAMPLES
    )
    backup.add_take(saved)
    restored = add_command(
        commands, "restore-backup", "Make a backup the data folder of a hub", backup.restore, backup.RESTORE_EXAMPLES
    )
    backup.add_restore(restored)
    told = add_command(
        commands, "settings", "Show all settings, and where each comes from", configuration.show, configuration.EXAMPLES
    )
    add_settings(told, "[options]")
    told.add_argument("--json", action="store_true", help="one JSON object")
    checked = add_command(
        commands, "doctor", "Check the machine, the data and the way to a hub", doctor.run, doctor.EXAMPLES
    )
    add_settings(checked, "[options]")
    doctor.add_options(checked)
    printed = add_command(
        commands, "recipe", "Print a configuration for a proxy, or for systemd", recipe.show, recipe.EXAMPLES
    )
    add_settings(printed, "[options] WHAT")
    recipe.add_options(printed)


def _serve(options: argparse.Namespace) -> int:
    from hub.cli.serving import serve  # noqa: PLC0415 - only this command needs the whole hub, and its start-up time

    return serve(options)


def _version(options: argparse.Namespace) -> int:
    print(f"progress-hub {hub.__version__}")
    return codes.SUCCEEDED
