"""Random jobs, as busy as told: what a hub is put under while it is killed, stalled and drained."""

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Iterator

from hub.core import ids
from hub.core.events import Body, State
from hub.core.ledger import Ledger
from tests.fakes import PLAN, job_body, log_body, progress_body, stage_body

ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


def life(rng: random.Random, boot: str) -> Iterator[Body]:
    """One job's events; what its log lines say was never said before."""
    yield job_body(State.PAUSED)
    yield job_body()
    percent = 0.0
    for step, stage in enumerate(PLAN, 1):
        yield stage_body(stage.name)
        for n in range(rng.randint(2, 25)):
            if rng.random() < 0.3:
                yield log_body(f"{boot} {stage.name} {n} {'ü' * rng.randint(0, 60)}")
            percent = min(99.0, percent + rng.random())
            yield dataclasses.replace(progress_body(percent, n), stage=stage.name, step=step, message=boot)
    yield job_body(rng.choice(ENDS), result={"by": boot})


async def publish(ledger: Ledger, project: str, seed: object, pause_s: float) -> None:
    """Publish random jobs without end, some at once; `pause_s` between two handfuls of events."""
    rng = random.Random(str(seed))
    boot = ids.token()
    names = (f"{time.time_ns():x}-{boot}-{n}" for n in itertools.count())
    jobs: dict[str, Iterator[Body]] = {}
    while True:
        for _ in range(rng.randint(1, 8)):
            if len(jobs) < 3:
                jobs[next(names)] = life(rng, boot)
            name = rng.choice(list(jobs))
            body = next(jobs[name], None)
            if body is None:
                del jobs[name]
            else:
                ledger.publish(project, name, "load", body)
        await asyncio.sleep(pause_s)
