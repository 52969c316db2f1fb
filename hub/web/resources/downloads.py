"""What the standards say of downloads: their names, what a client has of them already, and parts of them."""

import urllib.parse

from aiohttp import hdrs, web


def disposition(name: str) -> str:
    """A name for the file, in plain ASCII and as it is (RFC 6266 with RFC 8187)."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%/' else "_" for char in name)
    exact = urllib.parse.quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def is_known(request: web.Request, etag: str) -> bool:
    """Has the client this already (RFC 9110, 13.1.2)?"""
    given = request.headers.get(hdrs.IF_NONE_MATCH, "")
    weak = etag.removeprefix("W/")
    return given.strip() == "*" or weak in {one.strip().removeprefix("W/") for one in given.split(",")}


def range_of(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """The wanted bytes; None for all, which is also the answer to a Range that makes no sense (RFC 9110, 14.2)."""
    if hdrs.RANGE not in request.headers or request.headers.get(hdrs.IF_RANGE, etag) != etag:
        return None
    try:
        found = request.http_range
    except ValueError:
        return None
    start, end = found.start, found.stop
    if start is None:
        return None
    if start < 0:
        return max(0, size + start), size
    return start, size if end is None else min(end, size)
