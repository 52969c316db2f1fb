"""kill -9 between an end and its delivery: no end is forgotten, and what comes twice is known by its id."""

import asyncio
import random
import signal
import socket

import pytest

from tests.conftest import until
from tests.processes import HubProcess
from tests.webhooks.receivers import receiving

ROUNDS = 5


@pytest.fixture
def dead_url():
    """Of a server that is not there: a clone of it fails at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/nothing.git"


async def call(hub, *request):
    return await asyncio.to_thread(hub.call, *request)


async def failed_clone(hub, project):
    job = await call(hub, "POST", f"projects/{project}/jobs", {"kind": "clone"})
    return job["id"]


async def ended(hub, job):
    while (await call(hub, "GET", f"jobs/{job}"))["state"] != "failed":
        await asyncio.sleep(0.01)


async def test_an_end_whose_delivery_was_on_its_way_is_told_again_under_the_same_id(tmp_path, dead_url):
    async with receiving() as receiver:
        hub = await asyncio.to_thread(HubProcess, tmp_path / "data")
        try:
            project = (await call(hub, "POST", "projects", {"url": dead_url}))["id"]
            webhook = await call(hub, "POST", "webhooks", {"url": receiver.url})
            receiver.plan = ["hang"]
            job = await failed_clone(hub, project)
            await until(lambda: receiver.heard, 20)
            await asyncio.to_thread(hub.stop, signal.SIGKILL)
            await asyncio.to_thread(hub.start)
            await until(lambda: len(receiver.heard) == 2, 20)
            first, second = receiver.heard
            assert (first.id, first.body) == (second.id, second.body)
            assert first.json["data"]["job"]["id"] == job
            assert second.is_signed_with(webhook["secret"])
            deliveries = f"webhooks/{webhook['id']}/deliveries"
            while (page := await call(hub, "GET", deliveries))["items"][0]["state"] != "delivered":
                await asyncio.sleep(0.01)
            assert (page["total"], page["items"][0]["id"]) == (1, first.id)
            stored = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("journal*"))
            assert webhook["secret"].removeprefix("whsec_").encode() not in stored
        finally:
            await asyncio.to_thread(hub.close)


@pytest.mark.timeout(120)
async def test_wherever_it_is_killed_every_end_is_told(tmp_path, dead_url):
    chance = random.Random(7)
    async with receiving() as receiver:
        hub = await asyncio.to_thread(HubProcess, tmp_path / "data")
        try:
            project = (await call(hub, "POST", "projects", {"url": dead_url}))["id"]
            await call(hub, "POST", "webhooks", {"url": receiver.url})
            for _ in range(ROUNDS):
                receiver.plan = [chance.choice([200, "drop", "half", "hang"])]
                job = await failed_clone(hub, project)
                if chance.random() < 0.5:
                    await ended(hub, job)
                await asyncio.sleep(chance.random() * 0.3)
                await asyncio.to_thread(hub.stop, signal.SIGKILL)
                await asyncio.to_thread(hub.start)
            receiver.plan = []
            while (page := await call(hub, "GET", "jobs?limit=500"))["items"]:
                if all(job["state"] in {"failed", "interrupted"} for job in page["items"]):
                    break
                await asyncio.sleep(0.02)
            ends = {job["id"]: job["state"] for job in page["items"]}

            def told():
                return {heard.json["data"]["job"]["id"]: heard.json["data"]["job"]["state"] for heard in receiver.heard}

            await until(lambda: told() == ends, 30)
            by_id = {heard.id: heard.body for heard in receiver.heard}
            assert all(heard.body == by_id[heard.id] for heard in receiver.heard)
            assert len(by_id) == len(ends)
        finally:
            await asyncio.to_thread(hub.close)
