"""One attempt: resolve, check, connect to what was checked, send, and hear the answer."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hub.core.errors import UrlRefused
from hub.jobs.base import JobFailed
from hub.webhooks.backoff import Answer
from hub.webhooks.receiver import Receiver

ANSWER_S = 15.0
"""From the first packet to the end of the answer; the specification advises 15 to 30."""
ENOUGH_BYTES = 64 * 1024
"""Of the answer. Nobody reads it; it only has to have arrived."""

Resolve = Callable[[Receiver], Awaitable[Sequence[str]]]
"""The receiver's addresses, each found fit to connect to. Raises UrlRefused, JobFailed."""


class _Checked(AbstractResolver):
    """Knows the addresses that were checked, and no others: what the name says a moment later does not matter."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in self._addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Holds nothing."""


async def send(receiver: Receiver, headers: Mapping[str, str], payload: bytes, resolve: Resolve) -> Answer:
    """Raises nothing but what cancels it."""
    began = time.monotonic()
    status, retry_after_s, error = None, 0.0, None
    try:
        async with asyncio.timeout(ANSWER_S):
            status, retry_after_s = await _asked(receiver, headers, payload, await resolve(receiver))
            error = _refusal(status)
    except TimeoutError:
        error = f"The receiver did not answer within {ANSWER_S:g} s."
    except JobFailed as exc:
        error = exc.failure.message
    except UrlRefused as exc:
        error = exc.message
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        error = f"The receiver could not be reached: {_cause(exc)}."
    took_ms = round((time.monotonic() - began) * 1000)
    return Answer(status=status, error=error, retry_after_s=retry_after_s, took_ms=took_ms)


async def _asked(
    receiver: Receiver, headers: Mapping[str, str], payload: bytes, addresses: Sequence[str]
) -> tuple[int, float]:
    """Status, and for how many seconds the receiver asks to be left alone."""
    connector = aiohttp.TCPConnector(resolver=_Checked(addresses), use_dns_cache=False, force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        request = session.post(
            URL(receiver.url, encoded=True),
            data=payload,
            headers={"Content-Type": "application/json", **headers},
            allow_redirects=False,  # whoever answers could send the hub anywhere
            auto_decompress=False,
        )
        async with request as response:
            await _hear_out(response)
            return response.status, _retry_after_s(response.headers.get("Retry-After", ""))


async def _hear_out(response: aiohttp.ClientResponse) -> None:
    """A receiver that falls over in the middle of its answer may not have kept what it was told."""
    left = ENOUGH_BYTES
    async for part in response.content.iter_any():
        left -= len(part)
        if left <= 0:
            return


def _refusal(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"The receiver answered {status}, a redirect, and the hub follows none. Give the URL that it leads to."
    return f"The receiver answered {status}."


def _retry_after_s(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _cause(exc: BaseException) -> str:
    error = getattr(exc, "os_error", None) or exc
    if isinstance(error, ssl.SSLError):
        return f"TLS, {(error.reason or 'unknown').replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno and error.errno > 0:  # in the system's words: others name addresses
        return os.strerror(error.errno)
    return type(exc).__name__
