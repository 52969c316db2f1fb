import pytest

from hub.core.errors import BadParams, UrlRefused
from hub.jobs.base import Rules, Target
from hub.jobs.kinds import KINDS

CLONE = KINDS["clone"]
HTTPS = Target(id="p", name="p", url="https://example.org/a.git")
SSH = Target(id="p", name="p", url="git@example.org:a.git")
FOLDER = Target(id="p", name="p", path="/srv/a")


def test_the_plan_has_the_four_stages():
    assert [(stage.name, stage.weight) for stage in CLONE.stages] == [
        ("connect", 2), ("receiving", 60), ("resolving", 25), ("checkout", 13),
    ]  # fmt: skip


def test_secrets_are_parted_from_what_may_be_shown():
    params = {"depth": 1, "username": "ann", "password": "pass word", "branch": None, "engine": "auto"}
    accepted = CLONE.check(params, HTTPS, Rules())
    assert accepted.params == {"depth": 1, "username": "ann", "engine": "auto"}
    assert accepted.secrets == {"password": "pass word"}


@pytest.mark.parametrize(
    ("target", "params"),
    [
        (HTTPS, {}),
        (HTTPS, {"branch": "feature/x-1", "bare": False, "submodules": True}),
        (HTTPS, {"token": "t", "username": "oauth2"}),
        (HTTPS, {"engine": "git", "depth": 100, "bare": True}),
        (SSH, {"ssh_key": "-----BEGIN\nx\n", "ssh_passphrase": "p"}),
    ],
)
def test_sound_parameters_pass(target, params):
    CLONE.check(params, target, Rules())


@pytest.mark.parametrize(
    ("target", "params"),
    [
        (FOLDER, {}),
        (HTTPS, {"dept": 1}),
        (HTTPS, {"depth": 0}),
        (HTTPS, {"depth": -1}),
        (HTTPS, {"depth": "1"}),
        (HTTPS, {"depth": True}),
        (HTTPS, {"depth": 2**31}),
        (HTTPS, {"bare": 1}),
        (HTTPS, {"bare": True, "submodules": True}),
        (HTTPS, {"engine": "svn"}),
        (HTTPS, {"branch": "-x"}),
        (HTTPS, {"branch": "--upload-pack=id"}),
        (HTTPS, {"branch": "a..b"}),
        (HTTPS, {"branch": "a b"}),
        (HTTPS, {"branch": "x" * 300}),
        (HTTPS, {"token": "a", "password": "b", "username": "c"}),
        (HTTPS, {"password": "b"}),
        (HTTPS, {"token": "a\r\nX-Header: b"}),
        (HTTPS, {"token": 5}),
        (HTTPS, {"username": "a:b"}),
        (HTTPS, {"username": "a\nb"}),
        (HTTPS, {"ssh_key": "x"}),
        (SSH, {"token": "x"}),
        (SSH, {"ssh_passphrase": "x"}),
        (SSH, {"ssh_key": "x" * 70_000}),
        (SSH, {"ssh_key": "x\0y"}),
        (SSH, {"ssh_key": "x\ud800y"}),
        (SSH, {"ssh_key": "x", "ssh_passphrase": "\udce9"}),
        (SSH, {"username": "ann@10.0.0.1/x"}),
        (SSH, {"username": "-oProxyCommand=id"}),
        (HTTPS, {"branch": "a\0b"}),
        (HTTPS, {"branch": "a\ud800b"}),
        (HTTPS, {"username": "a\0b"}),
        (HTTPS, {"username": "a\udce9b"}),
        (HTTPS, {"username": "a" * 300}),
        (HTTPS, {"token": "a\udce9b"}),
        (HTTPS, {"engine": "git\0"}),
        (HTTPS, {"engine": "\ud800"}),
        (HTTPS, {"\ud800": "x"}),
    ],
)
def test_unsound_parameters_are_refused_in_words(target, params):
    with pytest.raises(BadParams) as caught:
        CLONE.check(params, target, Rules())
    assert caught.value.message.endswith(".")


def test_a_url_that_the_rules_forbid_is_refused_before_anything_starts():
    with pytest.raises(UrlRefused):
        CLONE.check({}, Target(id="p", name="p", url="http://127.0.0.1/a.git"), Rules())
