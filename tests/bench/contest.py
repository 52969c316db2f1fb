"""The table of peers, and how they take turns.

A variant is a peer's name, and after colons what is special about it this time: `hub:sse`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from tests.bench.figures import Figures
from tests.bench.machine import BrokenError, MissingError
from tests.bench.peer import Peer
from tests.bench.peers import hub, limit, nchan, node_socketio, python_socketio, send_str

PEERS: dict[str, Peer] = {
    module.PEER.name: module.PEER for module in (limit, nchan, node_socketio, python_socketio, send_str, hub)
}
T = TypeVar("T")


def in_turn(
    rounds: int, variants: Iterable[str], once: Callable[[str], T]
) -> tuple[dict[str, list[T]], dict[str, str]]:
    """By variant, what `once` found in each round; and who is absent, and why.

    All take their turn in every round, so that the machine's moods hit all of them. A peer that is not there or breaks
    is left out from then on; for the hub itself that is an error: MissingError or BrokenError.
    """
    found: dict[str, list[T]] = {name: [] for name in variants}
    absent: dict[str, str] = {}
    for n in range(rounds):
        for variant in list(found):
            print(f"\r\033[K  round {n + 1} of {rounds}: {variant} ", end="", file=sys.stderr, flush=True)
            try:
                found[variant].append(once(variant))
            except (MissingError, BrokenError) as exc:
                if variant.startswith("hub"):
                    raise
                absent[variant] = str(exc)
                del found[variant]
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    return found, absent


def title(variant: str) -> str:
    name, _, special = variant.partition(":")
    return PEERS[name].title + (f" ({special.replace(':', ', ').upper()})" if special else "")


def absences(figures: Figures) -> list[str]:
    absent: Mapping[str, str] = figures.get("absent", {})
    return [f"Not measured: {title(variant)}: {why}." for variant, why in absent.items()]
