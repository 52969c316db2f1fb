"""A try that waits outlives the hub, however that ends."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import HubProcess

DEADLINE_S = 20.0


@pytest.fixture
def hub(tmp_path: Path):
    made = HubProcess(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/r.git"


def until(find: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE_S
    while not (found := find()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
    return found


def jobs(hub: HubProcess) -> list[dict[str, Any]]:
    return hub.call("GET", "jobs?limit=50")["items"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "stop"])
def test_a_waiting_try_is_there_again_and_the_number_of_tries_holds(hub, closed_url, number):
    hub.call("POST", "projects", {"id": "p", "url": closed_url})
    policy = {"attempts": 3, "backoff_s": 3600}
    first = hub.call("POST", "projects/p/jobs", {"kind": "clone", "retry": policy})
    for attempt in (2, 3):
        waiting = until(lambda attempt=attempt: [job for job in jobs(hub) if job["attempt"] == attempt])[0]
        hub.stop(number)
        hub.start()
        again = hub.call("GET", f"jobs/{waiting['id']}")
        assert (again["state"], again["starts_at"], again["attempt"]) == ("queued", waiting["starts_at"], attempt)
        hub.call("POST", f"jobs/{waiting['id']}/resume")
        until(lambda waiting=waiting: hub.call("GET", f"jobs/{waiting['id']}")["state"] == "failed")
    assert sorted(job["attempt"] for job in jobs(hub)) == [1, 2, 3]
    assert {job["retry"]["attempts"] for job in jobs(hub)} == {3}
    assert min(jobs(hub), key=lambda job: job["attempt"])["id"] == first["id"]


def test_a_hub_that_is_killed_as_a_job_fails_has_one_next_try(hub, closed_url):
    """A job's end and its next try are one commit, and a job that had not ended was interrupted, and has one, too."""
    for n in range(8):
        hub.call("POST", "projects", {"id": f"p{n}", "url": f"{closed_url}/{n}"})
        policy = {"attempts": 2, "backoff_s": 3600}
        job = hub.call("POST", f"projects/p{n}/jobs", {"kind": "clone", "retry": policy})
        time.sleep(n * 0.1)  # anywhere between the start and after the end
        hub.stop(signal.SIGKILL)
        hub.start()
        state = hub.call("GET", f"jobs/{job['id']}")
        tries = hub.call("GET", f"jobs?project=p{n}")["items"]
        has_next = any(one["retry_of"] == job["id"] for one in tries)
        if state["state"] in {"failed", "interrupted"}:  # else it had not begun, and waits for its turn again
            assert has_next
        assert len(tries) == 1 + has_next
