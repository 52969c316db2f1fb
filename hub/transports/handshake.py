"""The opening handshake of a WebSocket (RFC 6455, 4.2): from a request's headers to the answer's. Pure."""

import base64
import binascii
import hashlib

from multidict import MultiMapping

from hub.core.errors import BadRequest

KEY_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY_BYTES = 16
VERSION = "13"


class WrongVersion(BadRequest):
    """The hub speaks version 13 of the WebSocket protocol."""

    code = "websocket_version"


def wants_websocket(headers: MultiMapping[str]) -> bool:
    """Does a request ask to be upgraded to a WebSocket, perhaps among other protocols?"""
    return "websocket" in words(headers, "Upgrade")


def answer_headers(headers: MultiMapping[str]) -> dict[str, str]:
    """Raises BadRequest for what is no handshake. Extensions and subprotocols are not taken up.

    The request is HTTP/1.1, and its `Upgrade` names websocket.
    """
    if "upgrade" not in words(headers, "Connection"):
        raise BadRequest("A WebSocket needs the header Connection: Upgrade. Does a proxy on the way drop it?")
    if headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers:
        raise BadRequest("A WebSocket begins with a request that has no body.")
    if headers.get("Sec-WebSocket-Version") != VERSION:
        raise WrongVersion
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        is_key = len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except binascii.Error:
        is_key = False
    if not is_key:
        raise BadRequest("Sec-WebSocket-Key must be 16 bytes in base64.")
    digest = hashlib.sha1(key.encode() + KEY_SALT, usedforsecurity=False).digest()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode()}


def words(headers: MultiMapping[str], name: str) -> set[str]:
    """What a list header names, in small letters, over all its lines (RFC 9110, 5.3)."""
    return {word.strip().lower() for line in headers.getall(name, ()) for word in line.split(",")}
