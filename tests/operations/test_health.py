"""healthz and readyz mean it, and the metrics keep to what Prometheus asks of names."""

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.core.errors import JournalUnavailable
from hub.core.ports import Batch
from hub.journal.memory import MemoryJournal
from hub.web import app, readiness
from tests.conftest import until
from tests.fakes import log_body
from tests.hubs import Running, running

UNITS = {"seconds", "bytes", "ratio", "info"}
NOT_BASE = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|kib|mb|mib|percent|kilobytes|megabytes)(_|$)")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


async def readyz(hub: Running) -> tuple[int, dict[str, Any]]:
    status, body, _ = await hub.call("GET", "/readyz")
    return status, body


async def test_a_hub_that_can_work_says_so(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as hub:
        assert await readyz(hub) == (
            200, {"status": "ok", "reasons": [], "journal": "ok", "disk": "ok", "drain": "ok"}
        )  # fmt: skip
        status, body, headers = await hub.call("GET", "/healthz")
        assert (status, body["status"], headers["Cache-Control"]) == (200, "ok", "no-store")


async def test_below_the_disk_floor_it_is_not_ready_and_above_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [0]
    async with running(tmp_path / "data", min_free_bytes=1000) as hub:
        monkeypatch.setattr(readiness.shutil, "disk_usage", lambda path: Usage(10_000, 0, free[0]))
        for free[0], wanted in ((999, 503), (1000, 200)):
            status, body = await readyz(hub)
            assert (status, body["disk"] == "ok") == (wanted, wanted == 200)
        free[0] = 999
        _, body = await readyz(hub)
        assert body["reasons"] == ["999 bytes are free, and min_free_bytes is 1000."]


async def test_a_data_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path / "data") as hub:
        real = shutil.disk_usage
        monkeypatch.setattr(readiness.shutil, "disk_usage", lambda path: real(path / "nowhere"))
        status, body = await readyz(hub)
    assert (status, body["disk"]) == (503, "The data folder cannot be looked at: No such file or directory.")


class Draining(readiness.Readiness):
    is_draining = property(lambda self: True, lambda self, value: None)  # type: ignore[assignment]


async def test_a_hub_that_drains_is_alive_and_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "Readiness", Draining)
    async with running(tmp_path / "data") as hub:
        status, body = await readyz(hub)
        assert (status, body["reasons"]) == (503, ["The hub is about to stop."])
        assert (await hub.call("GET", "/healthz"))[0] == 200


class Full(MemoryJournal):
    is_full = True

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            raise JournalUnavailable("disk full")
        await super().commit(batch)


async def test_a_journal_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    journal = Full()
    journal.is_full = False
    async with running(tmp_path / "data", journal) as hub:
        await hub.make_project()
        await hub.begin()
        journal.is_full = True
        hub.publish("p", "j1", log_body())
        await until(lambda: hub.hub.writer.failing_since is not None)
        status, body = await readyz(hub)
        assert (status, body["reasons"]) == (503, ["disk full"])
        journal.is_full = False
        await until(lambda: hub.hub.writer.failing_since is None)
        assert (await readyz(hub))[0] == 200


async def test_metrics_are_named_as_prometheus_asks(tmp_path: Path) -> None:
    """What `promtool check metrics` looks at, and that no label can take any number of values."""
    async with running(tmp_path / "data") as hub:
        for number in range(3):
            await hub.make_project(f"p{number}")
            await hub.begin(f"p{number}", f"j{number}")
            await hub.call("GET", f"/api/v1/projects/p{number}")
            await hub.call("GET", f"/none/{number}")
        async with hub.session.request("PROPFIND", f"{hub.url}/") as response:
            assert response.status in {400, 403, 405}
        async with hub.session.get(f"{hub.url}/metrics") as response:
            text = await response.text()
    names = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    assert len(names) == len(set(names)), "each is declared once"
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("progress_hub_"):
            continue
        assert family.documentation.strip()
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", family.name)
        assert not NOT_BASE.search(family.name), "base units: seconds and bytes"
        assert family.type != "counter" or f"{family.name}_total" in text
        assert family.type != "gauge" or not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert family.type not in {"histogram", "summary"} or family.name.endswith("_seconds")
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert re.fullmatch(r"[a-z]+", label)
                assert value != "p1", "a project is no label"
                assert value not in {"PROPFIND", "/none/1"}
        assert len(family.samples) <= 64, f"{family.name} has too many values"
    assert 'progress_hub_http_requests_total{method="other",status="4xx"} 1.0' in text
