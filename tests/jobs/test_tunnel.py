import socket
import threading

import pytest

from hub.jobs import gate
from hub.jobs.git.environment import config_text
from hub.jobs.git.tunnel import Tunnel


@pytest.fixture
def echo():
    """A server that sends back what it gets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    while chunk := client.recv(65536):
                        client.sendall(chunk)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def ask(tunnel: Tunnel, data: bytes) -> bytes:
    place = (tunnel.proxy or tunnel.url).removeprefix("http://").partition("/")[0]
    host, port = place.split(":")
    with socket.create_connection((host, int(port)), 5) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        return answer


def test_https_is_passed_to_the_one_place(echo):
    remote = gate.parse(f"https://example.org:{echo}/a.git")
    with Tunnel(remote, "127.0.0.1", 5) as tunnel:
        head = b"CONNECT example.org:%d HTTP/1.1\r\nHost: x\r\n\r\n" % echo
        assert ask(tunnel, head + b"\x16\x03 anything") == (
            b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03 anything"
        )


@pytest.mark.parametrize("place", [b"169.254.169.254:80", b"example.org:1", b"evil.org:443", b"localhost:22"])
def test_https_to_any_other_place_is_refused(echo, place):
    remote = gate.parse(f"https://example.org:{echo}/a.git")
    with Tunnel(remote, "127.0.0.1", 5) as tunnel:
        assert ask(tunnel, b"CONNECT %s HTTP/1.1\r\n\r\n" % place).startswith(b"HTTP/1.1 403 ")
        assert ask(tunnel, b"GET http://%s/ HTTP/1.1\r\n\r\n" % place).startswith(b"HTTP/1.1 403 ")


def test_plain_http_gets_its_servers_name_back(echo):
    remote = gate.parse(f"http://example.org:{echo}/a.git")
    with Tunnel(remote, "127.0.0.1", 5) as tunnel:
        assert tunnel.proxy is None
        assert tunnel.url.endswith("/a.git")
        sent = (
            b"GET /a.git/info/refs HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"
            b"POST /a.git/x HTTP/1.1\r\nhost: 127.0.0.1:9\r\nContent-Length: 14\r\n\r\nHost: the body"
            b"POST /a.git/y HTTP/1.1\r\nHost: 127.0.0.1:9\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n"
        )
        name = b"Host: example.org:%d" % echo
        wanted = sent.replace(b"Host: 127.0.0.1:9", name).replace(b"host: 127.0.0.1:9", name)
        assert ask(tunnel, sent) == wanted


def test_a_request_that_never_ends_is_dropped(echo):
    with Tunnel(gate.parse(f"http://example.org:{echo}/a.git"), "127.0.0.1", 5) as tunnel:
        assert ask(tunnel, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000) == b""


def test_gits_configuration_survives_any_value():
    assert config_text({"http.https://a.org/.extraHeader": 'a"b\\c', "core.x": "y"}) == (
        '[http "https://a.org/"]\n\textraHeader = "a\\"b\\\\c"\n[core]\n\tx = "y"\n'
    )
