"""Where a webhook may lead: the gate of jobs, and TLS wherever strangers could listen."""

import pytest

from hub.core.errors import UrlRefused
from hub.jobs.base import Rules
from hub.webhooks.receiver import check, parse

RULES = Rules(allow_networks=("127.0.0.0/8", "10.1.0.0/16"))


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://example.org/hook", "https://example.org/hook"),
        ("https://EXAMPLE.org", "https://example.org/"),
        ("https://example.org:8443?a=b", "https://example.org:8443/?a=b"),
        (
            "https://example.org/services/T000/B000/XXXXXXXXXXXX?x=%2F",
            "https://example.org/services/T000/B000/XXXXXXXXXXXX?x=%2F",
        ),
        (
            "https://example.org/redirect?to=http://other.example/",
            "https://example.org/redirect?to=http://other.example/",
        ),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
        ("http://10.1.2.3/", "http://10.1.2.3/"),
        ("https://müller.example/", "https://xn--mller-kva.example/"),
        ("http://name.example/", "http://name.example/"),  # judged when it is resolved
    ],
)
def test_what_may_be_a_receiver_is_asked_at_its_url(url, sent):
    assert parse(url, RULES).url == sent


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org/hook", "ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)", "https://", "https:///x",
        "https://user@example.org/", "https://user:password@example.org/", "https://example.org/a b",
        "https://example.org/\r\nHost: other", "https://example.org/a#b", "https://example.org\\@127.0.0.1/",
        "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://0x0a000001/",
        "https://2130706432.0/", "https://127.1.example.1/", "https://[::ffff:10.0.0.1]/", "https://192.168.1.1/",
        "http://93.184.216.34/", "http://[2606:2800:220:1::1]/", "https://example.org:99999/", "https://-x.example/",
        "https://[::ffff:169.254.169.254]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::a9fe:a9fe]/",
        "https://[fe80::1%25eth0]/", "https://[::]/", "https://0/", "https://0177.0.0.1/", "https://2130706433/",
        "https://0x7f.1/", "https://\uff11\uff12\uff17.0.0.1/", "https://127\u30020\u30020\u30021/", "https://localhost/",
        "https://x.localhost./", "https://example.org:25:443/", "https://127.0.0.1@10.0.0.1/", "unix:///run/x.sock",
        "https+unix://%2Frun%2Fx.sock/", "https://10.0.0.1\uff03.example.org/", "//10.0.0.1/", "https:10.0.0.1",
        f"https://example.org/{'a' * 3000}",
    ],
)  # fmt: skip
def test_what_may_not_is_refused(url):
    with pytest.raises(UrlRefused):
        parse(url, Rules(allow_networks=("10.1.0.0/16",)))


def test_plain_http_is_for_networks_that_the_operator_opens():
    plain, safe = parse("http://name.example/", RULES).remote, parse("https://name.example/", RULES).remote
    check(plain, ["10.1.0.1", "127.0.0.1", "::ffff:10.1.0.1"], RULES)
    check(safe, ["93.184.216.34"], RULES)
    with pytest.raises(UrlRefused, match="https"):
        check(plain, ["93.184.216.34"], RULES)
    with pytest.raises(UrlRefused, match="https"):
        check(plain, ["10.1.0.1", "93.184.216.34"], RULES)
    with pytest.raises(UrlRefused, match="private"):
        check(safe, ["93.184.216.34", "10.2.0.1"], RULES)
