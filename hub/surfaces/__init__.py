"""Other systems' APIs, so that their clients talk to the hub unchanged.

A surface is one file here and one row in `SURFACES`: a pure function from a job's state to that system's messages, and
thin routes over the same jobs. It has no source of progress and no loop of its own.
"""

from collections.abc import Mapping, Sequence

from aiohttp import web

from hub.surfaces import clone, index, ingest, snapshot, sync

SURFACES: Mapping[str, Sequence[web.RouteDef]] = {
    "clone stream": clone.ROUTES,
    "git sync": sync.ROUTES,
    "index stream": index.ROUTES,
    "snapshot progress": snapshot.ROUTES,
    "ingest stream": ingest.ROUTES,
}
