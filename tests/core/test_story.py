"""The recorded story that the page's reducer is tested with, through the hub's own: both must agree on every line."""

import json
from pathlib import Path

from hub.core.events import Event
from hub.core.job import JobState, reduce

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_every_line_of_the_story_makes_the_recorded_state() -> None:
    lines = (FIXTURES / "story.jsonl").read_text(encoding="utf-8").splitlines()
    expected = json.loads((FIXTURES / "story.states.json").read_text(encoding="utf-8"))
    assert len(lines) == len(expected) > 20
    jobs: dict[str, JobState] = {}
    for line, state in zip(lines, expected, strict=True):
        event = Event.from_wire(json.loads(line))
        jobs[event.job] = reduce(jobs.get(event.job), event)
        assert json.loads(json.dumps(jobs[event.job].to_wire())) == state
