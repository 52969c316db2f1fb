"""The intake: what is asked becomes an order, or is refused with the reason."""

from collections.abc import Mapping
from typing import Any

from hub.core import ids
from hub.core.errors import BadRequest
from hub.core.estimates import Past, learned, relevant, usual_s
from hub.core.events import JobBody, State
from hub.core.job import JobState
from hub.core.ports import JobFilter, Journal, Project
from hub.core.redaction import MASK, Redactor
from hub.jobs.base import Accepted, Kind, Rules
from hub.jobs.orders import Order, target_of

PAST_RUNS = 10
"""Earlier runs that are read, to find those that teach."""


class Intake:
    def __init__(self, *, kinds: Mapping[str, Kind], rules: Rules, journal: Journal, redactor: Redactor) -> None:
        self._kinds = kinds
        self._rules = rules
        self._journal = journal
        self._redactor = redactor

    def kind(self, name: str) -> Kind:
        """Raises BadRequest `unknown_kind`."""
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            raise BadRequest(f"There is no kind {name!r}; there are: {known}.", code="unknown_kind")
        return kind

    def keeps_work(self, name: str) -> bool:
        return name in self._kinds and self._kinds[name].keeps_work

    def recalled(self, job: JobState, project: Project) -> Order | None:
        """The order of a job that has waited since before the hub was started; None where it can't be run any more."""
        has_begun = job.started is not None or job.state not in {State.QUEUED, State.PAUSED}
        return None if has_begun else Order.recalled(job, self._kinds.get(job.kind), project)

    async def order(
        self,
        project: Project,
        kind_name: str,
        params: Mapping[str, Any],
        *,
        earlier: JobState | None = None,
        resumed: bool = False,
    ) -> Order:
        """A new job, with a plan that earlier runs have taught; `earlier` is the one that it is a retry of.

        Raises BadRequest, BadParams, UrlRefused.
        """
        kind = self.kind(kind_name)
        accepted = kind.check(params, target_of(project), self._rules)
        shown = {**accepted.params, **dict.fromkeys(accepted.secrets, MASK)}
        past = await self._past(project.id, kind_name, shown)
        body = JobBody(
            state=State.QUEUED,
            params=shown,
            plan=learned(kind.stages, past),
            usual_s=usual_s(past),
            attempt=earlier.attempt + 1 if earlier else 1,
            retry_of=earlier.id if earlier else None,
            resumed=resumed,
        )
        job_id = ids.job_id()
        self._mask(accepted, job_id)
        return Order(id=job_id, kind=kind, target=target_of(project), secrets=accepted.secrets, body=body)

    def _mask(self, accepted: Accepted, job: str) -> None:
        user = accepted.params.get("username")
        self._redactor.add(accepted.secrets.values(), user if isinstance(user, str) else "", job)

    async def _past(self, project: str, kind: str, params: Mapping[str, Any]) -> tuple[Past, ...]:
        wanted = JobFilter(project=project, kind=kind, state=State.SUCCEEDED)
        return relevant((await self._journal.jobs(wanted, PAST_RUNS, None)).items, params)
