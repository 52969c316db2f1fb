"""Signatures as others make and check them, and a key that is kept well."""

import base64
import re
import stat

import pytest

from hub.webhooks.signature import Key, headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PAYLOAD = b'{"test": 2432232314}'


def test_a_signature_is_what_the_specification_makes_of_it():
    """The vector that the libraries of Standard Webhooks test themselves with."""
    made = headers(SECRET, MESSAGE, 1614265330, PAYLOAD)
    assert made == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_the_webhooks_own_and_the_same_after_a_restart(tmp_path):
    first = Key.at(tmp_path / "key")
    again = Key.at(tmp_path / "key")
    assert first.secret("a") == again.secret("a") != first.secret("b")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", first.secret("a"))
    assert len(base64.b64decode(first.secret("a").removeprefix("whsec_"))) == 32


def test_only_the_owner_may_read_the_key_and_it_is_shown_nowhere(tmp_path):
    key = Key.at(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert repr(key) == "Key()"


def test_a_half_made_key_of_a_process_that_was_killed_is_no_trouble(tmp_path):
    (tmp_path / "key.new").write_text("half")
    assert Key.read(tmp_path / "key") is None
    made = Key.at(tmp_path / "key")
    assert Key.read(tmp_path / "key") == made


@pytest.mark.parametrize("text", ["", "short", "AAAA", "not base64!"])
def test_what_is_no_key_is_refused_and_left_as_it_is(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(ValueError):
        Key.at(tmp_path / "key")
    assert (tmp_path / "key").read_text() == text
