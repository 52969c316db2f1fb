"""`progress-hub token`: who may use a hub. It works on the data folder, whether the hub runs or not, so that the first
token needs none; with `--hub` it asks a hub elsewhere, with a token of an admin.
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hub.access.doorkeeper import Wanted, minted
from hub.cli import codes, credentials
from hub.cli.configuration import traced_settings
from hub.cli.schedules import Add
from hub.cli.tables import aligned, moment
from hub.client.operations import Operations
from hub.core import ids
from hub.core.errors import BadRequest, NotFound
from hub.core.stores import TokenTable
from hub.core.tokens import Role
from hub.settings import SettingsError
from hub.words import clean

T = TypeVar("T")

EXAMPLES = """\
roles:
  watch    read everything
  run      watch, and start, cancel, pause and retry jobs, and make projects
  publish  publish progress, and read the projects that the token is for, where it names any
  admin    everything, tokens included

A token is shown once, as it is made; the hub keeps no more of it than a checksum. Once there has been a token,
everybody needs one. What is open by a token ends at once when that is revoked: its streams, and the browsers that
signed in with it. These commands work on the hub's data folder, also while the hub runs. With --hub they ask a hub
elsewhere.

examples:
  progress-hub token create --role admin
  progress-hub token create --role publish --project training --name ci --expires 90d
  progress-hub token list
  progress-hub token revoke 0a1b2c3d4e"""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST_S = 10 * 366 * 86400
LONGEST_NAME = 100


def add_commands(add: Add, output: Any) -> None:
    """As `hub.cli.schedules.add_commands`."""
    command = add("create", "Make a token, and print it", create, EXAMPLES)
    command.add_argument(
        "--role", action="append", required=True, choices=[role.value for role in Role], dest="roles",
        help="what it is good for; more than once for more",
    )  # fmt: skip
    command.add_argument("--name", type=_name, help="whose it is, or what for; shown in lists")
    command.add_argument(
        "--project", action="append", type=_project, dest="projects", metavar="ID",
        help="only for this project; more than once for more",
    )  # fmt: skip
    command.add_argument("--expires", type=span, metavar="TIME", help="after 12h, 90d ... (default: never)")
    _add_place(command, output)

    command = add("list", "List tokens, oldest first", listing)
    command.add_argument("--revoked", action="store_true", help="also those that were revoked")
    _add_place(command, output)

    command = add("revoke", "End tokens at once, with all that is open by them", revoke)
    command.add_argument("tokens", metavar="ID", nargs="+", help="a token's id; see `progress-hub token list`")
    _add_place(command, output)


def _add_place(command: Any, output: Any) -> None:
    output(command, draws=False)
    command.set_defaults(hub=None)
    add_folder(command)


def add_folder(command: Any) -> None:
    """Which data folder is meant."""
    command.add_argument("--data-dir", metavar="FOLDER", help="the hub's data folder (HUB_DATA_DIR)")
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the hub's settings (HUB_CONFIG)")


def create(options: argparse.Namespace) -> int:
    roles, projects = tuple(role for role in Role if role.value in options.roles), tuple(options.projects or ())
    if Role.ADMIN in roles and projects:
        raise SettingsError("--role admin is of the hub as a whole, and cannot be for some projects only")
    if options.hub:
        body = {
            "roles": [role.value for role in roles],
            "name": options.name or None,
            "projects": list(projects) or None,
        }
        made = _on_hub(options, lambda hub: hub.add_token(body | {"ttl_s": options.expires}))
    else:
        now_ms = _now_ms()
        expires = now_ms + options.expires * 1000 if options.expires else None
        token, text = minted(Wanted(roles=roles, name=options.name or "", projects=projects, expires=expires), now_ms)
        _in_folder(options, lambda table: table.add(token))
        made = token.to_wire() | {"token": text}
    print(json.dumps(made) if options.json else _shown(made))
    return codes.SUCCEEDED


def listing(options: argparse.Namespace) -> int:
    if options.hub:
        found = _on_hub(options, lambda hub: hub.tokens())
    else:
        found = [token.to_wire() for token in _in_folder(options, lambda table: table.all())]
    found = [each for each in found if options.revoked or each["revoked"] is None]
    if options.json:
        for each in found:
            print(json.dumps(each))
    elif not found:
        print("No tokens. Make one: progress-hub token create --role admin")
    else:
        head = ("TOKEN", "NAME", "ROLES", "PROJECTS", "CREATED", "LAST USED", "EXPIRES")
        print("\n".join(aligned([head, *(_row(each, _now_ms()) for each in found)])))
    return codes.SUCCEEDED


def revoke(options: argparse.Namespace) -> int:
    if options.hub:
        return _on_hub(options, lambda hub: _removed(hub, options.tokens))
    done = _in_folder(options, lambda table: table.revoke(options.tokens, _now_ms()))
    if missing := [token for token in options.tokens if token not in done]:
        raise NotFound(f"There is no token {missing[0]!r}, or it has been revoked already.")
    if not any(token.is_live(_now_ms()) for token in _in_folder(options, lambda table: table.all())):
        print("That was the last one: nobody can sign in now. Make another: progress-hub token create --role admin")
    return codes.SUCCEEDED


async def _removed(hub: Operations, tokens: Sequence[str]) -> int:
    for token in tokens:
        await hub.remove_token(token)
    return codes.SUCCEEDED


def span(text: str) -> int:
    """Seconds, from a number with a unit. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 12h or 90d, of at most 10 years")
    return seconds


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= LONGEST_NAME or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a name has 1 to {LONGEST_NAME} characters, and no control characters")
    return text.strip()


def _project(text: str) -> str:
    if not ids.SLUG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a project's id")
    return text


def _shown(made: dict[str, Any]) -> str:
    return (
        f"{made['token']}\n"
        f"This is shown once. Its id is {made['id']}: `progress-hub token revoke {made['id']}` ends it.\n"
        "Sign in with it on the page; for commands and programs, put it into HUB_TOKEN."
    )


def _row(token: dict[str, Any], now_ms: int) -> tuple[str, ...]:
    expires = moment(token["expires"])
    if token["revoked"] is not None:
        expires = f"revoked {moment(token['revoked'])}"
    elif token["expires"] is not None and token["expires"] <= now_ms:
        expires = f"expired {expires}"
    roles, projects = ",".join(token["roles"]), ",".join(token["projects"]) or "all"
    used = moment(token["last_used"])
    return (token["id"], clean(token["name"]) or "-", roles, projects, moment(token["created"]), used, expires)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _on_hub(options: argparse.Namespace, act: Callable[[Operations], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Operations(options.hub, token=credentials.hub_token(options)) as hub:
            return await act(hub)

    return asyncio.run(run())


def _in_folder(options: argparse.Namespace, act: Callable[[TokenTable], Awaitable[T]]) -> T:
    from hub.journal.beside import opened_tokens  # noqa: PLC0415 - others need no database, and no time to load one

    settings, _ = traced_settings(options)

    async def run() -> T:
        async with opened_tokens(settings.data_path / "journal.sqlite3") as table:
            return await act(table)

    try:
        return asyncio.run(run())
    except BadRequest as exc:
        raise SettingsError(exc.message) from exc
