"""What a client can be told: the hub did not answer, or it answered no."""

from collections.abc import Mapping
from typing import Any, Self

import aiohttp

from hub.core.errors import HubError

FINAL_STATUSES = frozenset({401, 403, 404, 410})
"""Asking again, by whatever transport, will not change these."""


class HubUnreachable(HubError):
    """No hub answers there."""

    code = "unreachable"
    retry = True


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

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> Self:
        """The refusal in `response`, also when whatever sent it was no hub."""
        try:
            error = (await response.json(content_type=None))["error"]
            return cls(error["message"], code=error["code"], status=response.status, detail=error.get("detail"))
        except (ValueError, KeyError, TypeError):
            return cls(
                f"{response.url.origin()} answered {response.status} {response.reason or ''}".rstrip()
                + " and did not say why; is it a Progress Hub?",
                code="not_a_hub",
                status=response.status,
            )
