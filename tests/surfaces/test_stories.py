"""Recorded runs, told in each surface's words: byte for byte what its description says.

`stories/*.jsonl` are the native events of runs on a real hub, `stories/*.sse` what a watcher of the surface gets who is
there from the beginning.
"""

import json
from pathlib import Path

import pytest

from hub.core.events import Event
from hub.surfaces import clone, index, ingest, snapshot, sync
from hub.surfaces.clone import Repo
from hub.transports.sse import Dialect
from tests.surfaces.runs import Theatre

STORIES = Path(__file__).parent / "stories"
REPO = Repo(id="shop", path="/srv/hub/projects/shop/repo", name="shop", created_ms=1_700_000_000_000)
CLONE = clone.dialect_of(REPO, "clone_error")
INDEX = index.dialect_of("/srv/work", False)
DIALECTS: dict[str, tuple[Dialect, int]] = {
    "clone": (CLONE, 0),
    "clone-failed": (CLONE, 0),
    "sync": (sync.DIALECT, sync.CADENCE_MS),
    "index": (INDEX, 0),
    "index-fresh": (INDEX, 0),
    "index-failed": (INDEX, 0),
    "snapshot": (snapshot.DIALECT, 0),
    "snapshot-failed": (snapshot.DIALECT, 0),
    "ingest": (ingest.DIALECT, ingest.CADENCE_MS),
    "ingest-failed": (ingest.DIALECT, ingest.CADENCE_MS),
}


def story(name: str) -> list[Event]:
    lines = (STORIES / f"{name}.jsonl").read_text().splitlines()
    return [Event.from_wire(json.loads(line)) for line in lines]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_recorded_run_is_told_byte_for_byte(name: str) -> None:
    events = story(name)
    theatre = Theatre(events[0].project, head=events[0].seq - 1)
    watching = theatre.watch(*DIALECTS[name], job=events[0].job)
    theatre.replay(events)
    assert watching.has_ended
    assert watching.told_bytes.decode() == (STORIES / f"{name}.sse").read_text()


def test_every_story_is_told() -> None:
    assert {path.stem for path in STORIES.iterdir()} == set(DIALECTS)
