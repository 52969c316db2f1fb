"""The tracker and its cohorts, where an example says more than a random history."""

import pytest

from hub.core.channel import PAGE, Resumed
from hub.core.cohorts import CohortKey, Limits
from hub.core.composition import View
from hub.core.errors import EndReason
from hub.core.events import Position, State
from hub.core.flush import PARCEL_BYTES
from hub.core.job import reduce
from hub.core.messages import Merged, Reset, Snapshot
from hub.core.ports import Encoding, Lost
from hub.core.subscription import Way
from hub.core.tracker import BEAT_SLICE, Tracker
from tests.fakes import LINES, FakeClock, FakeOutlet, event, job_body, log_body, progress_body


class Scene:
    def __init__(self, **limits: int) -> None:
        self.clock = FakeClock()
        self.tracker = Tracker(epoch="0" * 8, boot="1" * 8, clock=self.clock, limits=Limits(**limits))
        for project in "pq":
            self.tracker.open_project(project, 0, 0)

    def watch(self, project: str | None = "p", view: View | None = None, encoding: Encoding = LINES) -> FakeOutlet:
        outlet = FakeOutlet()
        view = view or View(logs=project is not None)
        tracker = self.tracker
        resumed = tracker.feed_snapshot() if project is None else tracker.channel(project).snapshot(view)
        tracker.attach(outlet, "fake")
        tracker.join(outlet, project, resumed.told, CohortKey(encoding=encoding, cadence_ms=0, view=view))
        return outlet

    def tell(self, seq: int, body: object, job: str = "j1", project: str = "p") -> None:
        self.tracker.deliver([event(seq, body, job, project)])


def test_what_cannot_be_encoded_is_never_told_as_merged() -> None:
    """The others of the same flush are lost to the members, so their cursors must bring them back."""

    def encode(message: object, cursor: str | None) -> bytes:
        if getattr(message, "seq", 0) == 2:
            raise ValueError("no bytes for that")
        return LINES.encode(message, cursor)  # type: ignore[arg-type]

    scene = Scene()
    outlet = scene.watch(encoding=Encoding("broken", encode))
    for seq in (1, 2, 3):
        scene.tell(seq, log_body() if seq > 1 else job_body())
    with pytest.raises(ValueError, match="no bytes"):
        scene.clock.turn()
    assert outlet.ended is EndReason.LOST_POSITION


@pytest.mark.parametrize("what", ["deleted", "created"])
def test_feed_watchers_share_bytes_whatever_projects_come_and_go(what: str) -> None:
    scene = Scene()
    scene.watch(None)
    scene.tell(1, job_body())
    scene.clock.turn()
    if what == "deleted":
        scene.tracker.close_project("q")
    else:
        scene.tracker.open_project("r", 1500, 1500)
    late = scene.watch(None)
    scene.tell(2, progress_body(1))
    scene.clock.turn()
    (cohort,) = scene.tracker._feed.cohorts.values()
    assert {cohort.way(each) for each in cohort.subscriptions} == {Way.SHARED}
    assert [message["type"] for message in late.messages()] == ["progress"]


def test_a_project_made_again_is_no_merge_on_the_feed() -> None:
    scene = Scene()
    outlet = scene.watch(None)
    scene.tracker.close_project("q")
    scene.tracker.open_project("q", 1500, 1500)
    scene.tell(1501, job_body(), project="q")
    scene.clock.turn()
    assert [message["type"] for message in outlet.messages()] == ["reset", "job"]


def test_a_joiner_with_a_full_pipe_is_not_written_to() -> None:
    scene = Scene(high_water_bytes=1000)
    scene.watch()
    scene.tell(1, job_body())
    late = scene.watch()  # joins while something is pending
    late.is_stalled = True
    late.write(b"x" * 2000)
    for seq in range(2, 100):
        scene.tell(seq, progress_body(seq / 10))
        scene.clock.turn()
    assert late.backlog() == 2000
    late.take()
    scene.clock.step(0.2)
    assert late._received.count(b'"percent": 9.9') == 1


def test_a_peer_that_takes_nothing_is_let_go_although_its_backlog_grows() -> None:
    scene = Scene()
    outlet = scene.watch()
    outlet.is_stalled = True
    scene.tell(1, job_body())
    for seq in range(2, 30):
        scene.tell(seq, progress_body(seq / 10))
        scene.clock.step(1.0)
        scene.tracker.beat()
    assert outlet.ended is EndReason.TOO_SLOW


def test_the_job_that_ended_last_is_not_the_first_forgotten() -> None:
    scene = Scene(recent_jobs=2)
    scene.tell(1, job_body(), job="a-long-one")
    for n in range(2, 6):
        scene.tell(n, job_body(State.FAILED), job=f"b{n}")
    scene.tell(6, job_body(State.SUCCEEDED), job="a-long-one")
    assert set(scene.tracker.channel("p").jobs) == {"a-long-one", "b5"}


def test_numbers_not_asked_for_move_the_cursor() -> None:
    scene = Scene()
    scene.tell(1, job_body())
    for seq in range(2, 6):
        scene.tell(seq, log_body())
    resumed = scene.tracker.channel("p").resume(Position("0" * 8, 1), View(logs=False))
    assert resumed.told == {"p": 5}  # type: ignore[union-attr]
    assert resumed.messages == [Merged(project="p", count=4, upto=5)]  # type: ignore[union-attr]


def test_a_cursor_that_pruning_has_passed_is_too_old() -> None:
    scene = Scene(ring_size=2)
    for seq in range(1, 9):
        scene.tell(seq, log_body() if seq > 1 else job_body())
    scene.tracker.raise_floor("p", 5)
    resumed = scene.tracker.channel("p").resume(Position("0" * 8, 3), View())
    assert resumed.messages[0] == Reset(project="p", reason="too_old")  # type: ignore[union-attr]


def test_the_feed_tells_its_streams_that_a_project_is_gone() -> None:
    scene = Scene()
    outlet = scene.watch(None)
    scene.tell(1, job_body())
    scene.clock.turn()
    scene.tracker.close_project("p")
    _, gone = outlet.messages()
    assert (gone["type"], gone["project"], gone["reason"]) == ("reset", "p", "gone")


def test_what_waits_of_a_deleted_project_is_not_told_later() -> None:
    scene = Scene(high_water_bytes=100)
    outlet = scene.watch(None)
    outlet.is_stalled = True
    for seq in range(1, 5):
        scene.tell(seq, job_body())
        scene.clock.turn()
    scene.tracker.close_project("p")
    outlet.take()
    scene.clock.step(0.2)
    told = outlet.messages()
    assert told[-1]["type"] == "reset"
    scene.tell(1, job_body(), project="q")
    scene.clock.turn()
    assert [message["project"] for message in outlet.messages()] == ["q"]
    (cohort,) = scene.tracker._feed.cohorts.values()
    assert {cohort.way(each) for each in cohort.subscriptions} == {Way.SHARED}


def test_who_comes_to_the_feed_after_a_log_line_shares_its_bytes() -> None:
    scene = Scene()
    scene.watch(None)
    scene.tell(1, job_body())
    scene.clock.turn()
    scene.tell(2, log_body())
    scene.watch(None)
    (cohort,) = scene.tracker._feed.cohorts.values()
    assert {cohort.way(each) for each in cohort.subscriptions} == {Way.SHARED}


def test_a_drained_watcher_that_cannot_be_encoded_for_stops_nobody_else() -> None:
    def encode(message: object, cursor: str | None) -> bytes:
        if getattr(message, "seq", 0) == 4 and broken:
            raise ValueError("no bytes for that")
        return LINES.encode(message, cursor)  # type: ignore[arg-type]

    broken: list[int] = []
    scene = Scene(high_water_bytes=100)
    bad, good = scene.watch(encoding=Encoding("broken", encode)), scene.watch()
    bad.is_stalled = good.is_stalled = True
    for seq in range(1, 5):
        scene.tell(seq, job_body() if seq == 1 else log_body())
        scene.clock.turn()
    broken.append(1)
    bad.take()
    with pytest.raises(ValueError, match="no bytes"):
        scene.clock.step(0.06)
    assert bad.ended is EndReason.LOST_POSITION
    good.take()
    scene.clock.step(0.2)
    assert [message["seq"] for message in good.messages() if "seq" in message] == [1, 2, 3, 4]


def test_a_heartbeat_goes_to_a_connection_that_follows_nothing() -> None:
    scene = Scene()
    outlet = FakeOutlet()
    scene.tracker.attach(outlet, "fake", LINES)
    scene.tracker.beat()
    assert [(message["type"], message["cursors"]) for message in outlet.messages()] == [("heartbeat", {})]


def test_a_connection_on_its_way_to_another_project_outlives_the_first() -> None:
    scene = Scene()
    outlet = scene.watch("p")
    with scene.tracker.joining(outlet):
        scene.tracker.close_project("p")
    assert outlet.ended is None
    assert [message["type"] for message in outlet.messages()] == ["reset"]


@pytest.mark.parametrize("view", [View(), View(logs=False), View(job="j2")])
def test_a_long_replay_comes_in_parts_that_account_for_every_number(view: View) -> None:
    scene = Scene()
    scene.tell(1, job_body())
    for seq in range(2, 3 * PAGE):
        scene.tell(seq, log_body() if seq % 3 else progress_body(seq / 10))
    channel, seq, sizes = scene.tracker.channel("p"), 0, []
    while True:
        part = channel.resume(Position("0" * 8, seq), view)
        assert isinstance(part, Resumed)
        sizes.append(len(part.messages))
        for message in part.messages:
            first = message.upto - message.count + 1 if isinstance(message, Merged) else message.seq  # type: ignore[union-attr]
            assert first == seq + 1
            seq = message.upto if isinstance(message, Merged) else message.seq  # type: ignore[union-attr]
        assert part.told == {"p": seq}
        if part.is_now:
            break
    assert seq == channel.head
    assert (len(sizes), max(sizes) <= 2 * PAGE) == (3, True)


def test_one_encoding_that_cannot_say_heartbeat_takes_it_from_nobody_else() -> None:
    def encode(message: object, cursor: str | None) -> bytes:
        raise ValueError("no word for that")

    scene = Scene()
    bad, good = FakeOutlet(), FakeOutlet()
    scene.tracker.attach(bad, "fake", Encoding("mute", encode))
    scene.tracker.attach(good, "fake", LINES)
    with pytest.raises(ExceptionGroup):
        scene.tracker.beat()
    assert (bad.ended, good.ended) == (EndReason.LOST_POSITION, None)
    assert [message["type"] for message in good.messages()] == ["heartbeat"]


def test_many_heartbeats_are_told_over_several_turns() -> None:
    scene = Scene()
    outlets = [FakeOutlet() for _ in range(2 * BEAT_SLICE + 1)]
    for outlet in outlets:
        scene.tracker.attach(outlet, "fake", LINES)
    scene.tracker.beat()
    assert sum(map(len, (outlet.messages() for outlet in outlets))) == BEAT_SLICE
    scene.clock.turn()
    scene.clock.turn()
    assert sum(map(len, (outlet.messages() for outlet in outlets))) == BEAT_SLICE + 1


@pytest.mark.parametrize(("seq", "is_undone"), [(40, False), (41, True), (999, True), (1000, False)])
def test_a_watcher_that_knows_what_a_crash_has_forgotten_is_taken_back_and_misses_nothing(
    seq: int, is_undone: bool
) -> None:
    """It may know of progress that the hub does not: with no more than a merge the two would be apart for good."""
    scene = Scene()
    then = reduce(None, event(40, job_body(), project="r"))
    scene.tracker.open_project("r", 1000, 0, [then], [Lost(after=40, upto=999, jobs=(then,))])
    scene.tell(1001, job_body(State.INTERRUPTED), project="r")
    channel = scene.tracker.channel("r")
    undone = channel.undo(Position("0" * 8, seq), View())
    assert (undone is not None) is is_undone
    if undone is not None:
        (snapshot,) = undone.messages
        assert isinstance(snapshot, Snapshot)
        assert [job["state"] for job in snapshot.jobs] == ["running"]
        assert (undone.told, undone.is_now) == ({"r": 1000}, False)
        part = channel.resume(Position("0" * 8, 1000), View())
        assert isinstance(part, Resumed)
        assert [message.to_wire()["type"] for message in part.messages] == ["job"]


def test_a_watcher_who_takes_nothing_is_handed_one_parcel_of_a_long_flush() -> None:
    scene = Scene(high_water_bytes=1000)
    scene.tell(1, job_body())
    outlets = [scene.watch(), scene.watch(encoding=Encoding("other", LINES.encode))]
    outlets[0].is_stalled = True
    for seq in range(2, 300):
        scene.tell(seq, log_body("x" * 2000))
    scene.clock.turn()
    assert outlets[0].backlog() < 2 * PARCEL_BYTES
    assert [message["seq"] for message in outlets[1].messages()] == list(range(2, 300))
    assert outlets[0].ended is EndReason.TOO_SLOW
