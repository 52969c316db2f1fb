"""Webhooks: add, list, read, delete, test, enable, and what became of deliveries."""

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from hub.core import ids
from hub.core.catalog import ALL
from hub.core.errors import BadRequest
from hub.core.events import ENDS, State
from hub.core.webhooks import Trouble, Webhook
from hub.web.assembly import Hub
from hub.web.bodies import listing, paging, read_object, text_field
from hub.web.keys import HUB
from hub.webhooks import receiver

MOST_VALUES = 100
WHY = {
    Trouble.GONE: "The receiver answered 410, which means that it wants to hear nothing more.",
    Trouble.FAILING: "Nothing has reached the receiver for days.",
    Trouble.SECRET_LOST: "The file webhooks.key is gone, and with it the secret. Enabling it gives it a new one.",
}


FIELDS = frozenset({"url", "name", "projects", "kinds", "states"})


async def create(request: web.Request) -> web.Response:
    """The answer alone shows the whole URL, and the secret with which what is sent is signed."""
    hub = request.app[HUB]
    fields = _fields(hub, await read_object(request, FIELDS))
    if "url" not in fields:
        raise BadRequest("url is missing: where is the receiver?")
    webhook = Webhook(id=ids.job_id(), created=hub.clock.now_ms(), **fields)
    secret = await hub.post.add(webhook)
    answer = webhook_object(webhook) | {"url": webhook.url, "secret": secret}
    return web.json_response(
        answer, status=201, headers={"Location": f"/api/v1/webhooks/{webhook.id}", "Cache-Control": "no-store"}
    )


async def list_(request: web.Request) -> web.Response:
    limit, cursor = paging(request)
    all_ = request.app[HUB].post.all()
    rest = [webhook for webhook in all_ if cursor is None or webhook.id > cursor]
    items = [webhook_object(webhook) for webhook in rest[:limit]]
    return listing(items, len(all_), rest[limit - 1].id if len(rest) > limit else None)


async def read(request: web.Request) -> web.Response:
    return web.json_response(webhook_object(request.app[HUB].post.get(request.match_info["webhook"])))


async def change(request: web.Request) -> web.Response:
    """What is given replaces what was; null for a filter lets everything through. The secret stays."""
    hub = request.app[HUB]
    hub.post.get(request.match_info["webhook"])
    fields = _fields(hub, await read_object(request, FIELDS))
    return web.json_response(webhook_object(await hub.post.change(request.match_info["webhook"], **fields)))


async def delete(request: web.Request) -> web.Response:
    await request.app[HUB].post.remove(request.match_info["webhook"])
    return web.Response(status=204)


async def test(request: web.Request) -> web.Response:
    """Send a test now; the answer tells what came of it."""
    await read_object(request, frozenset())
    delivery = await request.app[HUB].post.test(request.match_info["webhook"])
    return web.json_response(delivery.to_wire())


async def enable(request: web.Request) -> web.Response:
    """Tell a webhook that was disabled of what ends from now on."""
    await read_object(request, frozenset())
    post, id_ = request.app[HUB].post, request.match_info["webhook"]
    secret = await post.enable(id_)
    answer = webhook_object(post.get(id_))
    return web.json_response(answer | {"secret": secret} if secret else answer, headers={"Cache-Control": "no-store"})


async def deliveries(request: web.Request) -> web.Response:
    """The newest hundred that are over, and all that wait; newest first."""
    limit, cursor = paging(request)
    page = await request.app[HUB].post.deliveries(request.match_info["webhook"], limit, cursor)
    return listing([each.to_wire() for each in page.items], page.total, page.next)


def webhook_object(webhook: Webhook) -> dict[str, Any]:
    """`state` is enabled, failing or disabled; `trouble` says why it is disabled. Of the URL no more than the host."""
    wire = webhook.to_wire() | {"url": receiver.shown(webhook.url)}
    return wire | {"state": state_of(webhook), "trouble": webhook.disabled and WHY[webhook.disabled]}


def state_of(webhook: Webhook) -> str:
    if webhook.disabled is not None:
        return "disabled"
    return "enabled" if webhook.failing_since is None else "failing"


def _fields(hub: Hub, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request says of a webhook. Raises BadRequest, NotFound for a project."""
    fields: dict[str, Any] = {}
    if (url := text_field(body, "url")) is not None:
        fields["url"] = url
    if "name" in body:
        fields["name"] = text_field(body, "name", 200) or ""
    for name in {"projects", "kinds"} & body.keys():
        fields[name] = _texts(body, name)
    for project in fields.get("projects", ()):
        if project != ALL:  # which is made when it is first needed
            hub.catalog.get(project)
    if "states" in body:
        ends = [state.value for state in State if state in ENDS]
        fields["states"] = tuple(map(State, _texts(body, "states", ends)))
    return fields


def _texts(body: Mapping[str, Any], name: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """A list of texts; empty when it is not there. Raises BadRequest."""
    value = body.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
        raise BadRequest(f"{name} must be a list of 1 to {MOST_VALUES} texts; leave it out for all.")
    found = [text_field({name: each}, name, 64) for each in value]
    for each in found:
        if each is None or (known and each not in known):
            raise BadRequest(f"{name} must be texts" + (f" out of: {', '.join(known)}." if known else "."))
    return tuple(dict.fromkeys(each for each in found if each is not None))
