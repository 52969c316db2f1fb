"""Request bodies: read whole, within a time, and never more of them at once than there is memory for."""

import asyncio
from typing import Any

from aiohttp import ClientPayloadError, web

from hub.core import strict_json
from hub.core.errors import BadRequest, TooLarge, TooLate, Unavailable


class TooManyBodies(Unavailable):
    """The hub is reading as many large requests as it has memory for; try again shortly."""

    code = "too_many_bodies"


class Bodies:
    """The bodies that are being read."""

    FREE_BYTES = 64 * 1024
    """Of each, for which nobody asks: aiohttp keeps as much of any request that is not read."""

    def __init__(self, timeout_s: float, most_bytes: int) -> None:
        """`most_bytes`: of all that are under way, beyond the first FREE_BYTES of each."""
        self.timeout_s = timeout_s
        self._most_bytes = most_bytes
        self.bytes = 0

    async def read(self, request: web.Request) -> bytes:
        """Raises TooLarge, TooLate, TooManyBodies, and what aiohttp raises for what it cannot decode."""
        parts, size, held = bytearray(), 0, 0
        most = request.client_max_size
        if (request.content_length or 0) > most:  # nobody has to send what will not be taken
            raise too_large(most)
        try:
            async with asyncio.timeout(self.timeout_s):
                async for chunk in request.content.iter_any():
                    size += len(chunk)
                    if size > most:
                        raise too_large(most)
                    more = max(size - self.FREE_BYTES, 0) - held
                    if self.bytes + more > self._most_bytes:
                        raise TooManyBodies(setting="max_bodies_bytes", limit=self._most_bytes)
                    self.bytes += more
                    held += more
                    parts += chunk
        except TimeoutError:
            text = f"The body of a request has to be there within {self.timeout_s:g} s."
            raise TooLate(text, setting="request_body_s", limit=self.timeout_s) from None
        finally:
            self.bytes -= held
        return bytes(parts)


BODIES = web.AppKey("BODIES", Bodies)


def too_large(most: int) -> TooLarge:
    return TooLarge(f"A body may have at most {most} bytes.", setting="max_body_bytes", limit=most)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object, whatever the Content-Type says; an empty body is an empty object.

    Raises BadRequest, TooLarge, TooLate, TooManyBodies.
    """
    try:
        text = (await request.app[BODIES].read(request)).decode()
        value = strict_json.value(text) if text.strip() else {}
    except (web.RequestPayloadError, ClientPayloadError) as exc:
        raise BadRequest("The body could not be decoded.", code="not_json") from exc
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"The body is not JSON: {exc}.", code="not_json") from exc
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", code="not_json")
    return value
