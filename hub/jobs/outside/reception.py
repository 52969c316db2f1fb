"""Outside jobs: programs elsewhere run them and publish what they do; here it is taken, checked and told.

A job lives as long as somebody speaks for it. Nobody can be killed from here, so a cancel is a request, which the
publisher finds in the answer to whatever it says next, and the hub ends the job by itself when that takes too long.
"""

import asyncio
import collections
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from hub.core.errors import (
    Conflict,
    ForeignJob,
    HubError,
    JobEnded,
    JournalUnavailable,
    NotFound,
    Throttled,
    Unavailable,
)
from hub.core.events import State
from hub.core.ledger import Ledger
from hub.core.ports import Clock, Journal, Timer
from hub.core.publication import MAX_EVENTS
from hub.core.said import Said, SaidJob, SaidLog
from hub.jobs.outside.allowance import Rates
from hub.jobs.outside.listening import Listening
from hub.jobs.outside.outcome import Answer, Outcome
from hub.jobs.outside.outsider import Outsider
from hub.jobs.outside.receipts import Receipts
from hub.jobs.outside.register import Found, Gone, Register, beginning
from hub.jobs.outside.roster import Roster
from hub.jobs.outside.terms import Terms

log = logging.getLogger(__name__)

TICK_S = 1.0


class Draining(Unavailable):
    """The hub is stopping; send it again, with the same keys, when it is back."""

    code = "draining"


class OtherKind(Conflict):
    """The job is of another kind, so somebody else has taken this id; ids are unique over all projects."""

    code = "other_kind"


class Outside:
    """Every live outside job, and what may be said of it."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        journal: Journal,
        durable: Callable[[], Awaitable[None]],
        trouble: Callable[[], str] = lambda: "",
        terms: Terms | None = None,
    ) -> None:
        """`durable`: as for the engine; `trouble` says why the journal takes nothing now, and nothing while it does."""
        self._ledger = ledger
        self._clock = clock
        self._durable = durable
        self._trouble = trouble
        self._terms = terms or Terms()
        self._jobs = Roster(self._terms.most, self._terms.most_of_project)
        self._register = Register(journal, ledger, clock)
        self._receipts = Receipts(journal, ledger, durable)
        self._rates = Rates(self._terms.events_per_s, MAX_EVENTS, clock)
        self._looking = asyncio.Lock()
        self._leaving: set[str] = set()
        self._is_closing = False
        self._timer: Timer | None = None
        self._listening = Listening(clock)
        self.counts: collections.Counter[str] = collections.Counter()
        """Events by outcome; `throttled` ones were turned away with their whole request."""

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on with the jobs that were live when an earlier hub ended, each with all its time to speak."""
        for job in self._ledger.live_jobs():
            if job.is_outside:
                self._jobs.add(Outsider(self._ledger, self._clock, job, self._listening.seconds))
        self._listening.begin()
        self._timer = self._clock.later(TICK_S, self._tick)

    def stop(self) -> None:
        """Take nothing more. What is held back is told; the jobs stay live, for the next hub."""
        self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        for job in self._jobs.all():
            job.flush()

    def is_live(self, job: str) -> bool:
        return job in self._jobs

    # -- what can be asked --------------------------------------------------------------------------------------------

    def admit(self, project: str, count: int) -> None:
        """Let so many events of the project in. Raises Throttled, with `retry_after` seconds."""
        try:
            self._rates.take(project, min(count, MAX_EVENTS))
        except Throttled:
            self.counts["throttled"] += count
            raise

    async def publish(self, project: str, said: Sequence[Said]) -> Answer:
        """Take all of it, in order; returns once what is lossless in it is durable.

        What does not fit a job's state is refused by itself. Raises NotFound, Draining, Conflict `project_leaving`, and
        JournalUnavailable: then the same may be said again, as long as it has keys.
        """
        self._check(project)
        if all(each.job in self._jobs for each in said) and not self._receipts.open(said):
            answer, is_urgent = self._take(project, said, Found())
        else:
            async with self._looking:  # so that nothing that is looked up here begins and ends meanwhile
                self._check(project)  # who waited while the journal failed does not try its patience in turn
                unknown = {each.job: each for each in reversed(said) if each.job not in self._jobs}
                found = await self._register.look_up(project, unknown.values())
                await self._receipts.recall(said)
                self._check(project)
                answer, is_urgent = self._take(project, said, found)
        if is_urgent:
            await self._durable()
        return answer

    def cancel(self, job_id: str) -> None:
        """Ask the publisher of a live job to stop. Twice is fine."""
        self._jobs[job_id].cancel(self._listening.seconds)

    @contextlib.contextmanager
    def closing(self, project: str) -> Iterator[None]:
        """No job of the project begins within the block; it has none now."""
        self._leaving.add(project)
        try:
            yield
            self._rates.forget(project)
            self._receipts.forget(project)
            self._register.forget(project)
        finally:
            self._leaving.discard(project)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check(self, project: str) -> None:
        if self._is_closing:
            raise Draining
        if project in self._leaving:
            raise Conflict("The project is being deleted.", code="project_leaving")
        if not self._ledger.has(project):
            raise NotFound(f"There is no project {project!r}.")
        if trouble := self._trouble():
            raise JournalUnavailable(f"The hub cannot write its journal just now: {trouble}")

    def _take(self, project: str, said: Sequence[Said], found: Found) -> tuple[Answer, bool]:
        """The answer, and whether it has to wait for the journal."""
        before = self._ledger.lossless
        outcomes = []
        for each in said:
            try:
                outcome = self._hear(project, each, found)
            except HubError as exc:
                outcome = Outcome(word="refused", error=exc)
            self.counts[outcome.word] += 1
            outcomes.append(outcome)
        is_urgent = self._ledger.lossless > before or any(outcome.word == "duplicate" for outcome in outcomes)
        jobs = {id_: state for id_ in {each.job: None for each in said} if (state := self._state(project, id_, found))}
        return Answer(outcomes=outcomes, jobs=jobs), is_urgent

    def _hear(self, project: str, said: Said, found: Found) -> Outcome:
        job = self._jobs.get(said.job)
        if job is not None and job.project == project:
            job.heard(self._listening.seconds)
        if (known := self._receipts.find(project, said)) is not None:
            return Outcome(word="duplicate", seq=known.seq, left_out=known.seq is None and isinstance(said, SaidLog))
        if job is None:
            if (gone := self._register.gone(said.job, found)) is not None:
                gone.refuse(project, said)
                return Outcome(word="duplicate")
            job, seq = self._begin(project, said, found)
            if isinstance(said, SaidJob) and not said.state.is_end:
                self._receipts.keep(project, said, seq)
                return Outcome(seq=seq)
        elif job.project != project:
            raise ForeignJob
        elif job.kind != said.kind:
            raise OtherKind(f"The job {job.id} is a {job.kind}, not a {said.kind}.")
        outcome = job.hear(said)
        self._receipts.keep(project, said, outcome.seq)
        self._settle(job)
        return outcome

    def _begin(self, project: str, said: Said, found: Found) -> tuple[Outsider, int]:
        """The job, and the number of its first event."""
        if (own := self._ledger.job(said.job)) is not None:
            if own.project != project:
                raise ForeignJob
            raise OtherKind(f"The job {own.id} is a {own.kind} that the hub runs itself.")
        self._jobs.check_room(project)
        if (earlier := found.earlier.get(said.job)) is None:  # it lived when the request came, and ended meanwhile
            raise JobEnded
        body, past = beginning(said, earlier, self._terms.silence_s)
        seq = self._ledger.publish(project, said.job, said.kind, body).seq
        state = self._ledger.job(said.job)
        assert state is not None
        job = Outsider(self._ledger, self._clock, state, self._listening.seconds, past)
        self._jobs.add(job)
        self._receipts.begin(said.job)
        return job, seq

    def _settle(self, job: Outsider) -> None:
        """Let go of the job if it has ended."""
        if job.end is None:
            return
        self._drop(job)
        gone = Gone(project=job.project, kind=job.kind, state=job.end, percent=job.percent)
        self._register.add(job.id, gone)

    def _drop(self, job: Outsider) -> None:
        self._jobs.drop(job)
        self._receipts.end(job.id)

    def _tick(self) -> None:
        self._listening.look()
        self._timer = self._clock.later(TICK_S, self._tick)
        for job in self._jobs.all():
            try:
                job.tick(self._listening.seconds, self._terms.cancel_s)
                self._settle(job)
            except HubError as exc:  # its project was deleted meanwhile
                log.warning("%s", exc, extra={"action": "outside_job_dropped", "job": job.id})
                self._drop(job)
            except Exception:  # one that breaks must not keep the others waiting
                log.exception("an outside job broke", extra={"action": "outside_job_broke", "job": job.id})

    def _state(self, project: str, id_: str, found: Found) -> tuple[State, float] | None:
        job = self._ledger.job(id_)
        if job is not None:
            return (job.state, job.percent) if job.project == project else None
        gone = self._register.gone(id_, found)
        if gone is None or gone.state is None or gone.project != project:
            return None
        return gone.state, gone.percent
