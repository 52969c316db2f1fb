"""One attempt against real receivers, well and ill."""

import asyncio

import pytest

from hub.core.errors import UrlRefused
from hub.jobs.base import JobFailed, Rules
from hub.webhooks import sending
from hub.webhooks.receiver import parse
from tests.webhooks.receivers import receiving

RULES = Rules(allow_networks=("127.0.0.0/8",))
PAYLOAD = b'{"type":"x"}'


async def send(url, addresses=("127.0.0.1",)):
    async def resolve(receiver):
        if isinstance(addresses, Exception):
            raise addresses
        return addresses

    return await sending.send(parse(url, RULES), {"webhook-id": "m"}, PAYLOAD, resolve)


async def test_what_is_sent_arrives_as_it_was_signed():
    async with receiving() as receiver:
        answer = await send(receiver.url)
    (heard,) = receiver.heard
    assert (answer.is_success, answer.status) == (True, 200)
    assert heard.line == "POST /hook?key=a%20b HTTP/1.1"
    assert heard.body == PAYLOAD
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_a_refusal_is_told_by_its_status(status):
    async with receiving() as receiver:
        receiver.plan = [(status, {"Retry-After": "7"})]
        answer = await send(receiver.url)
    assert (answer.status, answer.retry_after_s, str(status) in answer.error) == (status, 7.0, True)


async def test_a_redirect_is_not_followed_and_the_advice_is_to_give_the_other_url():
    async with receiving() as there, receiving() as receiver:
        receiver.plan = [(307, {"Location": there.url})]
        answer = await send(receiver.url)
        assert there.connections == 0
    assert (answer.status, answer.may_retry) == (307, False)
    assert "redirect" in answer.error


@pytest.mark.parametrize("fault", ["drop", "half"])
async def test_a_receiver_that_falls_over_before_its_answer_is_out_has_perhaps_not_kept_it(fault):
    async with receiving() as receiver:
        receiver.plan = [fault]
        answer = await send(receiver.url)
    assert (answer.status, answer.may_retry, answer.is_success) == (None, True, False)


async def test_one_that_does_not_answer_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(sending, "ANSWER_S", 0.2)
    async with receiving() as receiver:
        receiver.plan = ["hang"]
        answer = await send(receiver.url)
    assert "did not answer" in answer.error
    assert answer.may_retry
    assert answer.took_ms >= 190


async def test_one_that_is_not_there_says_why():
    async with receiving() as receiver:
        url = receiver.url
    answer = await send(url)
    assert (answer.status, answer.may_retry) == (None, True)
    assert "refused" in answer.error.lower()


async def test_one_that_speaks_something_else_is_no_receiver():
    async def babble(reader, writer):
        await reader.read(10)
        writer.write(b"SSH-2.0-nobody\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        for scheme in ("http", "https"):
            answer = await send(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            assert not answer.is_success
            assert answer.may_retry


async def test_an_answer_without_end_is_heard_for_a_while_and_counts():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        answer = await send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert (answer.status, answer.is_success) == (200, True)


async def test_a_name_leads_to_the_addresses_that_were_checked_and_to_no_others():
    async with receiving() as receiver:
        answer = await send(f"http://receiver.example:{receiver.port}/x", ("127.0.0.1",))
    assert answer.is_success
    assert receiver.heard[0].headers["host"] == f"receiver.example:{receiver.port}"


@pytest.mark.parametrize("refusal", [UrlRefused("private"), JobFailed("host_not_found", "No address was found.")])
async def test_what_the_gate_refuses_is_not_connected_to(refusal):
    async with receiving() as receiver:
        answer = await send(f"http://receiver.example:{receiver.port}/x", refusal)
        assert receiver.connections == 0
    assert (answer.status, answer.may_retry, answer.is_success) == (None, True, False)


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    """A proxy would connect to whatever the name says by then."""
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        answer = await send(receiver.url)
        assert (proxy.connections, receiver.connections, answer.is_success) == (0, 1, True)
