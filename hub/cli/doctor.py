"""`progress-hub doctor`: what is well, what is not, and what to do."""

import argparse

EXAMPLES = """\
Without an option: this machine, the data folder and the settings. It changes nothing, and the hub may be at work.

examples:
  progress-hub doctor
  progress-hub doctor --repo https://example.org/repo.git     why can this not be cloned?
  progress-hub doctor --repo URL --token-env TOKEN            and with this token?
  progress-hub doctor --hub https://hub.example.org           what does the proxy let through?
  progress-hub doctor --json | jq '.findings[] | select(.level != "ok")'

exit codes:
  0    all is well, or nothing worse than a warning
  1    something fails
  2    wrong usage"""


def add_options(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group()
    what.add_argument("--repo", metavar="URL", help="a repository: DNS, gate, TCP, TLS, HTTP, refs, credentials")
    what.add_argument("--hub", metavar="ADDRESS", help="a hub: which transports get through, and how quickly")
    command.add_argument("--quick", action="store_true", help="with --hub: do not wait for heartbeats (10 s)")
    command.add_argument("--json", action="store_true", help="one JSON object")
    group = command.add_argument_group("credentials for --repo")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--token-env", metavar="VAR", help="environment variable that holds the token or password")
    source.add_argument("--token-stdin", action="store_true", help="read the token or password from standard input")
    group.add_argument("--username", metavar="NAME", help="what is given is this user's password, rather than a token")


def run(options: argparse.Namespace) -> int:
    from hub.cli import diagnosis  # noqa: PLC0415 - only this command needs git, the journal and the rest

    return diagnosis.run(options)
