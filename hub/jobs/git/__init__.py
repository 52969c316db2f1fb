"""Fetching repositories, by whichever engine the machine has."""

from collections.abc import Mapping

from hub.jobs.git.base import Engine
from hub.jobs.git.command import GitCommand
from hub.jobs.git.libgit2 import LibGit2

ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (GitCommand(), LibGit2())}
"""In the order in which `auto` asks them: the git command resolves deltas on all cores, libgit2 on one."""
