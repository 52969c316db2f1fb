"""What `--help` says besides the options: what the hub is, and examples."""

from hub.cli import codes
from hub.client import DEFAULT_URL

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

_VERBS = """\
PROJECT means its newest job, whatever its kind; a job's id, as `progress-hub jobs` lists it, means that job.

examples:
  progress-hub {verb} repo
  progress-hub {verb} 01a1fff4-6b35-716b-a4ec-7e543911492a"""

VERB_EXAMPLES = {verb: _VERBS.format(verb=verb) for verb in ("cancel", "pause", "resume")}

WATCH_EXAMPLES = f"""\
It goes on through the tries of a project's job, and ends with a job that is named. Ctrl-C leaves the job running.

examples:
  progress-hub watch repo
  progress-hub watch --json repo | jq -r .type

{codes.HELP}"""

RETRY_EXAMPLES = f"""\
examples:
  progress-hub retry repo
  progress-hub retry --from-stage repo          go on where it stopped
  progress-hub retry --token-env TOKEN repo     with the token that it lacked

{codes.HELP}"""

JOBS_EXAMPLES = """\
examples:
  progress-hub jobs --state running,queued
  progress-hub jobs --project repo --kind clone --limit 5
  progress-hub jobs --json --state failed | jq -r .id"""
