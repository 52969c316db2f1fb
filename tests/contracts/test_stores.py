"""One suite for the tables of every journal: what `hub.core.stores` promises, in memory and in SQLite."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.core.errors import BadRequest
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Batch, Project
from hub.core.schedules import Outcome, ScheduleState
from hub.core.stores import Store
from hub.core.webhooks import LARGEST_PAYLOAD, LATEST_MS, Delivered, Delivery, Trouble, Webhook
from hub.journal import memory_tables, webhooks
from hub.journal.memory import MemoryJournal
from hub.journal.sqlite import SqliteJournal

PROJECT = Project(id="p", name="P", created=1, url="https://example.org/p.git")
SCHEDULE = ScheduleState(
    id="s1", project="p", kind="clone", created=5, params={"depth": 1, "ö": [None]}, name="nightly", cron="0 3 * * *",
    timezone="Europe/Berlin", next_at=10, last_at=9, last_job="j", last_outcome=Outcome.REFUSED,
    last_error={"code": "queue_full", "message": "full"}, started=1, skipped=2, refused=3,
)  # fmt: skip
WEBHOOK = Webhook(
    id="w1", url="https://example.org/?x=1", created=1, name="n", projects=("p",), kinds=("clone", "index"),
    states=(State.FAILED, State.SUCCEEDED), failing_since=3, last_success_at=2,
)  # fmt: skip
ALL = Webhook(id="w2", url="https://example.org/all", created=2)


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Any) -> Callable[[], Store]:
    """Makes a journal over the same store each time it is called."""
    if request.param == "memory":
        store = MemoryJournal()
        return lambda: store
    return lambda: SqliteJournal(tmp_path / "journal.sqlite3")


@pytest.fixture
async def store(reopen: Callable[[], Store]) -> Any:
    store = reopen()
    await store.open(recent_jobs=3)
    await store.add_project(PROJECT)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        yield store


def ended(n: int, state: State = State.SUCCEEDED, **fields: Any) -> JobState:
    plain: dict[str, Any] = {"project": "p", "kind": "clone", "seq": n, "created": n, "ended": n * 10}
    return JobState(id=f"j{n:02}", state=state, **{**plain, **fields})


async def waiting(store: Store, webhook: str) -> list[Delivery]:
    page = await store.webhooks.deliveries(webhook, 100, None)
    return [each for each in page.items if each.state is Delivered.WAITING]


async def test_schedules_are_kept_changed_and_deleted(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open(recent_jobs=3)
    await first.add_project(PROJECT)
    every = replace(SCHEDULE, id="s0", cron=None, every_s=60.5, last_outcome=None, last_error=None, is_paused=True)
    await first.schedules.put(SCHEDULE)
    await first.schedules.put(every)
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    assert await second.schedules.all() == [every, SCHEDULE]
    await second.schedules.put(replace(SCHEDULE, started=9))
    assert (await second.schedules.all())[1].started == 9
    await second.schedules.delete("s0")
    await second.schedules.delete("never there")
    assert [schedule.id for schedule in await second.schedules.all()] == ["s1"]
    await second.close()


async def test_a_project_takes_its_schedules_along_and_none_comes_back(store: Store) -> None:
    await store.schedules.put(SCHEDULE)
    await store.delete_project("p")
    assert await store.schedules.all() == []
    await store.schedules.put(SCHEDULE)
    assert await store.schedules.all() == []


async def test_webhooks_are_kept_and_deleted(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open(recent_jobs=3)
    await first.webhooks.add(ALL)
    await first.webhooks.add(WEBHOOK)
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    assert await second.webhooks.all() == [WEBHOOK, ALL]
    await second.webhooks.delete("w1")
    await second.webhooks.delete("never there")
    assert await second.webhooks.all() == [ALL]
    await second.close()


async def test_an_end_and_its_deliveries_are_one_commit(store: Store) -> None:
    woken = []
    store.webhooks.on_waiting(lambda: woken.append(1))
    await store.webhooks.add(WEBHOOK)
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1, State.RUNNING, ended=None),)))
    assert woken == []
    await store.commit(Batch(jobs=(ended(1, State.FAILED), ended(2, State.CANCELLED))))
    assert woken == [1]
    (one,) = await waiting(store, "w1")
    assert (one.job, one.created, one.next_at, one.attempts) == ("j01", 10, 10, 0)
    assert [each.job for each in await waiting(store, "w2")] == ["j02", "j01"]
    told = json.loads(one.payload)
    assert (told["type"], told["data"]["job"], told["data"]["project"]) == (
        "job.failed",
        ended(1, State.FAILED).to_wire(),
        PROJECT.to_wire(),
    )


async def test_a_commit_that_is_made_again_tells_nothing_twice(store: Store) -> None:
    await store.webhooks.add(ALL)
    batch = Batch(jobs=(ended(1),))
    await store.commit(batch)
    before = await waiting(store, "w2")
    await store.commit(batch)
    assert await waiting(store, "w2") == before
    assert await store.webhooks.waiting() == 1


async def test_an_end_of_a_project_that_is_gone_is_told_to_nobody(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.delete_project("p")
    await store.commit(Batch(jobs=(ended(1),)))
    assert await store.webhooks.waiting() == 0


async def test_what_waits_outlives_its_project_and_the_process(reopen: Callable[[], Store]) -> None:
    first = reopen()
    await first.open(recent_jobs=3)
    await first.add_project(PROJECT)
    await first.webhooks.add(ALL)
    await first.commit(Batch(jobs=(ended(1),)))
    await first.delete_project("p")
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    delivery = await second.webhooks.due("w2", 1000)
    assert delivery is not None
    assert (delivery.job, await second.webhooks.waiting()) == ("j01", 1)
    await second.close()


async def test_what_is_due_comes_by_attempts_then_by_age(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=tuple(ended(n) for n in (1, 2, 3))))
    first = await store.webhooks.due("w2", 1000)
    assert first is not None
    assert first.job == "j01"
    await store.webhooks.settle(replace(first, attempts=1, next_at=500), 10, ALL)
    second = await store.webhooks.due("w2", 1000)
    assert second is not None
    assert second.job == "j02"
    assert await store.webhooks.due("w2", 5) is None
    assert await store.webhooks.next_at("w2") == 20
    await store.webhooks.settle(replace(second, next_at=5 + LATEST_MS + 1), 10, ALL)
    found = await store.webhooks.due("w2", 5)  # put off before the clock was set back
    assert found is not None
    assert found.job == "j02"


async def test_what_an_attempt_came_to_is_kept_for_both(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1),)))
    (made,) = await waiting(store, "w2")
    done = replace(made, state=Delivered.DONE, attempts=1, next_at=None, last_at=7, status=200, took_ms=3)
    await store.webhooks.settle(done, 10, replace(ALL, last_success_at=7))
    assert (await store.webhooks.deliveries("w2", 10, None)).items == (done,)
    assert (await store.webhooks.all())[0].last_success_at == 7
    assert (await store.webhooks.next_at("w2"), await store.webhooks.waiting()) == (None, 0)


async def test_a_delivery_that_is_no_ends_is_added_and_one_without_a_webhook_is_not(store: Store) -> None:
    test = Delivery(id="m", webhook="w2", created=1, payload="{}", state=Delivered.FAILED, error="no")
    await store.webhooks.settle(test, 10, ALL)
    assert (await store.webhooks.deliveries("w2", 10, None)).total == 0
    await store.webhooks.add(ALL)
    await store.webhooks.settle(test, 10, ALL)
    assert (await store.webhooks.deliveries("w2", 10, None)).items == (test,)


async def test_a_disabled_one_is_told_nothing_and_what_waited_has_failed(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1),)))
    await store.webhooks.disable(replace(ALL, disabled=Trouble.GONE, disabled_at=5), 10)
    await store.commit(Batch(jobs=(ended(2),)))
    (only,) = (await store.webhooks.deliveries("w2", 10, None)).items
    assert (only.job, only.state, only.next_at) == ("j01", Delivered.FAILED, None)
    assert "disabled" in str(only.error)
    assert (await store.webhooks.all())[0].disabled is Trouble.GONE


async def test_deliveries_page_from_the_newest_and_only_so_many_finished_ones_are_kept(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=tuple(ended(n) for n in range(1, 9))))
    for made in await waiting(store, "w2"):
        if made.job not in {"j01", "j05"}:
            await store.webhooks.settle(replace(made, state=Delivered.DONE, next_at=None), 3, ALL)
    seen, cursor = [], None
    while True:
        page = await store.webhooks.deliveries("w2", 2, cursor)
        assert page.total == 5
        seen += [each.job for each in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == ["j08", "j07", "j06", "j05", "j01"]
    with pytest.raises(BadRequest):
        await store.webhooks.deliveries("w2", 2, "1; DROP TABLE deliveries")


async def test_too_many_that_wait_are_dropped_the_oldest_first_and_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commits that make them: a receiver may ask to be left alone for hours, and then there are no attempts."""
    for module in (memory_tables, webhooks):
        monkeypatch.setattr(module, "MOST_WAITING", 3)
        monkeypatch.setattr(module, "KEPT", 2)
    monkeypatch.setattr(webhooks, "COUNTED", 1)
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=tuple(ended(n) for n in range(1, 5))))
    await store.commit(Batch(jobs=tuple(ended(n) for n in range(5, 9))))
    assert [each.job for each in await waiting(store, "w2")] == ["j08", "j07", "j06"]
    page = await store.webhooks.deliveries("w2", 10, None)
    assert [each.job for each in page.items if each.state is Delivered.FAILED] == ["j05", "j04"]
    assert all("waited" in str(each.error) for each in page.items if each.state is Delivered.FAILED)


async def test_a_deleted_webhook_takes_its_deliveries_along(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1),)))
    await store.webhooks.delete("w2")
    assert (await store.webhooks.deliveries("w2", 10, None)).total == 0
    assert await store.webhooks.waiting() == 0


async def test_a_payload_stays_small_and_says_what_it_leaves_out(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1, result={"files": ["x" * 100] * 1000}),)))
    (made,) = await waiting(store, "w2")
    assert len(made.payload) <= LARGEST_PAYLOAD
    told = json.loads(made.payload)["data"]
    assert (told["job"]["id"], told["job"]["result"], told["left_out"]) == ("j01", None, ["result"])


async def test_a_job_whose_id_is_used_again_is_another_message(store: Store) -> None:
    """Publishers choose their jobs' ids, and may choose one again once its project is gone."""
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=(ended(1),)))
    await store.delete_project("p")
    await store.add_project(PROJECT)
    await store.commit(Batch(jobs=(ended(1, State.FAILED, seq=7, ended=70),)))
    messages = await waiting(store, "w2")
    assert [json.loads(each.payload)["type"] for each in messages] == ["job.failed", "job.succeeded"]
    assert len({each.id for each in messages}) == 2


async def test_a_disabled_one_keeps_only_so_many_of_what_waited(store: Store) -> None:
    await store.webhooks.add(ALL)
    await store.commit(Batch(jobs=tuple(ended(n) for n in range(1, 9))))
    await store.webhooks.disable(replace(ALL, disabled=Trouble.GONE, disabled_at=5), 3)
    page = await store.webhooks.deliveries("w2", 10, None)
    assert [each.job for each in page.items] == ["j08", "j07", "j06"]


async def test_what_comes_of_a_test_changes_nothing_for_the_webhook(store: Store) -> None:
    await store.webhooks.add(WEBHOOK)
    test = Delivery(id="m", webhook="w1", created=1, payload="{}", state=Delivered.FAILED, error="no")
    await store.webhooks.settle(test, 10)
    assert (await store.webhooks.all(), (await store.webhooks.deliveries("w1", 10, None)).items) == ([WEBHOOK], (test,))
