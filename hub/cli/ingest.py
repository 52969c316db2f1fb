"""`progress-hub ingest`: bring a repository here and make it searchable, in one go."""

import argparse
from pathlib import Path
from typing import Any

from hub.cli import codes, credentials, jobs, policy
from hub.client import Hub
from hub.core.job import JobState
from hub.settings import SettingsError

SOURCES = ("github", "gitlab", "bitbucket", "local")
EXAMPLES = f"""\
Ctrl-C leaves the job running on the hub. Again: what is new is fetched, and what has changed is indexed.

examples:
  progress-hub ingest github owner/name
  progress-hub ingest gitlab group/subgroup/name --branch main
  progress-hub ingest github git.example.org/owner/name --token-env TOKEN
  progress-hub ingest local ~/code/project

{codes.HELP}"""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", choices=SOURCES, metavar="SOURCE", help=", ".join(SOURCES))
    command.add_argument(
        "repository", metavar="REPOSITORY", help="owner/name, host/owner/name or a full URL; for local a folder"
    )
    command.add_argument("--name", help="the project's name (default: from the repository)")
    command.add_argument("--id", help="the project's id, as it stands in URLs (default: from the name)")
    command.add_argument("--branch", help="the branch to index, instead of the repository's own choice")
    command.add_argument("--depth", type=jobs.depth, metavar="N", help="the newest N commits (default: one)")
    command.add_argument("--full", action="store_true", help="everything from nothing, whatever is there")


def ingest(options: argparse.Namespace) -> int:
    repository = _local(options) if options.source == "local" else options.repository
    params: dict[str, Any] = {name: value for name in ("branch", "depth") if (value := getattr(options, name))}
    params |= {"source": options.source} | ({"incremental": False} if options.full else {})
    params |= credentials.given(options)
    retry = policy.given(options)

    async def start(hub: Hub) -> JobState:
        where = {"source": options.source, "repository": repository, "id": options.id, "name": options.name}
        project = await hub.create_project(**where)
        return await jobs.start_or_join(hub, project["id"], "ingest", params, retry)

    return jobs.to_the_end(options, start)


def _local(options: argparse.Namespace) -> str:
    """A folder is indexed where it is; with a branch or depth of its own it has to be cloned. Raises SettingsError."""
    if "://" in options.repository:
        return str(options.repository)
    folder = Path(options.repository).expanduser().resolve()
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {folder}")
    return folder.as_uri() if options.branch or options.depth else str(folder)
