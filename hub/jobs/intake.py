"""The intake: what is asked becomes an order, or is refused with the reason."""

from collections.abc import Mapping
from typing import Any

from hub.core import ids
from hub.core.errors import BadRequest
from hub.core.estimates import Past, learned, relevant, usual_s
from hub.core.events import JobBody, State
from hub.core.job import JobState
from hub.core.ports import Journal, Project
from hub.core.redaction import MASK, Redactor
from hub.core.retries import Retry
from hub.jobs.base import Accepted, Kind, Rules
from hub.jobs.orders import Order, target_of

PAST_RUNS = 10
"""Earlier runs that are read, to find those that teach."""


class Intake:
    def __init__(
        self, *, kinds: Mapping[str, Kind], rules: Rules, journal: Journal, redactor: Redactor, retry: Retry
    ) -> None:
        """`retry` is the policy of jobs that are started without one."""
        self._kinds = kinds
        self._rules = rules
        self._journal = journal
        self._redactor = redactor
        self._retry = retry

    def kind(self, name: str) -> Kind:
        """Raises BadRequest `unknown_kind`."""
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            raise BadRequest(f"There is no kind {name!r}; there are: {known}.", code="unknown_kind")
        return kind

    def keeps_work(self, name: str) -> bool:
        return name in self._kinds and self._kinds[name].keeps_work

    def check(self, project: Project, kind_name: str, params: Mapping[str, Any]) -> Accepted:
        """What would become of a job that is asked for so. Raises BadRequest, BadParams, UrlRefused."""
        return self.kind(kind_name).check(params, target_of(project), self._rules)

    def policy(self, asked: Any) -> Retry | None:
        """What a request says of when to try again, see `Retry.asked`; with None, the hub's own policy. None: there
        are no other tries. Raises BadRequest.
        """
        policy = self._retry if asked is None else Retry.asked(asked, self._retry)
        return policy if policy.has_more else None

    def recalled(self, job: JobState, project: Project) -> Order | None:
        """The order of a job of an earlier hub; None where it can't be run any more."""
        return Order.recalled(job, self._kinds.get(job.kind), project)

    async def order(
        self,
        project: Project,
        kind_name: str,
        params: Mapping[str, Any],
        *,
        earlier: JobState | None = None,
        resumed: bool = False,
        retry: Retry | None = None,
    ) -> Order:
        """A new job, with a plan that earlier runs have taught; `earlier` is the one that it is a retry of, `retry`
        the policy by which it is tried again.

        Raises BadRequest, BadParams, UrlRefused.
        """
        kind = self.kind(kind_name)
        accepted = kind.check(params, target_of(project), self._rules)
        shown = {**accepted.params, **dict.fromkeys(accepted.secrets, MASK)}
        past = await self._past(project.id, kind_name, shown)
        body = JobBody(
            state=State.QUEUED,
            params=shown,
            plan=learned(kind.stages, past) if kind.learns else kind.stages,
            usual_s=usual_s(past),
            attempt=earlier.attempt + 1 if earlier else 1,
            retry_of=earlier.id if earlier else None,
            resumed=resumed,
            scheduled_by=earlier.scheduled_by if earlier else None,
            retry=retry,
        )
        order = Order(id=ids.job_id(), kind=kind, target=target_of(project), secrets=accepted.secrets, body=body)
        self.mask(order)
        return order

    def mask(self, order: Order) -> None:
        """Have the order's secrets masked in whatever is told of it."""
        user = order.body.params.get("username")
        self._redactor.add(order.secrets.values(), user if isinstance(user, str) else "", order.id)

    async def _past(self, project: str, kind: str, params: Mapping[str, Any]) -> tuple[Past, ...]:
        return relevant(await self._journal.succeeded(project, kind, PAST_RUNS), params)
