"""A repository's URL, step by step, through the very gate that jobs go through. Blocks."""

import socket
import ssl
import time
from collections.abc import Iterator

from hub.core.errors import UrlRefused
from hub.core.report import Unheard
from hub.doctor.findings import Finding, fail, ok
from hub.jobs import gate
from hub.jobs.base import JobFailed, Rules
from hub.jobs.gate import RemoteUrl
from hub.jobs.git.base import Credentials
from hub.jobs.git.failures import of_socket
from hub.jobs.git.preflight import connect

OF_CREDENTIALS = frozenset({"credentials_wanted", "credentials_wrong"})
OF_REFS = frozenset({"not_git", "repository_not_found"})


def look(url: str, rules: Rules, credentials: Credentials) -> Iterator[Finding]:
    """Ends with the first step that fails."""
    try:
        remote = gate.check(url, rules)
    except UrlRefused as exc:
        yield fail("repo.gate", exc.message, _advice(exc))
        return
    if remote.scheme == "file":
        yield _folder(remote, rules)
        return
    try:
        began = time.monotonic()
        addresses = gate.resolve(remote, rules)
        yield ok("repo.dns", f"{remote.host} is {', '.join(addresses)}", _since(began))
        yield ok("repo.gate", "The hub may connect there")
        yield from _reached(remote, addresses, rules)
        began = time.monotonic()
        source = connect(remote, credentials, rules, Unheard())
    except UrlRefused as exc:
        yield fail("repo.gate", exc.message, _advice(exc))
    except JobFailed as exc:
        step = _step(exc.failure.code)
        yield fail(step, exc.failure.message, exc.failure.hint or "")
    except OSError as exc:
        failed = of_socket(exc).failure
        yield fail(_step(failed.code), failed.message, failed.hint or "")
    else:
        if remote.is_http:
            led = "" if source.remote.text == remote.text else f", after it sent on to {source.remote.text}"
            yield ok("repo.http", f"The server answers{led}", _since(began))
            yield ok("repo.refs", "There is a repository")
            told = "The credentials were accepted" if credentials else "It can be read without credentials"
            yield ok("repo.credentials", told)
        else:
            yield ok("repo.refs", f"{remote.scheme} servers tell no more before a job asks", _since(began))


def _reached(remote: RemoteUrl, addresses: tuple[str, ...], rules: Rules) -> Iterator[Finding]:
    """Raises OSError when none of the addresses answers."""
    trouble: OSError | None = None
    for address in addresses:
        began = time.monotonic()
        try:
            with socket.create_connection((address, remote.effective_port), rules.connect_timeout_s) as sock:
                yield ok("repo.tcp", f"{address} port {remote.effective_port} accepts", _since(began))
                if remote.scheme == "https":
                    began = time.monotonic()
                    with ssl.create_default_context().wrap_socket(sock, server_hostname=remote.host) as secure:
                        yield ok("repo.tls", f"{secure.version()}, and the certificate is good", _since(began))
                return
        except ssl.SSLError:
            raise
        except OSError as exc:
            trouble = exc
    assert trouble is not None
    raise trouble


def _folder(remote: RemoteUrl, rules: Rules) -> Finding:
    try:
        path = gate.local_path(remote, rules)
    except UrlRefused as exc:
        return fail("repo.gate", exc.message, _advice(exc))
    if not path.is_dir():
        return fail("repo.refs", f"There is no folder {path}", "Check the spelling.")
    return ok("repo.gate", f"{path} is inside roots")


def _step(code: str) -> str:
    if code in OF_CREDENTIALS:
        return "repo.credentials"
    if code in OF_REFS:
        return "repo.refs"
    return {"host_not_found": "repo.dns", "refused": "repo.tcp", "timeout": "repo.tcp", "tls": "repo.tls"}.get(
        code, "repo.http"
    )


def _advice(exc: UrlRefused) -> str:
    return "" if "allow_networks" in exc.message or "roots" in exc.message else "Correct the URL."


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000
