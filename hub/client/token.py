"""The token that a client shows the hub."""

import os

from hub.client.errors import WrongToken

VARIABLE = "HUB_TOKEN"


def known_token(given: str | None) -> str:
    """`given`, else HUB_TOKEN's, else none: empty. Raises WrongToken, whose message does not hold it."""
    token = (os.environ.get(VARIABLE, "") if given is None else given).strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise WrongToken
    return token
