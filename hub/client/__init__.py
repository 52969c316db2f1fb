"""The Python client: say how far a program's own work is, start jobs on a hub, and watch them, over whatever the
network lets through.

    from hub.client import Client, track

    for item in track(items, "train", project="x"):     # one line, as with a progress bar
        ...

    with Client.sync() as hub, hub.job("train", project="x", total=100) as job:
        job.update(42)

    async with Client("http://hub:8470") as hub:
        state = await hub.start("clone", project="repo")
        async for message in hub.watch(job=state.id):
            ...
"""

from hub.client.api import DEFAULT_URL, Hub
from hub.client.client import Client
from hub.client.errors import HubRefused, HubUnreachable, JobCancelled, NotAHub, WrongToken, WrongUrl
from hub.client.fold import fold, job_state
from hub.client.job import Job
from hub.client.link import Link, Pace
from hub.client.sync import SyncClient
from hub.client.tracking import track
from hub.client.words import Stage
from hub.core.events import State
from hub.core.job import JobState

__all__ = [
    "DEFAULT_URL",
    "Client",
    "Hub",
    "HubRefused",
    "HubUnreachable",
    "Job",
    "JobCancelled",
    "JobState",
    "Link",
    "NotAHub",
    "Pace",
    "Stage",
    "State",
    "SyncClient",
    "WrongToken",
    "WrongUrl",
    "fold",
    "job_state",
    "track",
]
