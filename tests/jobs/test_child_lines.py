"""A child that says what makes no sense: its job ends all the same, as failed, and what watchers get is JSON."""

import json
from pathlib import Path

import pytest

from hub.core.events import State
from hub.jobs import process
from tests.jobs.engines import shop

DEEP = '{"result": ' + '{"a":' * 900 + "1" + "}" * 900 + "}"


@pytest.fixture(autouse=True)
def _odd_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROGRAM", "tests.jobs.odd_words")


@pytest.mark.parametrize(
    "line",
    [
        '{"result": 5}', '{"result": {"x": NaN}}', '{"failed": 5}', '{"failed": {"code": 5, "message": {}}}',
        '{"failed": {"evil": 1}}', '{"stage": {"a": 1}}', '{"progress": {"current": NaN}}', "[]", "{",
    ],
)  # fmt: skip
async def test_whatever_a_child_says_its_job_ends(tmp_path: Path, line: str) -> None:
    async with shop(tmp_path / "data") as works:
        end = await works.end(await works.submit("steps", say=line))
        assert end.state is State.FAILED
        assert end.error is not None
        assert end.error.code == "crashed"
        for event in works.events:
            json.dumps(event.to_wire(), allow_nan=False)


async def test_an_end_that_cannot_be_told_leaves_the_project_free(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        for _ in range(2):
            end = await works.end(await works.submit("steps", say=DEEP))
            assert end.error is not None
            assert end.error.code == "crashed"
