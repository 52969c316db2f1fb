"""What a client can be told: there is no hub, it did not answer, or it answered no."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from hub.core.errors import HubError

FINAL_STATUSES = frozenset({401, 403, 404, 410})
"""Asking again, by whatever transport, will not change these."""
LONGEST_RETRY_S = 30.0
"""However long a server that is busy asks to be left alone."""


class WrongUrl(HubError):
    """That is not the URL of a hub."""

    code = "wrong_url"


class WrongToken(HubError):
    """What is to be the hub's token (HUB_TOKEN, or a file) cannot be one: it has spaces, or letters that none has."""

    code = "wrong_token"


class HubUnreachable(HubError):
    """No hub answers there."""

    code = "unreachable"
    retry = True


class NotAHub(HubUnreachable):
    """What answers there is no hub, or one that this client does not understand."""

    code = "not_a_hub"
    retry = False


class HubRefused(HubError):
    """The hub understood the request and said no; `narrow_code`, `message` and `detail` are the hub's own."""

    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.detail = dict(detail or {})
        self.status = status
        """The HTTP status; None when a stream was ended instead."""


class JobCancelled(HubError):
    """Somebody has cancelled this job on the hub."""

    code = "cancelled"


async def refusal(response: aiohttp.ClientResponse) -> HubError:
    """HubRefused with the hub's words in `response`, or NotAHub when whatever sent it was none."""
    try:
        error = (await response.json(content_type=None))["error"]
        return HubRefused(error["message"], code=error["code"], status=response.status, detail=error.get("detail"))
    except (ValueError, KeyError, TypeError, AttributeError):
        answered = f"{response.url.origin()} answered {response.status} {response.reason or ''}".rstrip()
        return NotAHub(f"{answered}, but not as a hub does; is it a Progress Hub?")


def retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """What a busy server asks for (RFC 9110, 10.2.3), bounded; None when it asks for nothing, or names a date."""
    told = response.headers.get("Retry-After", "").strip()
    if response.status not in {429, 503} or not (told.isascii() and told.isdigit()):
        return None
    return min(float(told), LONGEST_RETRY_S)
