"""Other systems' APIs, so that their clients talk to the hub unchanged.

A surface is one file here and one row in `SURFACES`: an `Encoding`, which turns the hub's own events into that system's
bytes, and thin routes over the same jobs. It has no source of progress and no loop of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from hub.core.ports import Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    name: str
    encoding: Encoding
    routes: Sequence[web.RouteDef]


SURFACES: tuple[Surface, ...] = ()
