"""One kind of job started on many projects at once."""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hub.core.errors import AlreadyRunning, BadParams, BadRequest, HubError, TooLarge
from hub.core.events import State
from hub.core.ports import JobFilter
from hub.jobs import gate
from hub.jobs.base import ALL
from hub.web.assembly import Hub
from hub.web.bodies import object_field, read_object, text_field
from hub.web.keys import HUB
from hub.web.resources import starts
from hub.web.resources.jobs import key_of, state_object

MOST_PROJECTS = 1000
"""Named in one request."""
FILTERS = frozenset({"match", "last"})
NEVER = "never"
LASTS = (NEVER, *(state.value for state in State if state.is_end))
ACCEPTED, ALREADY_RUNNING, REFUSED = "accepted", "already_running", "refused"
OUTCOMES = (ACCEPTED, ALREADY_RUNNING, REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is asked to be started, wherever that is."""

    kind: str
    params: Mapping[str, Any]
    retry: Any
    key: str | None

    def key_for(self, project: str) -> str | None:
        """Each job has a key of its own, so that a request sent again starts none twice."""
        return None if self.key is None else hashlib.sha256(f"{self.key}\n{project}".encode()).hexdigest()


async def start(request: web.Request) -> web.Response:
    """202 with an outcome for each project, in their order. One that is refused keeps none of the others.

    Sent again with the same Idempotency-Key, it starts what was refused before, and nothing twice.
    """
    hub = request.app[HUB]
    body = await read_object(request, frozenset({"kind", "params", "projects", "retry"}))
    kind, params, retry = text_field(body, "kind", 64), object_field(body, "params"), body.get("retry")
    if kind is None:
        raise BadRequest("kind is missing: which job is to run?")
    batch = Batch(kind=kind, params=params, retry=retry, key=key_of(request))
    hub.engine.check_kind(kind, retry)
    starts.check(kind, params)
    wanted = await _wanted(hub, body.get("projects"), batch)
    _check_secrets(hub, wanted, batch)
    items = [await _started(hub, project, batch) for project in wanted]
    counts = {outcome: sum(item["outcome"] == outcome for item in items) for outcome in OUTCOMES}
    return web.json_response({"items": items, "total": len(items), **counts}, status=202)


async def _started(hub: Hub, id_: str, batch: Batch) -> dict[str, Any]:
    """`{project, outcome, job? | error?}`; an error is as it would be told alone."""
    try:
        project, key = hub.catalog.get(id_), batch.key_for(id_)
        job = await starts.begin(hub, project, batch.kind, batch.params, key, retry=batch.retry)
    except AlreadyRunning as exc:
        running = await hub.engine.state(exc.detail["job"])
        return {"project": id_, "outcome": ALREADY_RUNNING, "job": state_object(hub, running)}
    except HubError as exc:
        return {"project": id_, "outcome": REFUSED, **exc.to_wire()}
    return {"project": id_, "outcome": ACCEPTED, "job": state_object(hub, job)}


# -- which projects ---------------------------------------------------------------------------------------------------


async def _wanted(hub: Hub, value: Any, batch: Batch) -> Sequence[str]:
    """The ids of the projects that the request means, each once; with those for which it was sent before, whatever
    its filter says of them since. Raises BadRequest, KeyReused, TooLarge.
    """
    named, wanted = _named(value)
    ids = named if named is not None else [project.id for project in hub.catalog.all() if project.id != ALL]
    known = {id_ for id_ in ids if await _is_known(hub, id_, batch)}  # all of them before any job is started
    return [id_ for id_ in ids if id_ in known or await _fits(hub, id_, batch.kind, wanted)]


def _named(value: Any) -> tuple[list[str] | None, Mapping[str, str]]:
    """The ids that a request names, or None and its filter of all projects. Raises BadRequest, TooLarge."""
    if value == ALL:
        return None, {}
    if isinstance(value, dict):
        return None, _filter(value)
    if not isinstance(value, list) or not value or not all(isinstance(id_, str) for id_ in value):
        raise BadRequest(f'projects must be a list of project ids, "{ALL}", or a filter by {_words(FILTERS)}.')
    if len(value) > MOST_PROJECTS:
        raise TooLarge(f"A request names at most {MOST_PROJECTS} projects.")
    return list(dict.fromkeys(value)), {}


def _filter(value: Mapping[str, Any]) -> Mapping[str, str]:
    if not value or set(value) - FILTERS or not all(isinstance(text, str) and text for text in value.values()):
        raise BadRequest(f"A filter of projects has {_words(FILTERS)}, each a text, and at least one of them.")
    if value.get("last", NEVER) not in LASTS:
        raise BadRequest(f"last must be one of: {', '.join(LASTS)}.")
    return value


async def _is_known(hub: Hub, id_: str, batch: Batch) -> bool:
    """Whether a job of the project came of this very request. Raises KeyReused."""
    key = batch.key_for(id_)
    return key is not None and bool(await hub.engine.known(id_, batch.kind, batch.params, key, retry=batch.retry))


async def _fits(hub: Hub, id_: str, kind: str, wanted: Mapping[str, str]) -> bool:
    """`match` is a glob on the id, `last` how the newest job of this kind ended, if there was one."""
    if not fnmatch.fnmatchcase(id_, wanted.get("match", "*")):
        return False
    if "last" not in wanted:
        return True
    newest = (await hub.journal.jobs(JobFilter(project=id_, kinds=(kind,)), 1, None)).items
    return (newest[0].state.value if newest else NEVER) == wanted["last"]


def _check_secrets(hub: Hub, ids: Sequence[str], batch: Batch) -> None:
    """A token is one host's, and no other is to be told it. Raises BadParams."""
    hosts = {host for id_ in ids if (host := _told_host(hub, id_, batch)) is not None}
    if len(hosts) > 1:
        raise BadParams(
            f"These projects are on {len(hosts)} hosts ({', '.join(sorted(hosts)[:3])}{', …' * (len(hosts) > 3)}), and "
            "each of them would be told the secrets. Name the projects of one host.",
            code="secrets_for_many_hosts",
        )


def _told_host(hub: Hub, id_: str, batch: Batch) -> str | None:
    """The host that would be told the secrets of the project's job; None where none is: a key for ssh stays here."""
    try:
        project = hub.catalog.get(id_)
        if project.url is None or not hub.engine.check(project, batch.kind, batch.params).secrets:
            return None
        remote = gate.parse(project.url)
    except HubError:  # which is the outcome of this project
        return None
    return f"{remote.scheme}://{remote.authority}" if remote.is_http else None


def _words(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))
