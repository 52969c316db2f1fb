"""`/metrics`: the list of what there is, and that the numbers move with what they count."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.core.ports import Batch
from hub.journal.memory import MemoryJournal
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, running

EVENTS = "/api/v1/projects/p/events"
LISTED = {  # name without prefix: labels
    "build_info": {"version", "boot", "python", "sqlite"},
    "http_requests_total": {"method", "status"},
    "jobs_ended_total": {"kind", "state"},
    "draining": set(),
    "disk_free_bytes": set(),
    "disk_floor_bytes": set(),
    "events_published_total": {"type"},
    "messages_encoded_total": set(),
    "messages_delivered_total": set(),
    "numbers_merged_total": set(),
    "progress_dropped_total": set(),
    "watchers_congested_total": set(),
    "streams_opened_total": {"transport"},
    "streams_ended_total": {"reason"},
    "catch_ups_total": {"way"},
    "cursors_lost_total": {"reason"},
    "watchers": {"transport"},
    "connections": set(),
    "watchers_slow": set(),
    "backlog_bytes": set(),
    "lag_events_max": set(),
    "publications_total": {"outcome"},
    "jobs": {"state"},
    "projects": set(),
    "journal_up": set(),
    "journal_failing_seconds": set(),
    "journal_failures_total": set(),
    "journal_waiting_events": set(),
    "journal_commit_seconds_count": set(),
    "journal_commit_seconds_sum": set(),
    "schedule_turns_total": {"outcome"},
    "webhooks": {"state"},
    "webhook_attempts_total": {"outcome"},
    "sockets": set(),
    "connections_ended_total": {"reason"},
    "requests_throttled_total": set(),
    "loop_lag_seconds_bucket": {"le"},
    "loop_lag_seconds_count": set(),
    "loop_lag_seconds_sum": set(),
}


async def scraped(hub: Running) -> dict[tuple[str, str], float]:
    """By name without prefix and label value ("" for none)."""
    async with hub.session.get(f"{hub.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, f"{family.name} does not say what it is"
        for sample in family.samples:
            if sample.name.startswith("progress_hub_") and not sample.name.endswith("_created"):
                name = sample.name.removeprefix("progress_hub_")
                assert set(sample.labels) == LISTED[name], name
                found[name, "/".join(sample.labels.values())] = sample.value
    return found


async def test_what_is_listed_is_there_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        async with hub.session.get(hub.url + EVENTS, params={"since": "nonsense"}) as response:
            assert response.status == 200
        assert {name for name, _ in await scraped(hub)} == set(LISTED)


async def test_the_numbers_follow_what_happens(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        await hub.begin()
        async with hub.session.ws_connect(hub.url + EVENTS), hub.session.ws_connect(hub.url + EVENTS) as socket:
            await until(lambda: hub.hub.tracker.watchers_of("p") == 2)
            before = await scraped(hub)
            hub.publish("p", "j1", log_body(), progress_body(5), progress_body(6), log_body())
            await hub.settle()
            await until(lambda: hub.hub.tracker.channel("p").head == hub.hub.ledger.job("j1").seq)
            messages = [await socket.receive_json() for _ in range(6)]
            assert [m["type"] for m in messages] == ["hello", "snapshot", "log", "merged", "progress", "log"]
            now = await scraped(hub)
            assert now["watchers", "ws"] == now["connections", ""] == 2
            assert now["events_published_total", "log"] - before["events_published_total", "log"] == 2
            assert now["messages_delivered_total", ""] - before["messages_delivered_total", ""] == 8
            assert now["messages_encoded_total", ""] - before["messages_encoded_total", ""] == 4
            assert now["numbers_merged_total", ""] - before["numbers_merged_total", ""] == 2
            assert now["jobs", "running"] == now["projects", ""] == 1
            assert now["catch_ups_total", "snapshot"] == now["streams_opened_total", "ws"] == 2
        await until(lambda: hub.hub.tracker.watcher_count == 0)
        hub.publish("p", "j1", job_body(State.SUCCEEDED))
        await hub.settle()
        now = await scraped(hub)
        assert now["streams_ended_total", "left"] == 2
        assert now["jobs", "running"] == now["watchers", "ws"] == now["journal_waiting_events", ""] == 0
        assert now["journal_commit_seconds_count", ""] > 0


class Refusing(MemoryJournal):
    is_full = False

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            raise JournalUnavailable("disk full")
        await super().commit(batch)


async def test_a_journal_in_trouble_is_loud_and_recovers(tmp_path: Path) -> None:
    journal = Refusing()
    async with running(tmp_path, journal) as hub:
        await hub.make_project()
        await hub.begin()
        journal.is_full = True
        hub.publish("p", "j1", log_body())
        await until(lambda: hub.hub.writer.failing_since is not None)
        now = await scraped(hub)
        assert now["journal_up", ""] == 0
        assert now["journal_waiting_events", ""] == 1
        assert now["journal_failures_total", ""] >= 1
        journal.is_full = False
        await until(lambda: hub.hub.writer.failing_since is None)
        now = await scraped(hub)
        assert (now["journal_up", ""], now["journal_failing_seconds", ""]) == (1, 0)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("text/plain", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
async def test_both_formats_are_spoken(tmp_path: Path, accept: str, content_type: str) -> None:
    async with (
        running(tmp_path) as hub,
        hub.session.get(f"{hub.url}/metrics", headers={"Accept": accept}) as response,
    ):
        assert response.content_type == content_type
        assert "progress_hub_journal_up 1.0" in await response.text()
