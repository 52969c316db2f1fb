"""The bundled page: read once, compressed once, asked for again at each load and sent again only when it changed."""

import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web

from hub.core.errors import NotFound

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
"""Not left to the system's table, which on some machines calls scripts plain text."""

FOR_ALL_SITES = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""The files hold nothing that is anybody's own, and other sites' pages load `job-progress.js` and what that imports."""

COPIED_FROM = "examples/"
"""Files below are there to be copied, with their comments."""
FIRST_MODULE = "app.js"
PRELOADS = b"<!-- modulepreload -->"
"""In index.html: where the modules are named that `FIRST_MODULE` needs, so that they come in one round trip."""
REVISED, REVISION = "link/shared.js", b"REVISION"
"""The file that names the shared worker, and what stands there for a hash of all files: tabs opened before and after an
update never share one."""
_COMMENT = re.compile(rb"^[ \t]*(?://.*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)$", re.MULTILINE)
_IMPORT = re.compile(rb"^(?:import|export)\s(?:[^;'=(]*\sfrom\s)?'(\.[^']+)'", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    plain: bytes
    packed: bytes
    etag: str
    content_type: str

    @classmethod
    def of(cls, data: bytes, content_type: str) -> Self:
        return cls(plain=data, packed=gzip.compress(data, mtime=0), etag=etag_of(data), content_type=content_type)


Assets = Mapping[str, Asset]
ASSETS = web.AppKey("ASSETS", Assets)


def load(folder: Path) -> Assets:
    """Every file of the page by its path below `folder`, with slashes."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
    preloads = b"\n".join(b'<link rel="modulepreload" href="static/%s">' % name.encode() for name in modules(files))
    files["index.html"] = files["index.html"].replace(PRELOADS, preloads)
    if REVISED in files:
        files[REVISED] = files[REVISED].replace(REVISION, revision(files))
    return {name: _asset(name, data) for name, data in files.items()}


def revision(files: Mapping[str, bytes]) -> bytes:
    """Twelve hex digits that change when any of `files` does."""
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(b"%s\0%s" % (name.encode(), hashlib.sha256(data).digest()))
    return whole.hexdigest()[:12].encode()


def modules(files: Mapping[str, bytes], first: str = FIRST_MODULE) -> list[str]:
    """What `first` imports, and what that imports, nearest first; without what is only imported when it is wanted."""
    found = [first]
    for name in found:  # which grows meanwhile
        for named in _IMPORT.finditer(files.get(name, b"")):
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(name), named[1].decode()))
            if wanted not in found:
                found.append(wanted)
    return found[1:]


def without_comments(source: bytes) -> bytes:
    """Comments that have lines of their own become empty lines: they are a sixth of the bytes, and lines keep numbers.

    No text of several lines may hold what looks like one.
    """
    return _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), source)


def _asset(name: str, data: bytes) -> Asset:
    path = Path(name)
    if path.suffix in {".js", ".css"} and not name.startswith(COPIED_FROM):
        data = without_comments(data)
    return Asset.of(data, TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def etag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def has(request: web.Request, etag: str) -> bool:
    """Does who asks have it already (RFC 9110, 13.1.2)?"""
    return any(each.value in {etag, "*"} for each in request.if_none_match or ())


async def index(request: web.Request) -> web.Response:
    return answer(request, request.app[ASSETS]["index.html"])


async def static(request: web.Request) -> web.Response:
    asset = request.app[ASSETS].get(request.match_info["path"])
    if asset is None:
        raise NotFound(f"The page has no file {request.match_info['path']!r}.")
    response = answer(request, asset)
    response.headers.update(FOR_ALL_SITES)
    return response


def answer(request: web.Request, asset: Asset, policy: str = POLICY) -> web.Response:
    # The files change with the program, so they are always asked for again; the ETag makes that cheap.
    headers = {"ETag": f'"{asset.etag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if has(request, asset.etag):
        return web.Response(status=304, headers=headers)
    body = asset.plain
    if "gzip" in request.headers.get("Accept-Encoding", "") and len(asset.packed) < len(asset.plain):
        headers["Content-Encoding"] = "gzip"
        body = asset.packed
    headers["Content-Security-Policy"] = policy
    charset = "utf-8" if asset.content_type.startswith("text/") else None
    return web.Response(body=body, content_type=asset.content_type, charset=charset, headers=headers)


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """On every response, before its headers go."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
