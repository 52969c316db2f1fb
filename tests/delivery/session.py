"""A scripted life of one project: two jobs at once with everything in it that a stream can carry."""

import dataclasses
from collections.abc import Awaitable, Callable

from hub.core.events import Failure, State
from tests.delivery.account import Account
from tests.fakes import job_body, log_body, progress_body, stage_body
from tests.hubs import Running

LAST = "job-b"
WORDS = ("naïve façade", "日本語のログ", "emoji 🙂 and 🧑‍🚀", "plain", "line\nbreak\tand \x1b[31mcolour", "\u2028 ¼ €")
ERROR = Failure(code="host_not_found", message="Kein Rechner „schön“.", stage="unpack", hint="Prüfen.", retry=True)


def is_over(account: Account) -> bool:
    """Has the session's last end come?"""
    job = account.jobs.get(LAST)
    return job is not None and job.state.is_end


async def play(hub: Running, step: Callable[[], Awaitable[None]]) -> None:
    """Publish the session; after each part wait for its commit and for `step`, so that its flushes are the same."""

    async def part(job: str, *bodies: object) -> None:
        hub.publish("p", job, *bodies)  # type: ignore[arg-type]
        await hub.settle()
        await step()

    unpack = dataclasses.replace(progress_body(50, 1), stage="unpack", step=2)
    await part("job-a", job_body(State.QUEUED, queue=1))
    await part("job-a", job_body(), stage_body("fetch"))
    for n, words in enumerate(WORDS):
        await part("job-a", log_body(words), *(progress_body(5 * n + m, 10 * n + m) for m in range(5)))
        await part("job-a", progress_body(5 * n + 4.5, 10 * n + 9))
    await part(LAST, job_body(State.QUEUED, queue=1))
    await part(LAST, job_body(), stage_body("fetch"))
    for n, words in enumerate(WORDS):
        hub.publish("p", LAST, progress_body(n, n), log_body(words[::-1]))
        await part("job-a", *(dataclasses.replace(unpack, percent=50.0 + n, current=n) for _ in range(3)))
        if n == 0:
            await part("job-a", stage_body("unpack"), unpack)
    await part("job-a", job_body(State.SUCCEEDED, result={"path": "/srv/größe", "head": None}))
    await part(LAST, stage_body("unpack"), dataclasses.replace(unpack, percent=75.0, current=7))
    await part(LAST, *(log_body("y" * 300) for _ in range(3)), job_body(State.FAILED, error=ERROR))
