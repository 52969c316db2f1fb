"""Commands and their options; what `--help` teaches."""

import argparse
import dataclasses
import functools
import os
from pathlib import Path
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
    token,
    watch_link,
    webhooks,
)
from hub.client import DEFAULT_URL
from hub.settings import Settings, SettingsError, parse

ABOUT = "A self-hosted hub that runs long repository jobs and shows every watcher the truth about them, live."

ENVIRONMENT = f"""\
environment:
  HUB_URL     the hub that commands talk to (default {DEFAULT_URL})
  HUB_TOKEN   the token to show it, if it wants one
  HUB_CONFIG  a TOML file with settings for `serve`
  HUB_...     any setting of `serve`, such as HUB_PORT
  NO_COLOR    no colors"""

EXAMPLES = f"""\
examples:
  progress-hub serve --demo                        start a hub with something to look at
  progress-hub clone https://example.org/repo.git  clone on the hub, and watch
  progress-hub clone --detach --depth 1 URL        start it, and leave
  progress-hub clone --token-env TOKEN URL         the token is in the environment variable TOKEN
  progress-hub ingest github owner/name            clone it and make it searchable, in one go
  progress-hub start index --all                   one kind of job on every project
  progress-hub watch repo                          a project's newest job, or the first to come
  progress-hub jobs --json                         what ran and runs, one JSON object a line
  progress-hub run -- make all                     a command of yours, with its progress on the hub

{codes.HELP}

{ENVIRONMENT}"""

SERVE_EXAMPLES = """\
Every setting is a flag here, HUB_NAME in the environment, and name = value in the config file (TOML); the first of
these that is given counts.

Nobody need sign in while only this machine reaches the hub and there is no token. To let others reach it, make a token
first (progress-hub token create --role admin) and listen elsewhere: --host 0.0.0.0. Behind a reverse proxy, tell the
hub under which name it is asked, --allowed-hosts hub.example.org, and whom to believe, --trusted-proxies 127.0.0.1

examples:
  progress-hub serve
  progress-hub serve --demo --open
  progress-hub serve --port 9000 --data-dir /srv/hub
  progress-hub serve --roots /srv/git:/home/me/code --allow-networks 10.0.0.0/8"""

CLONE_EXAMPLES = f"""\
Ctrl-C leaves the job running on the hub. Secrets are never arguments: others could read them in the process list. When
the repository wants credentials and this is a terminal, you are asked for them.

examples:
  progress-hub clone https://example.org/repo.git
  progress-hub clone --branch main --depth 1 https://example.org/repo.git
  progress-hub clone --token-env TOKEN https://example.org/private.git
  pass show git/token | progress-hub clone --token-stdin https://example.org/private.git
  progress-hub clone --ssh-key ~/.ssh/deploy git@example.org:private.git

{codes.HELP}"""


class Command(argparse.ArgumentParser):
    takes_any_order = False
    """Options may stand between its other arguments, too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if not self.takes_any_order:
            return super().parse_known_args(args, namespace)
        self.takes_any_order = False  # for what comes back here
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.takes_any_order = True


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="progress-hub", description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"progress-hub {hub.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Command)
    _add_serve(commands)
    _add_clone(commands)
    _add_ingest(commands)
    _add_start(commands)

    watch = _command(commands, "watch", "Watch a job until it ends", jobs.watch, codes.HELP)
    watch.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or the first to come; or a job")
    _add_output(watch)

    for verb, about in (
        ("cancel", "Ask a job to stop"),
        ("pause", "Have a job stand still"),
        ("resume", "Let a paused job go on, or one that waits to be tried again"),
    ):
        command = _command(commands, verb, about, jobs.ask)
        command.set_defaults(verb=verb)
        command.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or a job")
        _add_output(command, draws=False)

    retry = _command(commands, "retry", "Run an ended job again, and watch", jobs.retry, codes.HELP)
    retry.add_argument("what", metavar="PROJECT|JOB", help="a project's newest job, or a job")
    retry.add_argument("--from-stage", action="store_true", help="go on with the work the job left, if it was kept")
    _add_credentials(retry)
    _add_output(retry, detach=True)

    listing = _command(commands, "jobs", "List jobs, newest first", jobs.listing)
    listing.add_argument("--project", help="only of this project")
    listing.add_argument("--kind", help="only of this kind")
    listing.add_argument("--state", help="only in this state, such as running or failed")
    listing.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
    _add_output(listing, draws=False)

    found = _command(commands, "search", "Search indexed projects", search.search, search.EXAMPLES)
    search.add_options(found)
    _add_output(found, draws=False)

    wrapped = _command(commands, "run", "Run a command, and show its progress on the hub", run.run, run.EXAMPLES)
    _add_hub(wrapped)
    run.add_options(wrapped)

    _add_rhythm(commands)
    taken = _command(commands, "snapshot", "Take a snapshot, and watch", snapshots.take, snapshots.TAKE_EXAMPLES)
    snapshots.add_options(taken)
    _add_output(taken, detach=True)

    _add_operation(commands)
    _command(commands, "version", "Print the version", _version)
    return top


def _command(commands: Any, name: str, about: str, run: Any, epilog: str = "") -> Command:
    command: Command = commands.add_parser(
        name, help=about, description=about + ".", epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(run=run)
    return command


def _add_serve(commands: Any) -> None:
    serve = _command(commands, "serve", "Start a hub", _serve, SERVE_EXAMPLES)
    serve.add_argument("--demo", action="store_true", help="bring a repository of its own, and clone it slowly")
    serve.add_argument("--open", action="store_true", help="open the page in a browser")
    _add_settings(serve)


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings (HUB_CONFIG)")
    settings = command.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        flag = f"--{field.name.replace('_', '-')}"
        about = described(field).replace("%", "%%")
        if isinstance(field.default, bool):
            settings.add_argument(flag, dest=field.name, action=argparse.BooleanOptionalAction, help=about)
        else:
            settings.add_argument(flag, dest=field.name, type=_value(field, flag), metavar=_metavar(field), help=about)


def _add_clone(commands: Any) -> None:
    clone = _command(commands, "clone", "Clone a repository on the hub, and watch", jobs.clone, CLONE_EXAMPLES)
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
    _add_credentials(clone)
    policy.add_options(clone)
    _add_output(clone, detach=True)


def _add_ingest(commands: Any) -> None:
    command = _command(
        commands, "ingest", "Bring a repository here, index it, and watch", ingest.ingest, ingest.EXAMPLES
    )
    ingest.add_options(command)
    _add_credentials(command)
    policy.add_options(command)
    _add_output(command, detach=True)


def _add_start(commands: Any) -> None:
    command = _command(commands, "start", "Start a kind of job on many projects", batch.start, batch.EXAMPLES)
    command.takes_any_order = True
    batch.add_options(command)
    policy.add_options(command)
    _add_output(command, draws=False)


def _add_rhythm(commands: Any) -> None:
    for name, about, module in (
        ("snapshots", "Look at snapshots, restore, verify and prune them", snapshots),
        ("schedules", "Jobs that come back by themselves", schedules),
        ("webhooks", "Other programs that are told of ends", webhooks),
        ("token", "Who may use the hub", token),
    ):
        group = _command(commands, name, about, None, module.EXAMPLES)
        verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        module.add_commands(functools.partial(_command, verbs), _add_output)

    link = _command(
        commands,
        "watch-link",
        "Let somebody without a token watch a project or a job",
        watch_link.run,
        watch_link.EXAMPLES,
    )
    _add_output(link, draws=False)
    watch_link.add_options(link)

    told = _command(
        commands, "history", "Print a project's history, or write it to a file", history.history, history.EXAMPLES
    )
    history.add_options(told)
    _add_output(told, draws=False)

    counted = _command(
        commands,
        "statistics",
        "How long jobs take, and how often they succeed",
        statistics.statistics,
        statistics.EXAMPLES,
    )
    statistics.add_options(counted)
    _add_output(counted, draws=False)


def _add_operation(commands: Any) -> None:
    """What whoever runs a hub needs; none of it asks a hub."""
    saved = _command(
        commands, "backup", "Save a hub's data folder, also while it is at work", backup.take, backup.EXAMPLES
    )
    backup.add_take(saved)
    restored = _command(
        commands, "restore-backup", "Make a backup the data folder of a hub", backup.restore, backup.RESTORE_EXAMPLES
    )
    backup.add_restore(restored)
    told = _command(
        commands, "settings", "Show all settings, and where each comes from", configuration.show, configuration.EXAMPLES
    )
    _add_settings(told)
    told.add_argument("--json", action="store_true", help="one JSON object")
    checked = _command(
        commands, "doctor", "Check the machine, the data and the way to a hub", doctor.run, doctor.EXAMPLES
    )
    _add_settings(checked)
    doctor.add_options(checked)
    printed = _command(
        commands, "recipe", "Print a configuration for a proxy, or for systemd", recipe.show, recipe.EXAMPLES
    )
    _add_settings(printed)
    recipe.add_options(printed)


def _add_credentials(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("credentials")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--token-env", metavar="VAR", help="environment variable that holds the token or password")
    source.add_argument("--token-stdin", action="store_true", help="read the token or password from standard input")
    group.add_argument("--username", metavar="NAME", help="what is given is this user's password, rather than a token")
    group.add_argument("--ssh-key", type=Path, metavar="FILE", help="private key; what is given is then its passphrase")


def _add_hub(command: argparse.ArgumentParser) -> None:
    default = os.environ.get("HUB_URL") or DEFAULT_URL  # which the help does not show: it may hold a password
    command.add_argument(
        "--hub", metavar="URL", default=default, help=f"the hub to talk to (HUB_URL; default {DEFAULT_URL})"
    )
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the hub's token, if it wants one (HUB_TOKEN)"
    )


def _add_output(command: argparse.ArgumentParser, *, draws: bool = True, detach: bool = False) -> None:
    _add_hub(command)
    about = "one JSON object a line: every message as it comes" if draws else "one JSON object a line"
    command.add_argument("--json", action="store_true", help=about)
    if detach:
        command.add_argument("--detach", action="store_true", help="start it, print its id, and leave")


def described(field: "dataclasses.Field[Any]") -> str:
    """Help with the default, as the flags and the README's table show it."""
    default = field.default
    if isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
    unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    return f"{field.metadata['help']} (default {shown}{unit})" if shown else field.metadata["help"]


def _metavar(field: "dataclasses.Field[Any]") -> str:
    if isinstance(field.default, tuple):
        return f"A{os.pathsep}B" if field.name == "roots" else "A,B"
    return "N" if isinstance(field.default, int | float) else "TEXT"


def _value(field: "dataclasses.Field[Any]", flag: str) -> Any:
    def value(text: str) -> Any:
        try:
            return parse(field, text, flag)
        except SettingsError as exc:
            raise argparse.ArgumentTypeError(str(exc).removeprefix(f"{flag}: ")) from exc

    return value


def _serve(options: argparse.Namespace) -> int:
    from hub.cli.serving import serve  # noqa: PLC0415 - only this command needs the whole hub, and its start-up time

    return serve(options)


def _version(options: argparse.Namespace) -> int:
    print(f"progress-hub {hub.__version__}")
    return codes.SUCCEEDED
