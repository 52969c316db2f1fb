"""What one address may do: requests a second, and streams. The machine itself and trusted proxies may do anything."""

import functools
import math
from collections.abc import AsyncIterator

from aiohttp import web

from hub.access.places import household, is_loopback
from hub.core.errors import Throttled
from hub.core.ports import Clock
from hub.jobs.outside.allowance import Bucket
from hub.transports.bodies import BODIES, Bodies
from hub.transports.stream import CALLER
from hub.web.background import Background
from hub.web.door.peers import UNIX, client_address, is_trusted, normal
from hub.web.errors import Handler
from hub.web.keys import HUB
from hub.web.listening.connections import Caller, Connections, keep_sweeping

BURST_S = 5.0
"""So many seconds' worth of requests may come at once: a page is opened by two dozen, and tabs come back together."""
MOST_BUCKETS = 10_000
"""Addresses that are remembered. A bucket is full again after BURST_S, and then as good as none."""
UNLIMITED = frozenset({"/healthz", "/readyz"})
"""Asked by those who would restart the hub if it did not answer."""


@functools.lru_cache(maxsize=4096)
def share(address: str, trusted: tuple[str, ...] = ()) -> str:
    """Under which name what an address does is counted; empty where it is not, because the address is the machine's
    own, or a proxy's that stands for many.
    """
    plain = normal(address)
    if not plain or address == UNIX or is_loopback(plain) or is_trusted(plain, trusted):
        return ""
    return household(plain)


class RequestRates:
    """A bucket of requests for each address."""

    def __init__(self, per_s: float, clock: Clock) -> None:
        """`per_s` 0: any number."""
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        """The one that was asked last comes last."""
        self.throttled = 0

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str) -> None:
        """Let one request in; `name` as `share` gives it. Raises Throttled, with `retry_after` seconds."""
        if not self._per_s or not name:
            return
        now, depth = self._clock.monotonic(), max(self._per_s * BURST_S, 1.0)
        bucket = self._buckets.pop(name, None) or Bucket(self._per_s, depth, now)
        self._buckets[name] = bucket
        if len(self._buckets) > MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        if wait_s := bucket.take(1, now):
            self.throttled += 1
            raise Throttled(
                f"More than {self._per_s:g} requests a second come from your address; wait a moment.",
                retry_after=math.ceil(wait_s),
                setting="request_rate",
                limit=self._per_s,
            )


RATES = web.AppKey("RATES", RequestRates)
CONNECTIONS = web.AppKey("CONNECTIONS", Connections)


def remember(app: web.Application) -> None:
    """Give the application its limits."""
    hub = app[HUB]
    settings, tracker = hub.settings, hub.tracker
    app[RATES] = RequestRates(settings.request_rate, hub.clock)
    app[BODIES] = Bodies(settings.request_body_s, max(settings.max_bodies_bytes, settings.max_body_bytes))
    app[CONNECTIONS] = Connections(
        settings, lambda: tracker.watcher_count, lambda address: share(address, settings.trusted_proxies)
    )


async def sweeping(app: web.Application) -> AsyncIterator[None]:
    async with Background(keep_sweeping(app[CONNECTIONS]), "sweep"):
        yield


@web.middleware
async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    if isinstance(request.protocol, Caller):
        request.protocol.began()
    trusted = request.app[HUB].settings.trusted_proxies
    request[CALLER] = share(client_address(request), trusted)
    if request.path not in UNLIMITED:
        request.app[RATES].take(request[CALLER])
    return await handler(request)
