"""The way to a hub: what an address lets through, and how quickly. It watches the feed, and starts nothing."""

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from hub.client.address import address
from hub.doctor.findings import Finding, fail, ok, warn

ANSWER_S = 10.0
FIRST_S = 4.0
"""A stream says hello at once; one that has not by then is held back."""
LATE_MS = 150.0
POLL_S = 3
CLOCK_S = 5.0
EVENTS = "/api/v1/events"
BUFFERED = (
    "Something on the way keeps the stream back until it ends. In nginx: `proxy_buffering off` for this place, and no "
    "`proxy_ignore_headers X-Accel-Buffering`; elsewhere, switch response buffering and compression off."
)


class _Cut(Exception):
    """The stream has ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    first_ms: float
    late_ms: float | None
    """How late the heartbeat came; None when none was waited for."""


async def look(hub: str, headers: Mapping[str, str], *, patient: bool = True) -> list[Finding]:
    """`patient`: wait for a heartbeat on each stream, too (`heartbeat_s`, 10 s by default). Raises WrongUrl."""
    base = address(hub)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=dict(headers), timeout=timeout) as session:
        found, offset_ms = await _health(session, base)
        if offset_ms is None:
            return found
        found.append(await _ready(session, base))
        right = await _right(session, base)
        if right is not None:
            return [*found, right]
        tries = (_websocket(session, base), _sse(session, base))
        (ws, sse), poll = await asyncio.gather(
            asyncio.gather(*(_streamed(each, offset_ms, patient=patient) for each in tries)), _poll(session, base)
        )
    ways = [_told("websocket", "WebSocket", ws), _told("sse", "Events (SSE)", sse), poll]
    return [*found, *ways, verdict(ways)]


def verdict(ways: list[Finding]) -> Finding:
    best = next((way for way in ways if way.level != "fail"), None)
    if best is None:
        return fail("hub.verdict", "Nothing live gets through", "Compare the proxy with `progress-hub recipe nginx`.")
    name = best.id.removeprefix("hub.")
    return ok("hub.verdict", f"Clients use {name} here")


async def _health(session: aiohttp.ClientSession, base: str) -> tuple[list[Finding], float | None]:
    """And how far the hub's clock is ahead of this one, in ms; None when no hub answers."""
    began, began_ms = time.monotonic(), time.time() * 1000
    try:
        async with session.get(f"{base}/healthz") as response:
            text = await response.text()
            if response.status == 403 and "unknown_host" in text:
                advice = "Name it to the hub: allowed_hosts, or have the proxy pass another Host."
                return [fail("hub.health", "The hub does not go by that name", advice)], None
            body = json.loads(text)
            version, server_ms = body["version"], float(body["server_ms"])
    except aiohttp.ClientConnectorCertificateError as exc:
        advice = "Give the hub's proxy a certificate that this machine trusts (SSL_CERT_FILE)."
        return [fail("hub.health", f"The certificate is not good: {exc}", advice)], None
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        advice = "Is the hub up, and the address right? On the hub's machine: progress-hub serve"
        return [fail("hub.health", f"Nothing answers at {base}: {_reason(exc)}", advice)], None
    except (ValueError, KeyError, TypeError):
        return [fail("hub.health", f"What answers at {base} is no hub", "Check the address, and the path in it.")], None
    took_ms = (time.monotonic() - began) * 1000
    offset_ms = server_ms - (began_ms + took_ms / 2)
    found = [ok("hub.health", f"Progress Hub {version} answers", took_ms)]
    if abs(offset_ms) > 1000 * CLOCK_S + took_ms:
        text = f"The hub's clock is {offset_ms / 1000:+.0f} s from this one"
        found.append(warn("hub.clock", text, "Have both clocks set by NTP."))
    return found, offset_ms


def _reason(exc: Exception) -> str:
    """The system's own words, without the library's around them."""
    inner = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    if isinstance(inner, ssl.SSLError):
        return f"TLS fails ({inner.reason or inner}); is it https?"
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)
    return str(inner) or "no answer in time"


async def _ready(session: aiohttp.ClientSession, base: str) -> Finding:
    try:
        async with session.get(f"{base}/readyz") as response:
            if response.status == 200:
                return ok("hub.ready", "It is ready to work")
            if response.status in {401, 403}:
                return warn("hub.ready", "It does not tell without a token whether it is ready", "Set HUB_TOKEN.")
            body = await response.json(content_type=None)
            return fail("hub.ready", f"It is not ready: {', '.join(body.get('reasons') or [body.get('status', '?')])}")
    except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError) as exc:
        return warn("hub.ready", f"/readyz was not answered: {exc!r}", "Does the proxy pass /readyz?")


async def _right(session: aiohttp.ClientSession, base: str) -> Finding | None:
    """None: this caller may watch."""
    try:
        async with session.get(base + EVENTS, headers={"Accept": "application/json"}) as response:
            if response.status in {401, 403}:
                told = (await response.json(content_type=None))["error"]
                advice = "Put a token with the role `watch` into HUB_TOKEN."
                return fail("hub.sign_in", f"{told['code']}: {told['message']}", advice)
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as exc:
        return fail("hub.sign_in", f"The API was not answered: {exc!r}", f"Does the proxy pass {EVENTS}?")
    return None


async def _websocket(session: aiohttp.ClientSession, base: str) -> AsyncIterator[dict[str, Any]]:
    async with session.ws_connect(base + EVENTS, max_msg_size=0) as socket:
        async for frame in socket:
            yield json.loads(frame.data)


async def _sse(session: aiohttp.ClientSession, base: str) -> AsyncIterator[dict[str, Any]]:
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    whole = aiohttp.ClientTimeout(total=None)
    async with session.get(base + EVENTS, headers=headers, timeout=whole, read_bufsize=1 << 22) as response:
        if response.status != 200 or response.content_type != "text/event-stream":
            raise ValueError(f"answered with {response.status}, {response.content_type}")
        waiting = b""
        async for chunk in response.content.iter_any():
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


async def _streamed(messages: AsyncIterator[dict[str, Any]], offset_ms: float, *, patient: bool) -> _Seen | Exception:
    began = time.monotonic()
    first_ms = None
    try:
        async with asyncio.timeout(FIRST_S) as patience:
            async for message in messages:
                if first_ms is None:
                    first_ms = (time.monotonic() - began) * 1000
                    if not patient:
                        return _Seen(first_ms=first_ms, late_ms=None)
                    wait_s = float(message.get("heartbeat_s", 10)) + FIRST_S
                    patience.reschedule(asyncio.get_running_loop().time() + wait_s)
                if message["type"] == "heartbeat":
                    late_ms = time.time() * 1000 + offset_ms - message["server_ms"]
                    return _Seen(first_ms=first_ms, late_ms=late_ms)
    except TimeoutError:
        return TimeoutError("a heartbeat did not come" if first_ms is not None else "nothing came")
    except (aiohttp.ClientError, ValueError, KeyError, TypeError, OSError) as exc:
        return exc
    return _Cut("the stream was cut")


def _told(name: str, title: str, seen: _Seen | Exception) -> Finding:
    if isinstance(seen, _Seen):
        if seen.late_ms is not None and seen.late_ms > LATE_MS:
            text = f"{title}: events come {seen.late_ms:.0f} ms late"
            advice = "The proxy waits for more to send along. In haproxy: `option http-no-delay`."
            return warn(f"hub.{name}", text, advice, seen.first_ms)
        return ok(f"hub.{name}", f"{title}: live", seen.first_ms)
    if isinstance(seen, TimeoutError):
        return fail(f"hub.{name}", f"{title}: held back, {seen}", BUFFERED)
    if isinstance(seen, _Cut):
        advice = "Something on the way ends streams: raise its limits of time and silence."
        return fail(f"hub.{name}", f"{title}: {seen}", advice)
    if isinstance(seen, aiohttp.WSServerHandshakeError):
        advice = "The proxy does not pass the upgrade on. nginx needs proxy_http_version 1.1, Upgrade and Connection."
        return fail(f"hub.{name}", f"{title}: refused, answered with {seen.status}", advice)
    return fail(f"hub.{name}", f"{title}: {seen}", "")


async def _poll(session: aiohttp.ClientSession, base: str) -> Finding:
    """Does an answer that waits get through?"""
    headers = {"Accept": "application/json"}
    began = time.monotonic()
    try:
        async with session.get(base + EVENTS, headers=headers) as response:
            cursor = (await response.json())["cursor"]
        first_ms = (time.monotonic() - began) * 1000
        query = {"since": cursor, "wait": str(POLL_S)}
        async with session.get(base + EVENTS, headers=headers, params=query) as response:
            response.raise_for_status()
            await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as exc:
        advice = "Answers that wait do not get through: raise the proxy's time limit for answers to 60 s."
        return fail("hub.poll", f"Long poll: {exc!r}", advice)
    return ok("hub.poll", f"Long poll: an answer that waited {POLL_S} s came through", first_ms)
