"""The URL of a hub, checked before anything is asked of it or said about it."""

import urllib.parse

from hub.client.errors import WrongUrl


def address(text: str) -> str:
    """`text` without its last slash. Raises WrongUrl, whose message never holds a password."""
    if "@" in text:  # also where no user info belongs: a password may hold a slash, which ends the part for it
        raise WrongUrl(
            "The hub's URL has an @ in it. User names and passwords do not belong there, and the hub has none; "
            "write an @ of the path as %40."
        )
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise WrongUrl(f"{text!r} is not the URL of a hub: {exc}.") from exc
    if parts.scheme not in {"http", "https"}:
        raise WrongUrl(f"{text!r} is not the URL of a hub: it must begin with http:// or https://.")
    if not parts.hostname or port == 0:
        raise WrongUrl(f"{text!r} is not the URL of a hub: it names no {'port' if parts.hostname else 'host'}.")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as exc:
        raise WrongUrl(f"{text!r} is not the URL of a hub: {parts.hostname!r} cannot be a host.") from exc
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise WrongUrl(f"{text!r} is not the URL of a hub: it must be a host, and a port and a path if need be.")
    return text.rstrip("/")
