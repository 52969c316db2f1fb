"""Webhooks over the API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.events import State
from tests.conftest import until
from tests.fakes import job_body
from tests.hubs import Running, running
from tests.webhooks.receivers import Receiver, receiving

PATH = "/api/v1/webhooks"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", max_webhooks=3) as made:
        await made.make_project()
        yield made


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def added(hub: Running, **body: Any) -> Any:
    status, answer, headers = await hub.call("POST", PATH, body)
    assert status == 201, answer
    assert headers["Location"] == f"{PATH}/{answer['id']}"
    assert headers["Cache-Control"] == "no-store"
    return answer


async def test_an_end_is_told_once_it_is_durable(hub: Running, there: Receiver) -> None:
    made = await added(hub, url=there.url, name="ci", kinds=["clone"], states=["failed", "succeeded"])
    await hub.begin()
    hub.publish("p", "j1", job_body(State.SUCCEEDED, result={"head": "abc"}))
    await until(lambda: there.heard)
    (heard,) = there.heard
    assert heard.is_signed_with(made["secret"])
    assert heard.json["type"] == "job.succeeded"
    _, job, _ = await hub.call("GET", "/api/v1/jobs/j1")
    assert heard.json["data"]["job"] == {name: value for name, value in job.items() if name != "watchers"}
    await until(lambda: hub.hub.post.outcomes["delivered"])
    _, page, _ = await hub.call("GET", f"{PATH}/{made['id']}/deliveries")
    assert page["total"] == 1
    delivery = page["items"][0]
    assert (delivery["id"], delivery["job"], delivery["state"], delivery["status"]) == (
        heard.id,
        "j1",
        "delivered",
        200,
    )
    assert "payload" not in delivery


async def test_the_secret_and_the_path_by_which_a_receiver_knows_who_may_tell_it_are_shown_once(
    hub: Running, there: Receiver
) -> None:
    made = await added(hub, url=there.url)
    assert made["secret"].startswith("whsec_")
    _, again, _ = await hub.call("GET", f"{PATH}/{made['id']}")
    assert made["url"] == there.url
    shown = {"url": f"http://127.0.0.1:{there.port}/…"}
    assert again == {name: value for name, value in made.items() if name != "secret"} | shown
    _, page, _ = await hub.call("GET", PATH)
    assert page["items"] == [again]


async def test_a_failing_one_says_so_and_a_gone_one_can_be_enabled(hub: Running, there: Receiver) -> None:
    made = await added(hub, url=there.url)
    one = f"{PATH}/{made['id']}"
    there.plan = [500, 410]
    await hub.begin()
    hub.publish("p", "j1", job_body(State.FAILED))
    await until(lambda: hub.hub.post.outcomes["retried"])
    _, state, _ = await hub.call("GET", one)
    assert (state["state"], state["failing_since"] is not None, state["trouble"]) == ("failing", True, None)
    for courier in hub.hub.post._couriers.values():
        courier._paused_until = 0.0
    await hub.begin(job="j2")
    hub.publish("p", "j2", job_body(State.FAILED))
    await until(lambda: hub.hub.post.outcomes["disabled"])
    _, state, _ = await hub.call("GET", one)
    assert (state["state"], state["disabled"]) == ("disabled", "gone")
    assert "410" in state["trouble"]
    async with hub.session.get(f"{hub.url}/metrics") as response:
        text = await response.text()
    assert 'progress_hub_webhooks{state="disabled"} 1.0' in text
    assert 'progress_hub_webhook_attempts_total{outcome="disabled"} 1.0' in text
    status, state, _ = await hub.call("POST", f"{one}/enable")
    assert (status, state["state"], "secret" in state) == (200, "enabled", False)


async def test_a_test_tells_what_came_of_it(hub: Running, there: Receiver) -> None:
    made = await added(hub, url=there.url)
    there.plan = [202, 302]
    status, delivery, _ = await hub.call("POST", f"{PATH}/{made['id']}/test")
    assert (status, delivery["state"], delivery["status"]) == (200, "delivered", 202)
    assert there.heard[0].json["type"] == "webhook.test"
    _, delivery, _ = await hub.call("POST", f"{PATH}/{made['id']}/test")
    assert (delivery["state"], "redirect" in delivery["error"]) == ("failed", True)


async def test_it_is_deleted_with_what_waits(hub: Running, there: Receiver) -> None:
    made = await added(hub, url=there.url)
    assert (await hub.call("DELETE", f"{PATH}/{made['id']}"))[0] == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/enable"), ("GET", "/deliveries")):
        assert (await hub.call(method, f"{PATH}/{made['id']}{path}"))[0] == 404


async def test_it_outlives_the_hub_with_the_same_secret(tmp_path: Path, there: Receiver) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        made = await added(hub, url=there.url, projects=["p"])
    async with running(tmp_path) as hub:
        await hub.begin()
        hub.publish("p", "j1", job_body(State.FAILED))
        await until(lambda: there.heard)
        assert there.heard[0].is_signed_with(made["secret"])


async def test_there_are_only_so_many(hub: Running, there: Receiver) -> None:
    for _ in range(3):
        await added(hub, url=there.url)
    status, answer, _ = await hub.call("POST", PATH, {"url": there.url})
    assert (status, answer["error"]["code"]) == (409, "too_many_webhooks")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"url": 1}, 400, "bad_request"),
        ({"url": "ftp://example.org/"}, 400, "url_refused"),
        ({"url": "https://10.0.0.1/"}, 400, "url_refused"),
        ({"url": "https://me:secret@example.org/"}, 400, "credentials_in_url"),
        ({"url": "http://93.184.216.34/"}, 400, "url_refused"),
        ({"url": "https://example.org/", "states": ["running"]}, 400, "bad_request"),
        ({"url": "https://example.org/", "states": []}, 400, "bad_request"),
        ({"url": "https://example.org/", "kinds": "clone"}, 400, "bad_request"),
        ({"url": "https://example.org/", "kinds": [None]}, 400, "bad_request"),
        ({"url": "https://example.org/", "projects": ["none"]}, 404, "not_found"),
        ({"url": "https://example.org/", "secret": "mine"}, 400, "bad_request"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(hub: Running, body: Any, status: int, code: str) -> None:
    answered, answer, _ = await hub.call("POST", PATH, body)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"]
    assert "secret@" not in answer["error"]["message"]
    assert (await hub.call("GET", PATH))[1]["total"] == 0


async def test_it_can_be_changed_and_what_makes_no_sense_changes_nothing(hub: Running, there: Receiver) -> None:
    made = await added(hub, url=there.url, kinds=["clone"], states=["failed"], name="ci")
    one = f"{PATH}/{made['id']}"
    status, changed, _ = await hub.call("PATCH", one, {"states": None, "name": "all", "kinds": ["index", "clone"]})
    assert (status, changed["states"], changed["name"], changed["kinds"]) == (200, [], "all", ["index", "clone"])
    assert (changed["url"], "secret" in changed) == (f"http://127.0.0.1:{there.port}/…", False)
    for body, wanted in (
        ({"url": "https://10.0.0.1/"}, 400),
        ({"url": changed["url"]}, 400),
        ({"states": ["running"]}, 400),
        ({"projects": ["none"]}, 404),
        ({"secret": "x"}, 400),
    ):
        assert (await hub.call("PATCH", one, body))[0] == wanted
    assert (await hub.call("GET", one))[1] == changed
    assert (await hub.call("PATCH", f"{PATH}/none", {"name": "x"}))[0] == 404
    await hub.begin()
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await until(lambda: there.heard)
    assert there.heard[0].is_signed_with(made["secret"])
