"""The mailbox against the plainest thing that could be right: the list of all that was offered."""

from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hub.core.events import Event
from hub.core.mailbox import Mailbox, Offer
from tests.core.machines.profiles import paced
from tests.fakes import event, log_body, progress_body

PROJECTS, JOBS = ("p", "q"), ("a", "b", "c")


class Mail(RuleBasedStateMachine):
    @initialize(limit=st.integers(0, 4))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.box = Mailbox(limit)
        self.kept: list[Event] = []
        self.seqs = dict.fromkeys(PROJECTS, 0)

    @rule(job=st.sampled_from(JOBS), step=st.integers(1, 3), is_log=st.booleans())
    def offer(self, job: str, step: int, is_log: bool) -> None:
        project = "p" if job < "c" else "q"  # a job belongs to one project
        self.seqs[project] += step
        body: Any = log_body() if is_log else progress_body(1)
        said = self.box.offer(offered := event(self.seqs[project], body, job=job, project=project))
        older = [each for each in self.kept if not each.is_lossless and each.job == job]
        if is_log and sum(each.is_lossless for each in self.kept) == self.limit:
            assert said is Offer.FULL
            return
        assert said is (Offer.MERGED if not is_log and older else Offer.KEPT)
        self.kept = [each for each in self.kept if is_log or each not in older] + [offered]

    @rule()
    def drain(self) -> None:
        drained = self.box.drain()
        for project in PROJECTS:
            wanted = [each for each in self.kept if each.project == project]
            assert [each for each in drained if each.project == project] == wanted, "in order, and all of it"
        assert len(drained) == len(self.kept)
        self.kept = []

    @invariant()
    def it_holds_what_it_should(self) -> None:
        assert len(self.box) == len(self.kept) <= self.limit + len(JOBS)


TestMail = Mail.TestCase
TestMail.settings = paced(40, 30)
