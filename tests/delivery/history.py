"""What a hub's journal holds at the end, and whether everybody's account agrees with it."""

from typing import Any

import aiohttp

from hub.core.events import ENDS
from tests.delivery.account import Account

History = dict[int, dict[str, Any]]
"""Lossless events by number."""


async def whole_history(port: int, project: str = "p") -> History:
    found: History = {}
    query = {"limit": "500"}
    async with aiohttp.ClientSession() as session:
        while True:
            url = f"http://127.0.0.1:{port}/api/v1/projects/{project}/history"
            page = await (await session.get(url, params=query)).json()
            found |= {event["seq"]: event for event in page["items"]}
            if "next" not in page:
                assert len(found) == page["total"]
                return found
            query["cursor"] = page["next"]


async def snapshot(port: int, project: str = "p") -> dict[str, Any]:
    """Where the hub says everything is."""
    async with aiohttp.ClientSession() as session:
        answer = await (await session.get(f"http://127.0.0.1:{port}/api/v1/projects/{project}/events")).json()
    return answer["snapshot"]  # type: ignore[no-any-return]


def head_of(found: dict[str, Any]) -> int:
    """The number at which a snapshot was taken."""
    return int(found["cursor"].partition("-")[2])


def check_ends(history: History) -> None:
    """A job that has ended did so once, and nothing of it follows."""
    over: set[str] = set()
    for _, event in sorted(history.items()):
        assert event["job"] not in over
        if event.get("state") in ENDS:
            over.add(event["job"])


def check_told(history: History, accounts: list[Account]) -> None:
    """Everybody was told everything from its first snapshot on, and of each number the same.

    Who has seen progress that a crash has forgotten may be shown the moment after it, but misses nothing by that.
    """
    progress: History = {}
    for account in accounts:
        assert account.resets == []
        wanted = {seq: event for seq, event in history.items() if seq > account.since}
        missed = [(seq, event["type"]) for seq, event in sorted(wanted.items()) if seq not in account.lossless]
        assert not missed, f"{len(missed)} of {len(wanted)} missed, {missed[:20]}"
        assert account.lossless == wanted
        for seq, event in account.progress.items():
            assert progress.setdefault(seq, event) == event, "a number was used twice"
    assert not progress.keys() & history.keys()
