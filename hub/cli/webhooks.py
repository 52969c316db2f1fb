"""`progress-hub webhooks`: other programs that are told of ends."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from hub.cli import codes
from hub.cli.schedules import Add, on_hub
from hub.cli.tables import aligned, moment
from hub.settings import SettingsError
from hub.words import clean

EXAMPLES = """\
What is sent is signed by the Standard Webhooks specification (webhook-id, webhook-timestamp, webhook-signature), and
sent again for a day until the receiver answers 2xx. The secret for checking signatures is shown once, as it is made.

examples:
  progress-hub webhooks add https://ci.example.org/hook --states failed --kinds clone,index
  progress-hub webhooks test ID
  progress-hub webhooks deliveries ID
  progress-hub webhooks enable ID                 after it was disabled"""


def add_commands(add: Add, output: Any) -> None:
    """As `hub.cli.schedules.add_commands`."""
    output(add("list", "List webhooks, oldest first", listing), draws=False)

    command = add("add", "Have a receiver told of ends", make, EXAMPLES)
    command.add_argument("url", metavar="URL", help="of the receiver: https, or http in networks that the hub allows")
    _add_fields(command)
    output(command, draws=False)

    command = add("change", "Change where a webhook leads or what it is told of; its secret stays", change)
    command.add_argument("webhook", metavar="ID", help="the webhook's id; see `progress-hub webhooks list`")
    command.add_argument("--url", help="of the receiver")
    _add_fields(command)
    output(command, draws=False)

    for verb, about, run in (
        ("remove", "Remove a webhook, with what waits for it", remove),
        ("test", "Send a test, and say what came of it", test),
        ("enable", "Tell a webhook that was disabled of what ends from now on", enable),
        ("deliveries", "List what was sent, newest first", deliveries),
    ):
        command = add(verb, about, run)
        command.add_argument("webhook", metavar="ID", help="the webhook's id; see `progress-hub webhooks list`")
        if verb == "deliveries":
            command.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
        output(command, draws=False)


def listing(options: argparse.Namespace) -> int:
    found = on_hub(options, lambda hub: hub.webhooks())
    if options.json:
        for each in found:
            print(json.dumps(each))
    elif not found:
        print("No webhooks. Make one: progress-hub webhooks add URL")
    else:
        print("\n".join(aligned([("WEBHOOK", "STATE", "OF", "URL", "NAME"), *(_row(each) for each in found)])))
        for each in found:
            if each["trouble"]:
                print(f"{each['id']}: {each['trouble']}")
    return codes.SUCCEEDED


def make(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("url", "name", "projects", "kinds", "states")}
    body = {name: value for name, value in given.items() if value is not None}
    made = on_hub(options, lambda hub: hub.add_webhook(body))
    if options.json:
        print(json.dumps(made))
    else:
        print(f"{made['id']}\nsecret: {made['secret']}")
        print("The secret is shown this once. The receiver checks signatures by it.")
    return codes.SUCCEEDED


def change(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("url", "name", "projects", "kinds", "states")}
    fields = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise SettingsError("change needs what to change: --url, --name, --projects, --kinds or --states")
    made = on_hub(options, lambda hub: hub.change_webhook(options.webhook, fields))
    print(json.dumps(made) if options.json else f"{made['id']} is changed")
    return codes.SUCCEEDED


def remove(options: argparse.Namespace) -> int:
    on_hub(options, lambda hub: hub.remove_webhook(options.webhook))
    print(json.dumps({"id": options.webhook, "removed": True}) if options.json else f"{options.webhook} is removed")
    return codes.SUCCEEDED


def test(options: argparse.Namespace) -> int:
    """Exit code 1 when it did not arrive."""
    found = on_hub(options, lambda hub: hub.test_webhook(options.webhook))
    if options.json:
        print(json.dumps(found))
    else:
        print(clean(found["error"] or f"The receiver answered {found['status']} after {found['took_ms']} ms."))
    return codes.SUCCEEDED if found["state"] == "delivered" else codes.FAILED


def enable(options: argparse.Namespace) -> int:
    made = on_hub(options, lambda hub: hub.enable_webhook(options.webhook))
    if options.json:
        print(json.dumps(made))
    else:
        print(f"{made['id']} is {made['state']}")
        if "secret" in made:
            print(f"secret: {made['secret']}\nIt is a new one, and is shown this once.")
    return codes.SUCCEEDED


def deliveries(options: argparse.Namespace) -> int:
    page = on_hub(options, lambda hub: hub.deliveries(options.webhook, options.limit))
    if options.json:
        for each in page["items"]:
            print(json.dumps(each))
    elif not page["items"]:
        print("Nothing was sent yet. Try it: progress-hub webhooks test ID")
    else:
        heading = ("MADE", "JOB", "STATE", "TRIES", "ANSWER", "NEXT", "TROUBLE")
        print("\n".join(aligned([heading, *(_delivery(each) for each in page["items"])])))
        if page["total"] > len(page["items"]):
            print(f"... and {page['total'] - len(page['items'])} more; see --limit")
    return codes.SUCCEEDED


def _add_fields(command: argparse.ArgumentParser) -> None:
    command.add_argument("--projects", type=_listed, metavar="A,B", help="only of these projects")
    command.add_argument("--kinds", type=_listed, metavar="A,B", help="only of these kinds")
    command.add_argument("--states", type=_listed, metavar="A,B", help="only these ends, such as failed,interrupted")
    command.add_argument("--name", help="what it is called in lists")


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    of = " ".join(",".join(each[name]) for name in ("projects", "kinds", "states") if each[name]) or "every end"
    return (each["id"], each["state"], of, clean(each["url"]), clean(each["name"]))


def _delivery(each: Mapping[str, Any]) -> tuple[str, ...]:
    answer = "-" if each["status"] is None else str(each["status"])
    made, following = moment(each["created"]), moment(each["next_at"])
    job = each["job"] or "(a test)"
    return (made, job, each["state"], str(each["attempts"]), answer, following, clean(each["error"] or ""))


def _listed(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise argparse.ArgumentTypeError("it names nothing; leave it out for all")
    return found
