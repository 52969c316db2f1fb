"""Clones over a real sshd."""

import pytest

from tests.jobs.conftest import until
from tests.jobs.test_clone_secrets import told


@pytest.fixture
def over_ssh(child, engine, ssh):
    def start(name="small.git", **options):
        env = {"HOME": str(ssh.home), **options.pop("env", {})}
        return child(f"{ssh.url}/{name}", params={"engine": engine, **options.pop("params", {})}, env=env, **options)

    return start


def test_a_key_opens_the_repository(over_ssh, ssh, repositories):
    ssh.know()
    run = over_ssh(secrets={"ssh_key": ssh.key})
    assert run.result()["head"] == repositories.head("small.git")
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]


def test_a_key_under_a_passphrase(over_ssh, ssh, repositories):
    ssh.know()
    run = over_ssh(secrets={"ssh_key": ssh.locked_key, "ssh_passphrase": "open sesame"})
    assert run.result()["head"] == repositories.head("small.git")


def test_the_scp_like_form_passes_the_gate_too(child, ssh, engine, repositories):
    """It has no place for a port, so the connection itself is not tried: port 22 is somebody else's."""
    ssh.know()
    user = ssh.url.removeprefix("ssh://").partition("@")[0]
    run = child(
        f"{user}@127.0.0.1:{repositories.root}/small.git", params={"engine": engine}, rules={"allow_networks": []}
    )
    assert run.failure()["code"] == "url_refused"


@pytest.mark.parametrize("passphrase", [None, "close sesame"])
def test_a_wrong_passphrase_is_wrong_credentials(over_ssh, ssh, passphrase):
    ssh.know()
    secrets = {"ssh_key": ssh.locked_key, **({"ssh_passphrase": passphrase} if passphrase else {})}
    assert over_ssh(secrets=secrets).failure()["code"] == "credentials_wrong"


def test_a_key_that_the_server_does_not_know(over_ssh, ssh):
    ssh.know()
    assert over_ssh(secrets={"ssh_key": ssh.other_key}).failure()["code"] == "credentials_wrong"


def test_no_key_at_all(over_ssh, ssh):
    ssh.know()
    assert over_ssh().failure()["code"] == "credentials_wanted"


def test_something_that_is_no_key(over_ssh, ssh):
    ssh.know()
    assert over_ssh(secrets={"ssh_key": "not a key"}).failure()["code"] == "credentials_wrong"


def test_a_server_nobody_knows(over_ssh, ssh):
    assert over_ssh(secrets={"ssh_key": ssh.key}).failure()["code"] == "host_key_unknown"


def test_a_server_whose_key_has_changed(over_ssh, ssh):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7bU3nP0GmZ3B5zIuXv3kqYkE5q0W8m8hXbQ2vJ1r9T"
    ssh.know(f"[127.0.0.1]:{ssh.port} {other}")
    assert over_ssh(secrets={"ssh_key": ssh.key}).failure()["code"] == "host_key_unknown"


def test_no_such_repository(over_ssh, ssh):
    ssh.know()
    assert over_ssh("no-such.git", secrets={"ssh_key": ssh.key}).failure()["code"] == "repository_not_found"


def test_the_key_is_in_no_argument_environment_or_file(over_ssh, ssh):
    ssh.know()
    secrets = {"ssh_key": ssh.locked_key, "ssh_passphrase": "open sesame"}
    run = over_ssh("heavy.git", secrets=secrets)
    run.wait_for(stage="receiving")
    seen = told(run.process.pid)
    files = [path.read_bytes() for path in run.work.rglob("*") if path.is_file() and path.stat().st_size < 100_000]
    run.cancel()
    run.end()
    line = ssh.locked_key.splitlines()[2].encode()
    for text in (seen, *files):
        assert line not in text
        assert b"open sesame" not in text
    until(run.group_is_gone)
