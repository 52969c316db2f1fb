"""The bundled page: read once, compressed once, asked for again at each load and sent again only when it changed."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from hub.core.errors import NotFound

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
"""Not left to the system's table, which on some machines calls scripts plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    plain: bytes
    packed: bytes
    etag: str
    content_type: str


Assets = Mapping[str, Asset]
ASSETS = web.AppKey("ASSETS", Assets)


def load(folder: Path) -> Assets:
    """Every file of the page by its path below `folder`, with slashes."""
    assets = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            assets[path.relative_to(folder).as_posix()] = Asset(
                plain=data,
                packed=gzip.compress(data, mtime=0),
                etag=hashlib.sha256(data).hexdigest()[:16],
                content_type=kind,
            )
    return assets


async def index(request: web.Request) -> web.Response:
    return _answer(request, request.app[ASSETS]["index.html"])


async def static(request: web.Request) -> web.Response:
    asset = request.app[ASSETS].get(request.match_info["path"])
    if asset is None:
        raise NotFound(f"The page has no file {request.match_info['path']!r}.")
    return _answer(request, asset)


def _answer(request: web.Request, asset: Asset) -> web.Response:
    # The files change with the program, so they are always asked for again; the ETag makes that cheap.
    headers = {"ETag": f'"{asset.etag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if any(etag.value in {asset.etag, "*"} for etag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    body = asset.plain
    if "gzip" in request.headers.get("Accept-Encoding", "") and len(asset.packed) < len(asset.plain):
        headers["Content-Encoding"] = "gzip"
        body = asset.packed
    headers["Content-Security-Policy"] = POLICY
    charset = "utf-8" if asset.content_type.startswith("text/") else None
    return web.Response(body=body, content_type=asset.content_type, charset=charset, headers=headers)


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """On every response, before its headers go."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
