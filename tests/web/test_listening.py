"""Where the hub listens: who reaches it decides what it wants first."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.core.tokens import Role, Token
from hub.journal.beside import opened_tokens
from hub.settings import Settings, SettingsError
from hub.web.listening.places import addresses, check_guarded, exposed, places
from hub.web.listening.tls import Certificate
from hub.web.server import serve
from tests.conftest import missing, until
from tests.keys import bearer


@contextlib.asynccontextmanager
async def served(folder: Path, **settings: Any) -> AsyncIterator[str]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def on_ready(url: str) -> None:
        ready.set_result(url)

    values = {"data_dir": str(folder), "port": 0, "spare_children": 0, "drain_s": 0.1} | settings
    task = asyncio.create_task(serve(Settings(**values), on_ready=on_ready, stop=stop))
    done, _ = await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task in done:
        await task
    yield await ready
    stop.set()
    await task


async def test_it_refuses_to_be_reached_by_others_without_a_token_and_says_what_makes_one(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    with pytest.raises(SettingsError, match="wants a token first") as told:
        async with served(folder, host="0.0.0.0"):
            pytest.fail("it listens")
    assert f"progress-hub token create --role admin --data-dir '{folder}'" in str(told.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "hub.example", "127.0.0.1,192.0.2.1", ""])
def test_a_hub_that_asks_nobody_is_for_this_machine_alone(host: str) -> None:
    reachable = exposed(places(Settings(host=host), []))
    with pytest.raises(SettingsError, match="sign_in"):
        check_guarded(Settings(host=host, sign_in="never"), reachable or [host], has_token=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.1,::1", "unix:/run/hub.sock"])
def test_what_only_this_machine_reaches_asks_for_nothing(host: str) -> None:
    reachable = exposed(places(Settings(host=host), []))
    check_guarded(Settings(host=host, sign_in="never"), reachable, has_token=False)
    assert reachable == addresses(Settings(host=host), 8470) == []


def test_others_are_told_a_name_that_they_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    found = addresses(Settings(host="0.0.0.0,192.0.2.1,2001:db8::1,127.0.0.1", tls_cert="x"), 8470)
    assert found == ["https://box:8470", "https://192.0.2.1:8470", "https://[2001:db8::1]:8470"]


async def test_with_a_token_it_listens_at_several_places_at_once(tmp_path: Path) -> None:
    token, text = made()
    async with opened_tokens(tmp_path / "data" / "journal.sqlite3") as table:
        await table.add(token)
    path = tmp_path / "hub.sock"
    async with served(tmp_path / "data", host=f"127.0.0.1, unix:{path}") as url:
        assert path.stat().st_mode & 0o777 == 0o660
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local:
            for headers, status in (({}, 401), (bearer(text), 200)):
                async with local.get("http://localhost/api/v1/jobs", headers=headers) as response:
                    assert response.status == status
            stream = {**bearer(text), "Accept": "text/event-stream"}
            async with local.get("http://localhost/api/v1/events", headers=stream) as response:
                assert b"retry" in await response.content.readany()
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/jobs") as response:
            assert response.status == 401


def made() -> tuple[Token, str]:
    from hub.access.doorkeeper import Wanted, minted  # noqa: PLC0415 - only here

    return minted(Wanted(roles=(Role.ADMIN,)), 1)


# -- TLS --------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str = "cert") -> tuple[Path, Path]:
    """A self-signed one for localhost, and its key; another each time."""
    try:
        import trustme  # noqa: PLC0415 - a laptop may lack it
    except ImportError:
        missing("trustme")
    folder.mkdir(exist_ok=True)
    issued = trustme.CA().issue_cert("localhost")
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return cert, key


async def shown(url: str) -> bytes:
    """The certificate that it shows."""
    host, port = url.removeprefix("https://").split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()
    return found


async def test_it_speaks_https_by_itself_on_every_transport_and_takes_a_renewed_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    async with served(tmp_path / "data", tls_cert=str(cert), tls_key=str(key)) as url:
        assert url.startswith("https://")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
            async with session.get(f"{url}/api/v1/events") as response:
                assert response.status == 200
            async with session.get(f"{url}/api/v1/events", headers={"Accept": "text/event-stream"}) as response:
                assert b"hello" in await response.content.readuntil(b"\n\n")
            async with session.ws_connect(f"{url}/api/v1/events") as socket:
                assert (await socket.receive_json())["type"] == "hello"
                before = await shown(url)
                for new, old in zip(certificate(tmp_path, "new"), (cert, key), strict=True):
                    new.replace(old)
                os.kill(os.getpid(), signal.SIGHUP)
                async with asyncio.timeout(20):
                    while await shown(url) == before:
                        await asyncio.sleep(0.02)
                await socket.send_json({"op": "ping", "id": 1})  # what is open goes on
                while (await socket.receive_json(timeout=10))["type"] != "pong":
                    pass
            async with session.post(f"{url}/api/v1/tokens", json={"roles": ["admin"]}) as response:
                token = (await response.json())["token"]
            async with session.post(f"{url}/api/v1/session", json={"token": token}) as response:
                assert response.headers["Set-Cookie"].startswith("__Host-")
                assert "Secure" in response.headers["Set-Cookie"]


async def test_half_a_renewal_changes_nothing(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    found = Certificate(Settings(tls_cert=str(cert), tls_key=str(key)))
    assert not found.renew_if_changed()
    other, _ = certificate(tmp_path, "other")
    other.replace(cert)
    assert not found.renew_if_changed(), "the key is not yet the new one's"
    cert.unlink()
    assert not found.renew_if_changed()
    for new, old in zip(certificate(tmp_path, "whole"), (cert, key), strict=True):
        new.replace(old)
    assert found.renew_if_changed()
    assert found.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    (tmp_path / "junk").write_text("junk")
    for files in ((tmp_path / "none", key), (cert, tmp_path / "none"), (tmp_path / "junk", key), (key, cert)):
        with pytest.raises(SettingsError, match="tls_cert"):
            Certificate(Settings(tls_cert=str(files[0]), tls_key=str(files[1])))


async def test_the_files_are_looked_at_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.web.listening.tls.LOOK_S", 0.01)
    cert, key = certificate(tmp_path)
    found = Certificate(Settings(tls_cert=str(cert), tls_key=str(key)))
    before = found._seen
    async with found.watched():
        for new, old in zip(certificate(tmp_path, "new"), (cert, key), strict=True):
            new.replace(old)
        await until(lambda: found._seen != before)
