"""What every surface promises of every run: its order, its percent, its rate, and one end."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.events import Stage
from hub.core.job import reduce
from hub.jobs.kinds import KINDS
from hub.surfaces import clone, index, ingest, snapshot, sync
from hub.surfaces.clone import COUNTERS, Repo
from tests.surfaces.reader import Heard
from tests.surfaces.runs import Run, Theatre, Watching, runs

REPO = Repo(id="p", path="/x/repo", name="p", created_ms=0)
ENDS = {
    "clone": lambda one: one.event in {"complete", "clone_error"},
    "sync": lambda one: one.event in {"done", "error"},
    "index": lambda one: one.data["type"] in {"complete", "error"},
    "snapshot": lambda one: one.data["step"] in {"completed", "failed"},
    "ingest": lambda one: one.data["stage"] in {"Complete", "Failed"},
}
SURFACES = {
    "clone": (clone.dialect_of(REPO, "clone_error"), 0),
    "sync": (sync.DIALECT, sync.CADENCE_MS),
    "index": (index.dialect_of("/x", False), 0),
    "snapshot": (snapshot.DIALECT, 0),
    "ingest": (ingest.DIALECT, ingest.CADENCE_MS),
}
KIND_OF = {name: KINDS[name] for name in SURFACES}
counts = st.integers(0, 10**6)
DETAILS: dict[str, Any] = {
    "clone": st.fixed_dictionaries(dict.fromkeys(COUNTERS, counts)) | st.just({}),
    "sync": st.fixed_dictionaries(dict.fromkeys((*sync.SCANNING, *sync.CORRELATING), counts)),
    "index": st.just({}),
    "snapshot": st.fixed_dictionaries({"fileCount": counts, "totalSize": counts, "totalSizeText": st.just("1 B")}),
    "ingest": st.just({}),
}
RESULTS: dict[str, Any] = {
    "clone": st.just({}),
    "sync": st.fixed_dictionaries(dict.fromkeys(sync.DONE, counts)),
    "index": st.fixed_dictionaries({"files": counts, "fresh": st.just(False)}),
    "snapshot": st.fixed_dictionaries({"fileCount": counts, "totalSize": counts, "totalSizeText": st.just("1 B")}),
    "ingest": st.fixed_dictionaries({"files": counts, "symbols": counts}),
}


def plan_of(name: str) -> tuple[Stage, ...]:
    return KIND_OF[name].stages


def played(name: str, run: Run, joins: set[int]) -> tuple[Theatre, list[Watching]]:
    """A watcher from the beginning, and one more after each of the steps `joins`."""
    theatre = Theatre()
    dialect, cadence_ms = SURFACES[name]
    watching: list[Watching] = []
    for n, _ in enumerate(theatre.play(name, plan_of(name), run)):
        for one in watching:
            one.look()
        if n in joins | {0}:
            watching.append(theatre.watch(dialect, cadence_ms))
    theatre.clock.step(5.0)
    for one in watching:
        one.look()
    return theatre, watching


@pytest.mark.parametrize("name", SURFACES)
@settings(deadline=None)
@given(data=st.data())
def test_every_watcher_gets_one_end_and_nothing_after_it(name: str, data: st.DataObject) -> None:
    run = data.draw(runs(plan_of(name), DETAILS[name], RESULTS[name]))
    last_step = len(run.steps) + 1  # joining after the end is the transport's to close
    _, watching = played(name, run, data.draw(st.sets(st.integers(0, last_step), max_size=3)))
    ends = set()
    for one in watching:
        assert one.has_ended
        found = [place for place, heard in enumerate(one.heard) if ENDS[name](heard)]
        assert found == [len(one.heard) - 1]
        ends.add(repr(one.heard[-1]))
        assert all(heard.id.startswith("e-") for heard in one.heard)
        places = [int(heard.id.removeprefix("e-")) for heard in one.heard]
        assert places == sorted(places)
    assert len(ends) == 1, "all see the same end"


@pytest.mark.parametrize(("name", "field"), [("snapshot", "progress"), ("ingest", "percentage")])
@settings(deadline=None)
@given(data=st.data())
def test_percent_is_the_hubs_own_at_the_same_number_and_never_goes_down(
    name: str, field: str, data: st.DataObject
) -> None:
    run = data.draw(runs(plan_of(name), DETAILS[name], RESULTS[name]))
    theatre, watching = played(name, run, data.draw(st.sets(st.integers(0, len(run.steps) + 1), max_size=3)))
    percent, state, began = {}, None, None
    for event in theatre.events:
        state = reduce(state, event)
        percent[event.seq] = state.percent
        if state.stage == "waiting" and began is None:
            began = event.seq
    for one in watching:
        told = [heard.data[field] for heard in one.heard]
        assert told == sorted(told)
        for heard in one.heard:
            seq = int(heard.id.removeprefix("e-"))
            if name == "ingest" or (began is not None and seq > began):
                assert heard.data[field] == percent[seq]


@settings(deadline=None)
@given(data=st.data())
def test_an_ingest_says_something_each_second_at_most_but_for_its_changes(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("ingest"), DETAILS["ingest"], RESULTS["ingest"]))
    _, (one, *_) = played("ingest", run, set())
    told = [
        at for (_, before), (at, heard) in itertools.pairwise(one.told) if heard.data["stage"] == before.data["stage"]
    ]
    assert all(after - before >= 1.0 - 1e-6 for before, after in itertools.pairwise(told))


@settings(deadline=None)
@given(data=st.data())
def test_an_ingests_stages_keep_their_widths(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("ingest"), DETAILS["ingest"], RESULTS["ingest"]))
    _, watching = played("ingest", run, set())
    widths = {
        "Cloning": (0, 25),
        "Parsing": (25, 65),
        "Indexing": (65, 100),
        "Complete": (100, 100),
        "Failed": (0, 100),
    }
    order = [*widths][:3]
    for one in watching:
        stages = [heard.data["stage"] for heard in one.heard]
        assert [order.index(stage) for stage in stages[:-1]] == sorted(order.index(stage) for stage in stages[:-1])
        for heard in one.heard[1:]:
            low, high = widths[heard.data["stage"]]
            assert low <= heard.data["percentage"] <= high


@settings(deadline=None)
@given(data=st.data())
def test_a_snapshot_is_never_below_the_floor_of_its_step(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("snapshot"), DETAILS["snapshot"], RESULTS["snapshot"]))
    _, watching = played("snapshot", run, set())
    for one in watching:
        for heard in one.heard:
            assert heard.data["progress"] >= (0, 16, 33, 50, 66, 83, 100)[heard.data["stepNumber"]]
            assert (heard.data["progress"] == 100) == (heard.data["step"] == "completed")


@settings(deadline=None)
@given(data=st.data())
def test_a_clone_tells_its_last_counters_before_its_end(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("clone"), DETAILS["clone"], RESULTS["clone"]))
    _, (one, *_) = played("clone", run, set())
    counted = [step.detail for step in run.steps if step.stage is None and step.detail]
    if counted:
        assert one.heard[-2].data == {"type": "progress", **{name: counted[-1][name] for name in COUNTERS}}
    for heard in one.heard[:-1]:
        assert list(heard.data) == ["type", *COUNTERS]


@settings(deadline=None)
@given(data=st.data())
def test_an_index_keeps_its_order(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("index"), DETAILS["index"], RESULTS["index"]))
    _, watching = played("index", run, data.draw(st.sets(st.integers(0, len(run.steps) + 1), max_size=3)))
    order = ["starting", "collecting", "loading_storage", "skipping", "indexing", "error"]
    for one in watching:
        places = [order.index(heard.data["stage"]) for heard in one.heard]
        assert places == sorted(places)
        assert places[0] == 0


def phases(told: list[Heard]) -> list[str]:
    return [heard.event or "" for heard in told]


@settings(deadline=None)
@given(data=st.data())
def test_a_syncs_phases_come_in_order(data: st.DataObject) -> None:
    run = data.draw(runs(plan_of("sync"), DETAILS["sync"], RESULTS["sync"]))
    _, watching = played("sync", run, data.draw(st.sets(st.integers(0, len(run.steps) + 1), max_size=3)))
    order = ["scanning", "correlating", "done", "error"]
    for one in watching:
        places = [order.index(phase) for phase in phases(one.heard)]
        assert places == sorted(places)
        if one is watching[0]:
            assert places[0] == 0
