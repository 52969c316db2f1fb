"""The post on a stepped clock, with real receivers and a journal in memory."""

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest

from hub.core.errors import Conflict, JournalUnavailable, NotFound, UrlRefused
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Batch, Project
from hub.core.webhooks import Delivered, Trouble, Webhook
from hub.jobs.base import JobFailed, Rules
from hub.journal.memory import MemoryJournal
from hub.webhooks import courier, post, receiver, sending
from hub.webhooks.backoff import DAY_MS, WAITS_S
from tests.conftest import until
from tests.fakes import FakeClock
from tests.webhooks.receivers import receiving


class World:
    """A journal, a clock and a post; jobs end as told."""

    def __init__(self, folder, **options):
        self.journal = MemoryJournal()
        self.clock = FakeClock()
        self.folder = folder
        self.options = {"rules": Rules(allow_networks=("127.0.0.0/8",)), "most": 20, "days": 5.0} | options
        self.ended = 0

    async def begin(self):
        self.post = post.Post(
            self.journal.webhooks, self.clock, folder=self.folder, agent="progress-hub/test", **self.options
        )
        await self.post.start()

    async def webhook(self, url, **fields):
        id_ = f"w{len(self.post.all())}"
        secret = await self.post.add(Webhook(id=id_, url=url, created=self.clock.now_ms(), **fields))
        return id_, secret

    async def end(self, state=State.SUCCEEDED, project="p", kind="clone"):
        self.ended += 1
        now = self.clock.now_ms()
        job = JobState(
            id=f"j{self.ended}", project=project, kind=kind, state=state, seq=self.ended, created=now, ended=now
        )
        await self.journal.commit(Batch(jobs=(job,)))
        return job.id

    async def deliveries(self, id_):
        return list((await self.journal.webhooks.deliveries(id_, 1000, None)).items)

    def pass_s(self, seconds):
        """Let time pass, also for couriers that leave a receiver alone, and have them look."""
        self.clock.now += seconds
        for each in self.post._couriers.values():
            each._paused_until = 0.0
            each.wake()


@contextlib.asynccontextmanager
async def world(folder, **options):
    made = World(folder, **options)
    await made.journal.open(recent_jobs=1)
    for name in ("p", "q"):
        await made.journal.add_project(Project(id=name, name=name, created=1))
    await made.begin()
    try:
        yield made
    finally:
        await made.post.stop()


@pytest.fixture
async def hub(tmp_path):
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
async def there():
    async with receiving() as made:
        yield made


async def test_an_end_is_told_and_signed(hub, there):
    id_, secret = await hub.webhook(there.url)
    job = await hub.end(State.FAILED)
    await until(lambda: there.heard)
    (heard,) = there.heard
    assert heard.is_signed_with(secret)
    assert heard.json["type"] == "job.failed"
    assert (heard.json["data"]["job"]["id"], heard.json["data"]["project"]["id"]) == (job, "p")
    assert heard.json["timestamp"] == "1970-01-01T00:16:40.000Z"
    assert heard.headers["user-agent"] == "progress-hub/test"
    await until(lambda: hub.post.outcomes["delivered"])
    (delivery,) = await hub.deliveries(id_)
    assert (delivery.id, delivery.job, delivery.state, delivery.status) == (heard.id, job, Delivered.DONE, 200)


async def test_filters_let_through_what_was_asked_for(hub, there):
    await hub.webhook(there.url, projects=("q",), kinds=("index", "clone"), states=(State.FAILED,))
    await hub.end(State.FAILED, "p", "clone")
    await hub.end(State.FAILED, "q", "sync")
    await hub.end(State.SUCCEEDED, "q", "clone")
    wanted = await hub.end(State.FAILED, "q", "index")
    await until(lambda: there.heard)
    assert [heard.json["data"]["job"]["id"] for heard in there.heard] == [wanted]
    assert await hub.post.waiting() == 0


async def test_a_failure_is_tried_again_under_the_same_id_until_it_is_heard(hub, there):
    id_, secret = await hub.webhook(there.url)
    there.plan = [500, "drop", "half", 429]
    await hub.end()
    for tries, wait_s in enumerate(WAITS_S[:4], 1):
        await until(lambda tries=tries: hub.post.outcomes["retried"] == tries)
        hub.pass_s(wait_s * 0.85)
        await asyncio.sleep(0.05)
        assert len(there.heard) == tries  # not before its time
        hub.pass_s(wait_s * 0.3)
    await until(lambda: hub.post.outcomes["delivered"])
    assert len({heard.id for heard in there.heard}) == 1
    assert len({heard.headers["webhook-timestamp"] for heard in there.heard}) == 5  # each attempt is signed anew
    assert all(heard.is_signed_with(secret) for heard in there.heard)
    (delivery,) = await hub.deliveries(id_)
    assert (delivery.attempts, hub.post.get(id_).failing_since) == (5, None)


async def test_a_no_is_taken_for_one_and_the_next_message_is_sent(hub, there):
    id_, _ = await hub.webhook(there.url)
    there.plan = [404]
    await hub.end()
    await hub.end()
    await until(lambda: hub.post.outcomes["delivered"])
    assert [each.state for each in await hub.deliveries(id_)] == [Delivered.DONE, Delivered.FAILED]


async def test_gone_disables_and_enabling_begins_anew(hub, there, caplog):
    id_, _ = await hub.webhook(there.url)
    there.plan = [410]
    await hub.end()
    await until(lambda: hub.post.get(id_).disabled)
    assert hub.post.get(id_).disabled is Trouble.GONE
    assert "webhook was disabled" in caplog.text
    assert hub.post.outcomes["disabled"] == 1
    await hub.end()  # nobody wants to know
    assert len(await hub.deliveries(id_)) == 1
    assert await hub.post.enable(id_) is None
    told = await hub.end()
    await until(lambda: len(there.heard) == 2)
    assert there.heard[1].json["data"]["job"]["id"] == told


async def test_days_without_a_success_disable_it_and_what_waits_is_told_to_have_failed(hub, there):
    id_, _ = await hub.webhook(there.url)
    there.plan = [500] * 50
    await hub.end()
    for tries in range(1, 5):
        await until(lambda tries=tries: hub.post.outcomes["retried"] == tries)
        hub.pass_s(DAY_MS / 1000)
    await until(lambda: hub.post.outcomes["retried"] == 5)
    await hub.end()
    hub.pass_s(DAY_MS / 1000)
    await until(lambda: hub.post.get(id_).disabled)
    assert hub.post.get(id_).disabled is Trouble.FAILING
    found = await hub.deliveries(id_)
    assert {each.state for each in found} == {Delivered.FAILED}
    assert any("disabled" in each.error for each in found)


async def test_a_slow_receiver_holds_up_nobody(hub, there):
    async with receiving() as slow:
        slow.plan = ["hang"] * 50
        await hub.webhook(slow.url)
        await hub.webhook(there.url)
        for _ in range(20):
            await hub.end()
        await until(lambda: len(there.heard) == 20)
        await until(lambda: slow.heard)
        assert slow.connections == 1  # one at a time


async def test_a_message_that_the_receiver_cannot_take_keeps_no_other_from_it(hub, there):
    id_, _ = await hub.webhook(there.url)
    there.plan = [500]
    bad = await hub.end()
    await until(lambda: hub.post.outcomes["retried"])
    good = await hub.end()
    hub.pass_s(1)
    await until(lambda: hub.post.outcomes["delivered"])
    assert [each.json["data"]["job"]["id"] for each in there.heard] == [bad, good]
    assert {each.job: each.state for each in await hub.deliveries(id_)} == {
        bad: Delivered.WAITING,
        good: Delivered.DONE,
    }


async def test_what_waits_is_sent_by_the_next_hub(hub, there):
    id_, secret = await hub.webhook(there.url)
    there.plan = [503]
    await hub.end()
    await until(lambda: hub.post.outcomes["retried"])
    await hub.post.stop()
    await hub.end()  # while nobody brings anything
    await hub.begin()
    hub.pass_s(600)
    await until(lambda: hub.post.outcomes["delivered"] == 2)
    assert [each.is_signed_with(secret) for each in there.heard] == [True] * 3
    assert hub.post.get(id_).failing_since is None


async def test_a_clock_that_is_set_back_puts_nothing_off(hub, there):
    await hub.webhook(there.url)
    there.plan = [500]
    hub.clock.now += 10 * DAY_MS / 1000
    await hub.end()
    await until(lambda: hub.post.outcomes["retried"])
    hub.pass_s(-9 * DAY_MS / 1000)
    await until(lambda: hub.post.outcomes["delivered"])


async def test_names_are_looked_up_at_each_attempt_and_what_they_lead_to_is_judged(tmp_path, there):
    """First a public address, then a private one, then one that is open: only the last is connected to."""
    answers = [("93.184.216.34",), ("10.0.0.1",), JobFailed("host_not_found", "No address was found."), ("127.0.0.1",)]
    asked = []

    def resolved(remote, rules):
        asked.append(remote.host)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        receiver.check(remote, found, rules)
        return found

    async with world(tmp_path, resolved=resolved) as hub:
        answers.insert(0, ("127.0.0.1",))  # as it is added
        id_, _ = await hub.webhook(f"http://rebound.example:{there.port}/x")
        await hub.end()
        for tries, wait_s in enumerate(WAITS_S[:3], 1):
            await until(lambda tries=tries: hub.post.outcomes["retried"] == tries)
            assert there.connections == 0
            hub.pass_s(wait_s * 1.2)
        await until(lambda: hub.post.outcomes["delivered"])
        assert asked == ["rebound.example"] * 5
        assert there.connections == 1
        assert (await hub.deliveries(id_))[0].attempts == 4


async def test_a_name_that_leads_inside_is_refused_as_it_is_added(tmp_path):
    def resolved(remote, rules):
        receiver.check(remote, ("10.0.0.1",), rules)
        return ("10.0.0.1",)

    async with world(tmp_path, resolved=resolved) as hub:
        with pytest.raises(UrlRefused):
            await hub.webhook("https://inside.example/")
        assert hub.post.all() == []


async def test_a_name_that_is_not_known_yet_may_be_added(tmp_path):
    def resolved(remote, rules):
        raise JobFailed("host_not_found", "No address was found for it.")

    async with world(tmp_path, resolved=resolved) as hub:
        id_, _ = await hub.webhook("https://later.example/")
        await hub.end()
        await until(lambda: hub.post.outcomes["retried"])
        assert "No address" in (await hub.deliveries(id_))[0].error


async def test_rules_that_were_tightened_hold_for_webhooks_that_are_there(tmp_path, there):
    async with world(tmp_path) as hub:
        await hub.webhook(there.url)
        await hub.post.stop()
        hub.options["rules"] = Rules()
        await hub.begin()
        await hub.end()
        await until(lambda: hub.post.outcomes["retried"])
        assert there.connections == 0


async def test_a_test_is_sent_at_once_and_told_and_changes_nothing(hub, there):
    id_, secret = await hub.webhook(there.url)
    there.plan = [500, 410]
    for wanted in (Delivered.FAILED, Delivered.FAILED, Delivered.DONE):
        assert (await hub.post.test(id_)).state is wanted
    assert [each.json["type"] for each in there.heard] == ["webhook.test"] * 3
    assert all(each.is_signed_with(secret) for each in there.heard)
    assert (hub.post.get(id_).failing_since, hub.post.get(id_).disabled) == (None, None)
    assert len(await hub.deliveries(id_)) == 3


async def test_a_secret_whose_file_is_gone_disables_until_it_is_enabled_with_a_new_one(hub, there, tmp_path):
    id_, secret = await hub.webhook(there.url)
    await hub.post.stop()
    (tmp_path / post.KEY_FILE).unlink()
    await hub.begin()
    assert hub.post.get(id_).disabled is Trouble.SECRET_LOST
    renewed = await hub.post.enable(id_)
    assert renewed not in {None, secret}
    await hub.end()
    await until(lambda: there.heard)
    assert there.heard[0].is_signed_with(renewed)


async def test_a_key_that_is_no_key_is_told(hub, tmp_path, there):
    await hub.webhook(there.url)
    await hub.post.stop()
    (tmp_path / post.KEY_FILE).write_text("scribbled over")
    with pytest.raises(post.WebhookKeyUnreadable):
        await hub.begin()


async def test_a_hub_without_webhooks_has_no_key(hub, tmp_path):
    assert list(tmp_path.iterdir()) == []


async def test_a_removed_one_hears_nothing_and_leaves_nothing(hub, there):
    id_, _ = await hub.webhook(there.url)
    there.plan = ["hang"]
    await hub.end()
    await until(lambda: there.heard)
    await hub.post.remove(id_)
    await hub.end()
    assert (hub.post.all(), await hub.deliveries(id_)) == ([], [])
    with pytest.raises(NotFound):
        hub.post.get(id_)


async def test_there_are_only_so_many(tmp_path, there):
    async with world(tmp_path, most=2) as hub:
        for _ in range(2):
            await hub.webhook(there.url)
        with pytest.raises(Conflict, match="max_webhooks"):
            await hub.post.add(Webhook(id="w9", url=there.url, created=0))


async def test_a_journal_that_fails_loses_nothing(hub, there, monkeypatch):
    monkeypatch.setattr(courier, "TROUBLE_S", 0.02)
    await hub.webhook(there.url)
    settle = hub.journal.webhooks.settle
    failures = []

    async def failing(*values):
        if len(failures) < 3:
            failures.append(values)
            raise JournalUnavailable("disk full")
        await settle(*values)

    monkeypatch.setattr(hub.journal.webhooks, "settle", failing)
    await hub.end()
    await until(lambda: hub.post.outcomes["delivered"])
    assert len(failures) == 3
    assert len(there.heard) == 1  # what was heard is not sent again because the disk is full


async def test_only_so_many_finished_deliveries_are_kept(hub, there, monkeypatch):
    monkeypatch.setattr(courier, "KEPT", 5)
    id_, _ = await hub.webhook(there.url)
    for _ in range(12):
        await hub.end()
    await until(lambda: hub.post.outcomes["delivered"] == 12)
    assert [each.job for each in await hub.deliveries(id_)] == ["j12", "j11", "j10", "j9", "j8"]


async def test_a_receiver_that_is_down_is_left_alone_between_attempts(hub, there, monkeypatch):
    monkeypatch.setattr(sending, "ANSWER_S", 0.05)
    id_, _ = await hub.webhook(there.url)
    there.plan = ["hang"] * 50
    for _ in range(10):
        await hub.end()
    await until(lambda: hub.post.outcomes["retried"] == 1)
    await asyncio.sleep(0.2)
    assert there.connections == 1
    there.plan = []
    hub.pass_s(6)
    await until(lambda: hub.post.outcomes["delivered"] == 10)
    assert replace(hub.post.get(id_), last_success_at=None).failing_since is None


async def test_a_name_server_that_says_nothing_is_asked_once_at_a_time_and_holds_up_nobody(
    tmp_path, there, monkeypatch
):
    monkeypatch.setattr(sending, "ANSWER_S", 0.05)
    monkeypatch.setattr(post, "LOOKUP_S", 0.05)
    silence, asked = threading.Event(), []

    def resolved(remote, rules):
        if remote.host == "silent.example":
            asked.append(remote.host)
            silence.wait(20)
        return ("127.0.0.1",)

    async with world(tmp_path, resolved=resolved) as hub:
        await hub.webhook(f"http://silent.example:{there.port}/")
        await hub.webhook(there.url)
        await hub.end()
        await until(lambda: hub.post.outcomes["delivered"])
        for tries in (1, 2):
            await until(lambda tries=tries: hub.post.outcomes["retried"] == tries)
            hub.pass_s(400)
        assert asked == ["silent.example"]
        silence.set()
        await until(lambda: hub.post.outcomes["delivered"] == 2)


async def test_a_test_under_way_disables_nothing_that_is_enabled_meanwhile(hub, there, monkeypatch):
    id_, _ = await hub.webhook(there.url)
    there.plan = [410, "hang"]
    await hub.end()
    await until(lambda: hub.post.get(id_).disabled)
    monkeypatch.setattr(sending, "ANSWER_S", 0.3)
    testing = asyncio.create_task(hub.post.test(id_))
    await until(lambda: len(there.heard) == 2)
    await hub.post.enable(id_)
    assert (await testing).state is Delivered.FAILED
    told = await hub.end()
    await until(lambda: len(there.heard) == 3)
    assert there.heard[2].json["data"]["job"]["id"] == told


async def test_enabling_twice_at_once_leaves_one_courier(hub, there):
    id_, _ = await hub.webhook(there.url)
    before = {task for task in asyncio.all_tasks() if task.get_name() == f"webhook {id_}"}
    await asyncio.gather(*(hub.post.enable(id_) for _ in range(3)))
    after = {task for task in asyncio.all_tasks() if task.get_name() == f"webhook {id_}" and not task.done()}
    assert (len(before), len(after)) == (1, 1)


async def test_one_that_is_removed_while_it_is_enabled_stays_removed(hub, there, monkeypatch):
    id_, _ = await hub.webhook(there.url)
    table, gate = hub.journal.webhooks, asyncio.Event()
    add = table.add

    async def slow(webhook):
        await gate.wait()
        await add(webhook)

    monkeypatch.setattr(table, "add", slow)
    enabling = asyncio.create_task(hub.post.enable(id_))
    await asyncio.sleep(0)
    removing = asyncio.create_task(hub.post.remove(id_))
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(enabling, removing, return_exceptions=True)
    assert (await table.all(), hub.post.all()) == ([], [])


async def test_a_key_that_is_lost_is_lost_for_those_that_were_disabled_too(hub, there, tmp_path):
    id_, secret = await hub.webhook(there.url)
    there.plan = [410]
    await hub.end()
    await until(lambda: hub.post.get(id_).disabled)
    await hub.post.stop()
    (tmp_path / post.KEY_FILE).unlink()
    await hub.begin()
    assert await hub.post.enable(id_) not in {None, secret}


async def test_a_hub_that_is_killed_while_it_notes_a_lost_key_notes_it_the_next_time(hub, there, tmp_path, monkeypatch):
    id_, _ = await hub.webhook(there.url)
    await hub.post.stop()
    (tmp_path / post.KEY_FILE).unlink()

    async def full(*_):
        raise JournalUnavailable("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(hub.journal.webhooks, "disable", full)
        with pytest.raises(JournalUnavailable):
            await hub.begin()
    await hub.begin()
    assert hub.post.get(id_).disabled is Trouble.SECRET_LOST


async def test_a_failure_now_and_then_disables_nothing(hub, there):
    """Ends may come once a week: the one before had its day of attempts, and this one is to have its own."""
    id_, _ = await hub.webhook(there.url)
    there.plan = [404, 503]
    await hub.end()
    await until(lambda: hub.post.outcomes["failed"])
    hub.pass_s(7 * DAY_MS / 1000)
    await hub.end()
    await until(lambda: hub.post.outcomes["retried"])
    assert hub.post.get(id_).disabled is None
    hub.pass_s(60)
    await until(lambda: hub.post.outcomes["delivered"])


async def test_a_webhook_can_be_changed_and_keeps_its_secret_and_what_waits(hub, there):
    async with receiving() as elsewhere:
        id_, secret = await hub.webhook(there.url)
        there.plan = [500]
        first = await hub.end()
        await until(lambda: hub.post.outcomes["retried"])
        changed = await hub.post.change(id_, url=elsewhere.url, states=(State.FAILED,), name="new")
        assert (changed.url, changed.name) == (elsewhere.url, "new")
        hub.pass_s(60)
        await until(lambda: elsewhere.heard)
        await hub.end(State.SUCCEEDED)
        last = await hub.end(State.FAILED)
        await until(lambda: len(elsewhere.heard) == 2)
        assert [heard.json["data"]["job"]["id"] for heard in elsewhere.heard] == [first, last]
        assert all(heard.is_signed_with(secret) for heard in elsewhere.heard)
        with pytest.raises(UrlRefused):
            await hub.post.change(id_, url="https://10.0.0.1/")
        assert await hub.journal.webhooks.all() == hub.post.all() == [hub.post.get(id_)]


async def test_a_message_that_the_hub_cannot_send_keeps_no_other_from_the_receiver(hub, there, monkeypatch, caplog):
    await hub.webhook(there.url)
    send, broken = sending.send, []

    async def breaking(found, headers, payload, resolve):
        if b'"j1"' in payload:
            broken.append(payload)
            raise RuntimeError("nobody foresaw this")
        return await send(found, headers, payload, resolve)

    monkeypatch.setattr(sending, "send", breaking)
    await hub.end()
    await hub.end()
    await until(lambda: broken)
    await until(lambda: hub.post.outcomes["retried"])
    hub.pass_s(1)
    await until(lambda: hub.post.outcomes["delivered"])
    assert [heard.json["data"]["job"]["id"] for heard in there.heard] == ["j2"]
    assert "nobody foresaw this" in caplog.text
