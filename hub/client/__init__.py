"""The Python client: start jobs on a hub and watch them, over whatever the network lets through.

`async with Hub(url) as hub: ...`, then `create_project`, `start` and `async for message in hub.watch(job=...)`.
"""

from hub.client.api import DEFAULT_URL, Hub
from hub.client.errors import HubRefused, HubUnreachable, NotAHub, WrongUrl
from hub.client.fold import fold, job_state
from hub.client.link import Link, Pace

__all__ = [
    "DEFAULT_URL",
    "Hub",
    "HubRefused",
    "HubUnreachable",
    "Link",
    "NotAHub",
    "Pace",
    "WrongUrl",
    "fold",
    "job_state",
]
