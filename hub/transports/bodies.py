"""Request bodies."""

from typing import Any

from aiohttp import ClientPayloadError, web

from hub.core import strict_json
from hub.core.errors import BadRequest, TooLarge


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object, whatever the Content-Type says; an empty body is an empty object.

    Raises BadRequest, TooLarge.
    """
    try:
        text = (await request.read()).decode()
        value = strict_json.value(text) if text.strip() else {}
    except web.HTTPRequestEntityTooLarge as exc:
        raise TooLarge(f"A body may have at most {request.client_max_size} bytes.") from exc
    except (web.RequestPayloadError, ClientPayloadError) as exc:
        raise BadRequest("The body could not be decoded.", code="not_json") from exc
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"The body is not JSON: {exc}.", code="not_json") from exc
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", code="not_json")
    return value
