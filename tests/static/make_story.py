"""Writes the story that both folds of events are tested with: `python tests/static/make_story.py`.

tests/fixtures/story.jsonl is one project's life as events, a line each; story.states.json is, for each line, the state
object of that line's job as hub/core/job.py has it after that line.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from hub.core.events import Body, Event, Failure, JobBody, LogBody, ProgressBody, Stage, StageBody, State  # noqa: E402
from hub.core.job import JobState, reduce  # noqa: E402
from hub.core.retries import Retry  # noqa: E402

FIXTURES = ROOT / "tests" / "fixtures"
PLAN = (
    Stage(name="connect", title="Connecting", weight=2),
    Stage(name="receiving", title="Receiving objects", weight=60),
    Stage(name="checkout", title="Writing files", weight=13),
)
STEPS = {stage.name: step for step, stage in enumerate(PLAN, 1)}


def job(state: str, **more: object) -> JobBody:
    return JobBody(state=State(state), **{"params": {"depth": 1}} | more)


def stage(name: str) -> StageBody:
    return StageBody(stage=name, title=PLAN[STEPS[name] - 1].title, step=STEPS[name], steps=len(PLAN))


def progress(name: str, current: int, total: int | None, percent: float, **more: object) -> ProgressBody:
    fields = {"unit": "objects", "rate": None, "eta_s": None, "stalled_s": None, "message": "", "detail": {}} | more
    step = {"stage": name, "step": STEPS[name], "steps": len(PLAN)}
    return ProgressBody(**step, current=current, total=total, percent=percent, **fields)


LOST = Failure(code="host_not_found", message="No host.", stage="connect", hint="Check the address.", retry=True)
LEFT = {"stage": "receiving", "current": 2801, "total": 2801, "unit": "objects"}
"""The counts of a progress that was merged away."""
A, B, C, D, E = "01a1-first", "01a1-second", "01a1-third", "01a1-fourth", "01a1-fifth"
F, G, H = "01a1-sixth", "01a1-seventh", "outside"
POLICY = Retry(attempts=3, backoff_s=10.0)
STORY: list[tuple[str, Body]] = [
    (A, job("queued", plan=PLAN, queue=1, usual_s=(30.0, 41.5))),
    (A, job("running")),
    (A, stage("connect")),
    (A, LogBody(level="info", message="Connecting to git.example.org", stage="connect")),
    (A, job("failed", error=LOST, resumable=True)),
    (B, job("queued", plan=PLAN, queue=2, attempt=2, retry_of=A, resumed=True)),
    (C, job("queued", plan=PLAN, queue=3, params={})),
    (B, job("queued", queue=1, attempt=2, retry_of=A)),
    (B, job("running", attempt=2, retry_of=A)),
    (B, stage("connect")),
    (C, job("cancelled", params={})),
    (B, stage("receiving")),
    (B, progress("receiving", 0, None, 2.7)),
    (B, progress("receiving", 120, 2800, 6.2, rate=60.5, eta_s=(40.0, 55.0), detail={"received_bytes": 9000})),
    (B, job("paused", attempt=2, retry_of=A)),
    (B, job("queued", queue=2, attempt=2, retry_of=A)),
    (B, job("queued", queue=1, attempt=2, retry_of=A)),
    (B, job("running", attempt=2, retry_of=A)),
    (B, progress("receiving", 120, 2800, 6.2, stalled_s=12.0, detail={"received_bytes": 9000})),
    (B, LogBody(level="warning", message="remote: «schön», 3 objects skipped\n", stage="receiving")),
    (B, progress("receiving", 2800, 2800, 82.6, rate=71.0, eta_s=(2.0, 3.0), message="Receiving objects: 100%")),
    (B, StageBody(stage="unplanned", title="Something the plan did not hold", step=3, steps=4, left=LEFT)),
    (B, stage("checkout")),
    (B, progress("checkout", 60, 61, 99.9, unit="files", rate=500.0, eta_s=(0.0, 1.0))),
    (B, job("succeeded", attempt=2, retry_of=A, result={"path": "/srv/demo", "head": None, "bare": False})),
    (B, progress("checkout", 61, 61, 99.9, unit="files")),
    (A, LogBody(level="info", message="after the end", stage=None)),
    (D, progress("receiving", 5, 10, 30.0)),
    (D, job("running")),
    (D, stage("receiving")),
    (D, job("paused")),
    (D, job("cancelling")),
    (D, job("interrupted")),
    (E, job("queued", plan=PLAN, queue=1)),
    (E, job("paused")),
    (E, job("queued", queue=1)),
    (E, job("running")),
    (E, stage("connect")),
    (E, job("paused")),
    (E, job("running")),
    (E, job("paused")),
    (E, job("interrupted", resumable=True)),
    (F, job("queued", plan=PLAN, queue=1, retry=POLICY)),
    (F, job("running", retry=POLICY)),
    (F, stage("connect")),
    (F, job("failed", error=LOST, retry=POLICY)),
    (G, job("queued", plan=PLAN, attempt=2, retry_of=F, retry=POLICY.next(), starts_at=1_790_000_009_000)),
    (G, job("queued", queue=1, attempt=2, retry_of=F, retry=POLICY.next())),
    (G, job("running", attempt=2, retry_of=F, retry=POLICY.next())),
    (G, job("succeeded", attempt=2, retry_of=F, retry=POLICY.next())),
    (H, job("running", silence_s=60.0)),
    (H, StageBody(stage="fit", title="Fitting", step=1, steps=1)),
    (H, job("cancelling")),
    (H, job("cancelled")),
]


def main() -> None:
    states: dict[str, JobState] = {}
    lines, expected = [], []
    for seq, (name, body) in enumerate(STORY, 1):
        event = Event(project="demo", seq=seq, at=1_790_000_000_000 + 137 * seq, job=name, kind="clone", body=body)
        states[name] = reduce(states.get(name), event)
        lines.append(json.dumps(event.to_wire(), ensure_ascii=False))
        expected.append(states[name].to_wire())
    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / "story.jsonl").write_text("\n".join(lines) + "\n")
    (FIXTURES / "story.states.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
