"""What the kinds that work with snapshots have in common: parameters, the store, and advice."""

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hub.core.errors import BadParams, HubError
from hub.core.report import Report
from hub.jobs.base import JobFailed, Task
from hub.jobs.reporter import disk_full

if TYPE_CHECKING:  # the hub's own process knows every kind, and has no use for their libraries
    from hub.snapshots.backend import Location
    from hub.snapshots.store import Store

HINTS: Mapping[str, str] = {
    "source_gone": "Clone the repository again, or look whether the folder is still there.",
    "store_busy": "Wait until the other job has ended, or cancel it.",
    "store_refused": "Check the store's credentials in the hub's environment, and what they allow.",
    "store_misconfigured": "Check the setting `snapshot_store` and the variables that belong to it.",
    "store_unreachable": "Check that the store runs and can be reached from the hub.",
    "store_failed": "Run it again; if it happens again, look at the store.",
    "store_full": "Make room in the store, or prune old snapshots.",
    "store_lied": "Look at the store's disks, and at what lies between it and the hub.",
    "store_changed": "Run it again.",
    "damaged": "Verify the store to learn what is hit. The next snapshot stores again what it still finds.",
    "not_empty": "Name another folder, or allow `overwrite`.",
}
_WORDS: Mapping[type, str] = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
}


def given(kind: str, params: Mapping[str, Any], plain: Mapping[str, type]) -> dict[str, Any]:
    """The parameters that are set, each of its type. Raises BadParams."""
    for name, value in params.items():
        wanted = plain.get(name)
        if wanted is None:
            takes = f"; it takes {', '.join(plain)}" if plain else ""
            raise BadParams(f"A {kind} has no parameter {name!r}{takes}.")
        is_fit = type(value) in ({int, float} if wanted is float else {wanted})
        if value is not None and not is_fit:
            raise BadParams(f"{name} must be {_WORDS[wanted]}.")
        if isinstance(value, str) and (not value or len(value) > 4096 or not value.isprintable()):
            raise BadParams(f"{name} is empty, too long, or holds characters that cannot be meant.")
    return {name: value for name, value in params.items() if value is not None}


def location(task: Task) -> "Location":
    from hub.snapshots import opening  # noqa: PLC0415

    rules = task.rules
    found = opening.location(rules.store, task.target.id, task.workspace.home, rules.store_options, task.secrets)
    return dataclasses.replace(
        found, connect_timeout_s=rules.connect_timeout_s, silence_timeout_s=rules.silence_timeout_s
    )


def store(task: Task, report: Report) -> "Store":
    """Raises StoreMisconfigured."""
    from hub.snapshots import opening  # noqa: PLC0415

    return opening.opened(location(task), report.check, lambda words: report.log(words, "warning"))


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Errors of snapshots as a job's failures, with advice."""
    try:
        yield
    except sqlite3.Error as exc:
        if "full" in str(exc):
            raise disk_full("The disk is full, so the job was stopped.") from exc
        raise JobFailed("catalog_failed", f"The project's catalog could not be written: {exc}.", retry=True) from exc
    except HubError as exc:
        raise JobFailed(exc.narrow_code, exc.message, hint=HINTS.get(exc.narrow_code), retry=exc.retry) from exc
