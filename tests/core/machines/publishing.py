"""Rules: what publishers do, and mistakes they make."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from hub.core.errors import HubError, JobEnded, JournalUnavailable
from hub.core.events import State
from tests.core.machines.scene import PROJECTS, Scene, project_names
from tests.fakes import job_body, log_body, progress_body

ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Publishing(Scene):
    @precondition(lambda self: len(self.live) < 4)
    @rule(project=project_names, state=st.sampled_from([State.QUEUED, State.RUNNING]))
    def begin(self, project: str, state: State) -> None:
        if project in self.life.projects:
            self._begin(project, state)

    def _draw_job(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.live)), label="job")

    @precondition(lambda self: self.live)
    @rule(data=st.data(), count=st.sampled_from([1, 1, 2, 5, 20]), turns=st.integers(0, 3))
    def progress(self, data: st.DataObject, count: int, turns: int) -> None:
        job = self._draw_job(data)
        for _ in range(count):
            self._advance(job)
            self.life.loop.turn(turns)

    def _advance(self, job: str) -> None:
        if job not in self.live:
            return
        if job not in self.stages:
            self._enter(job, "fetch")
        project, percent = self.live[job]
        self.live[job] = (project, percent := min(99.9, round(percent + 0.3, 1)))
        self.life.publish(project, job, progress_body(percent, int(10 * percent), self.stages[job]))

    @precondition(lambda self: self.live)
    @rule(data=st.data(), count=st.integers(1, 5), turns=st.integers(0, 5))
    def log(self, data: st.DataObject, count: int, turns: int) -> None:
        job = self._draw_job(data)
        for n in range(count):
            self._publish(job, log_body(f"line {n} £"))
            self.life.loop.turn(turns)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), words=st.text("pppplls.", min_size=4, max_size=30))
    def busy_time(self, data: st.DataObject, words: str) -> None:
        """Much happens while some take nothing: progress, log lines and moments."""
        jobs = sorted(self.live)
        for client in self.clients:
            if client.peer is not None and data.draw(st.booleans(), label="stalls"):
                client.peer.pipe.is_stalled = True
        for n, word in enumerate(words):
            job = jobs[n % len(jobs)]
            if word == "p":
                self._advance(job)
            elif word == "s" and job in self.live:
                self._enter(job, "unpack" if self.stages.get(job) == "fetch" else "fetch")
            elif word == "l":
                self._publish(job, log_body("x" * 200))
            else:
                self.life.loop.step(0.02)
            self.life.loop.turn(3)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), stage=st.sampled_from(["fetch", "unpack"]))
    def next_stage(self, data: st.DataObject, stage: str) -> None:
        self._enter(self._draw_job(data), stage)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), state=st.sampled_from(ENDS))
    def end(self, data: st.DataObject, state: State) -> None:
        job = self._draw_job(data)
        project, _ = self.live.pop(job)
        self.life.publish(project, job, job_body(state, result={"of": job}))
        for body in (log_body(), job_body(State.RUNNING), progress_body(99.9)):
            try:
                self.life.publish(project, job, body)
            except JobEnded:
                continue
            raise AssertionError("nothing may follow an end")

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def mistake_the_project(self, data: st.DataObject) -> None:
        """A job's id in another project, or a project that is not: refused, and nothing comes of it."""
        job = self._draw_job(data)
        for other in {*PROJECTS, "nowhere"} - {self.live[job][0]}:
            for body in (progress_body(99.9), job_body(State.FAILED)):
                try:
                    self.life.publish(other, job, body)
                except HubError:
                    continue
                raise AssertionError("a job belongs to one project")

    @rule()
    def acknowledge(self) -> None:
        """A publisher waits until what it has published is durable."""
        life = self.life
        owed = list(life.ledger._uncommitted)
        lines = dict(life.ledger._lines)

        async def wait() -> None:
            try:
                await life.writer.durable()
            except JournalUnavailable:
                return
            disk = life.journal.disk
            for event in owed:
                if life.ledger._lines.get(event.project) is lines[event.project]:  # else it was deleted meanwhile
                    is_pruned = event.project in disk._projects and event.seq <= disk._floors[event.project]
                    is_kept = event in disk._events.get(event.project, [event])
                    assert is_kept or is_pruned, "acknowledged before it was durable"

        self._do(wait())
