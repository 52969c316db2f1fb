"""Schedules that are kept: turns on a stepped clock, what became of them, and what a restart finds."""

import asyncio
from dataclasses import replace

import pytest

from hub.core.errors import AlreadyRunning, JournalUnavailable, NotFound
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Project
from hub.core.schedules import Outcome, ScheduleState
from hub.jobs.admission import QueueFull
from hub.jobs.schedules.kept import Schedules
from hub.jobs.schedules.rhythms import next_runs
from hub.journal.memory import MemoryJournal
from tests.conftest import until
from tests.fakes import FakeClock

EVERY = ScheduleState(id="s1", project="p", kind="index", created=1, every_s=60, params={"a": 1})


class Shop:
    """Takes what schedules submit, or says why not."""

    def __init__(self):
        self.taken = []
        self.keys = []
        self.error = None
        self.gate = None

    async def submit(self, schedule, key):
        self.keys.append(key)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(schedule)
        return JobState(
            id=f"job{len(self.taken)}",
            project=schedule.project,
            kind=schedule.kind,
            state=State.QUEUED,
            seq=1,
            created=1,
        )


@pytest.fixture
async def journal():
    journal = MemoryJournal()
    await journal.open(recent_jobs=1)
    for name in ("p", "q"):
        await journal.add_project(Project(id=name, name=name, created=1))
    return journal


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
async def schedules(journal, clock, shop):
    made = Schedules(journal.schedules, clock)
    await made.start(shop.submit)
    yield made
    await made.stop()


async def after(clock, seconds, made=None):
    clock.step(seconds)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_turn_starts_the_job_and_is_written_down(schedules, journal, clock, shop):
    state = await schedules.put(EVERY)
    assert state.next_at == clock.now_ms() + 60_000
    await after(clock, 60)
    (kept,) = await journal.schedules.all()
    assert [taken.params for taken in shop.taken] == [{"a": 1}]
    assert (kept.last_job, kept.last_outcome, kept.started) == ("job1", Outcome.STARTED, 1)
    assert (kept.last_at, kept.next_at) == (clock.now_ms(), clock.now_ms() + 60_000)


async def test_a_turn_whose_job_goes_on_still_is_skipped_and_counted(schedules, journal, clock, shop):
    await schedules.put(EVERY)
    await after(clock, 60)
    shop.error = AlreadyRunning(job="job1")
    await after(clock, 60)
    await after(clock, 60)
    state = schedules.get("s1")
    assert (state.last_outcome, state.skipped, state.started, state.last_job) == (Outcome.SKIPPED, 2, 1, "job1")
    shop.error = None
    await after(clock, 60)
    assert schedules.get("s1").last_outcome is Outcome.STARTED
    assert schedules.outcomes == {"started": 2, "skipped": 2}


async def test_a_turn_that_is_refused_says_why_and_the_next_one_comes(schedules, clock, shop):
    await schedules.put(EVERY)
    shop.error = QueueFull()
    await after(clock, 60)
    state = schedules.get("s1")
    assert (state.last_outcome, state.refused, state.last_error["code"]) == (Outcome.REFUSED, 1, "queue_full")
    shop.error = None
    await after(clock, 60)
    state = schedules.get("s1")
    assert (state.last_outcome, state.last_error) == (Outcome.STARTED, None)


async def test_a_paused_one_has_no_turns_until_it_goes_on(schedules, clock, shop):
    await schedules.put(replace(EVERY, is_paused=True))
    await after(clock, 600)
    assert (shop.taken, schedules.get("s1").next_at) == ([], None)
    await schedules.put(replace(schedules.get("s1"), is_paused=False))
    assert schedules.get("s1").next_at == clock.now_ms() + 60_000  # nothing is made up for
    await after(clock, 60)
    assert len(shop.taken) == 1


async def test_a_hub_that_was_down_makes_up_for_one_turn_and_no_more(journal, clock, shop):
    first = Schedules(journal.schedules, clock)
    await first.start(shop.submit)
    await first.put(EVERY)
    await first.stop()
    clock.step(86_400)
    second = Schedules(journal.schedules, clock)
    await second.start(shop.submit)
    await until(lambda: second.get("s1").started)
    assert len(shop.taken) == 1
    assert second.get("s1").next_at == clock.now_ms() + 60_000
    await after(clock, 59)
    assert len(shop.taken) == 1
    await second.stop()


async def test_a_restart_puts_no_turn_off(journal, clock, shop):
    """One that begins to count anew at each start never comes on a hub that is restarted more often than that."""
    for _ in range(4):
        hub = Schedules(journal.schedules, clock)
        await hub.start(shop.submit)
        if not hub.all():
            await hub.put(EVERY)
        await after(clock, 20)
        await hub.stop()
    assert len(shop.taken) == 1


async def test_a_removed_one_has_no_turn_and_one_that_is_under_way_is_no_trouble(schedules, journal, clock, shop):
    await schedules.put(EVERY)
    shop.gate = asyncio.Event()
    await after(clock, 60)
    await schedules.remove("s1")
    shop.gate.set()
    await after(clock, 600)
    assert len(shop.taken) == 1
    assert await journal.schedules.all() == []
    with pytest.raises(NotFound):
        schedules.get("s1")


async def test_a_change_in_the_middle_of_a_turn_loses_neither(schedules, clock, shop):
    await schedules.put(EVERY)
    shop.gate = asyncio.Event()
    await after(clock, 60)
    await schedules.put(replace(schedules.get("s1"), every_s=600))
    shop.gate.set()
    await until(lambda: schedules.get("s1").started)
    state = schedules.get("s1")
    assert (state.last_job, state.every_s, state.next_at) == ("job1", 600, clock.now_ms() + 600_000)


async def test_a_deleted_project_takes_its_schedules_along(schedules, journal, clock, shop):
    await schedules.put(EVERY)
    await schedules.put(replace(EVERY, id="s2", project="q"))
    await journal.delete_project("p")
    await schedules.forget("p")
    await after(clock, 60)
    assert [taken.project for taken in shop.taken] == ["q"]
    assert [state.id for state in await journal.schedules.all()] == ["s2"]


async def test_run_now_leaves_the_turns_where_they_are(schedules, clock, shop):
    await schedules.put(replace(EVERY, is_paused=True))
    assert (await schedules.run("s1")).id == "job1"
    assert (schedules.get("s1").started, schedules.get("s1").next_at) == (1, None)
    shop.error = AlreadyRunning(job="job1")
    with pytest.raises(AlreadyRunning):
        await schedules.run("s1")


async def test_a_journal_that_fails_costs_no_turn(schedules, journal, clock, shop, monkeypatch):
    await schedules.put(EVERY)

    async def full(state):
        raise JournalUnavailable("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(journal.schedules, "put", full)
        await after(clock, 60)
    await after(clock, 60)
    assert len(shop.taken) == 2
    assert (await journal.schedules.all())[0].started == 2


async def test_one_whose_time_zone_is_gone_says_so_and_the_others_run(journal, clock, shop):
    await journal.schedules.put(replace(EVERY, every_s=None, cron="0 3 * * *", timezone="Gone/Away"))
    await journal.schedules.put(replace(EVERY, id="s2"))
    made = Schedules(journal.schedules, clock)
    await made.start(shop.submit)
    assert "Gone/Away" in made.get("s1").last_error["message"]
    await after(clock, 60)
    assert len(shop.taken) == 1
    await made.stop()


async def test_the_next_runs_are_told(schedules, clock):
    state = await schedules.put(EVERY)
    now = clock.now_ms()
    assert next_runs(state, now) == [now + 60_000, now + 120_000, now + 180_000]
    assert next_runs(replace(state, next_at=None), now) == []


async def test_a_clock_that_is_corrected_while_the_hub_restarts_brings_no_turn_twice(journal, clock, shop):
    first = Schedules(journal.schedules, clock)
    await first.start(shop.submit)
    state = await first.put(replace(EVERY, every_s=None, cron="0 3 * * *"))
    await after(clock, (state.next_at - clock.now_ms()) / 1000)
    assert len(shop.taken) == 1
    await first.stop()
    clock.now -= 10
    second = Schedules(journal.schedules, clock)
    await second.start(shop.submit)
    await after(clock, 3600)
    assert len(shop.taken) == 1
    await second.stop()


async def test_a_turn_that_is_written_down_while_its_schedule_is_removed_brings_nothing_back(
    schedules, journal, clock, shop, monkeypatch
):
    await schedules.put(EVERY)
    delete, gate = journal.schedules.delete, asyncio.Event()

    async def slow(id_):
        await delete(id_)
        await gate.wait()  # as SQLite's thread may take a while to say that it is done

    monkeypatch.setattr(journal.schedules, "delete", slow)
    removing = asyncio.create_task(schedules.remove("s1"))
    await asyncio.sleep(0)
    await after(clock, 60)
    gate.set()
    await removing
    await asyncio.sleep(0)
    assert (await journal.schedules.all(), schedules.all()) == ([], [])


async def test_a_change_of_what_is_removed_meanwhile_brings_nothing_back(schedules, journal, clock, shop):
    await schedules.put(EVERY)
    changing = asyncio.create_task(schedules.change("s1", every_s=120))
    removing = asyncio.create_task(schedules.remove("s1"))
    await asyncio.gather(changing, removing, return_exceptions=True)
    assert (await journal.schedules.all(), schedules.all()) == ([], [])
    await after(clock, 600)
    assert shop.taken == []
    with pytest.raises(NotFound):
        await schedules.change("s1", every_s=120)


async def test_a_change_counts_the_turn_that_comes_while_it_is_made(schedules, journal, clock, shop):
    await schedules.put(EVERY)
    await after(clock, 60)
    changing = asyncio.create_task(schedules.change("s1", name="new"))
    running = asyncio.create_task(schedules.run("s1"))
    await asyncio.gather(changing, running)
    (kept,) = await journal.schedules.all()
    assert (kept.name, kept.started, kept.last_job) == ("new", 2, "job2")


async def test_a_turn_has_the_same_key_after_a_crash_between_its_job_and_its_note(journal, clock, shop, monkeypatch):
    """By the key the engine knows that it has taken that job already."""
    first = Schedules(journal.schedules, clock)
    await first.start(shop.submit)
    await first.put(EVERY)

    async def killed(state):
        raise JournalUnavailable("killed")

    with monkeypatch.context() as patched:
        patched.setattr(journal.schedules, "put", killed)
        await after(clock, 60)
    await first.stop()
    second = Schedules(journal.schedules, clock)
    await second.start(shop.submit)
    await until(lambda: second.get("s1").started)
    assert len(shop.keys) == 2
    assert shop.keys[0] == shop.keys[1] is not None
    await after(clock, 60)
    assert shop.keys[2] not in {None, shop.keys[0]}
    await second.stop()


async def test_a_turn_that_finds_the_queue_full_comes_later_and_not_only_the_next_night(schedules, clock, shop):
    await schedules.put(replace(EVERY, every_s=86_400))
    shop.error = QueueFull()
    await after(clock, 86_400)
    for _ in range(20):
        await after(clock, 30)
    assert (schedules.get("s1").refused, schedules.get("s1").last_error["code"]) == (1, "queue_full")
    shop.error = None
    for _ in range(12):
        await after(clock, 30)
    assert (len(shop.taken), schedules.get("s1").last_outcome) == (1, Outcome.STARTED)


async def test_one_that_is_paused_or_removed_while_its_turn_waits_starts_nothing(schedules, clock, shop):
    await schedules.put(EVERY)
    await schedules.put(replace(EVERY, id="s2"))
    shop.error = QueueFull()
    await after(clock, 60)
    await schedules.change("s1", is_paused=True)
    await schedules.remove("s2")
    shop.error = None
    await after(clock, 3600)
    assert shop.taken == []


async def test_a_turn_that_waits_keeps_no_hub_from_stopping(journal, clock, shop):
    made = Schedules(journal.schedules, clock)
    await made.start(shop.submit)
    await made.put(EVERY)
    shop.error = QueueFull()
    await after(clock, 60)
    await asyncio.wait_for(made.stop(), 1)
    (kept,) = await journal.schedules.all()
    assert (kept.refused, kept.next_at) == (1, clock.now_ms())
    shop.error = None
    again = Schedules(journal.schedules, clock)
    await again.start(shop.submit)
    await until(lambda: shop.taken)
    assert len(set(shop.keys)) == 1
    await again.stop()


async def test_a_new_name_puts_no_turn_off(schedules, clock, shop):
    await schedules.put(EVERY)
    for n in range(4):
        await after(clock, 20)
        await schedules.change("s1", name=f"name {n}")
    assert len(shop.taken) == 1
    await schedules.change("s1", every_s=120)
    assert schedules.get("s1").next_at == clock.now_ms() + 120_000


async def test_thousands_of_the_same_minute_are_spread_and_none_is_left_out(journal, clock, shop):
    for n in range(3000):
        await journal.schedules.put(replace(EVERY, id=f"s{n:04}", every_s=None, cron="0 3 * * *"))
    made = Schedules(journal.schedules, clock)
    await made.start(shop.submit)
    due_ms = made.get("s0000").next_at
    await after(clock, (due_ms - clock.now_ms()) / 1000)
    assert 0 < len(shop.taken) <= 100
    for _ in range(600):
        await after(clock, 0.1)
    assert len(shop.taken) == 3000
    assert {key.rpartition(" ")[2] for key in shop.keys} == {str(due_ms)}
    await made.stop()
