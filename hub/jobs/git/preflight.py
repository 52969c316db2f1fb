"""The connect stage: ask the server, before any engine does, whether it is there and has the repository.

Both engines then fail alike, because the usual reasons are found here, and both may only connect to the address that
answered. Redirects are followed here alone, each through the gate; engines are told to follow none.
"""

import functools
import http.client
import re
import socket
import ssl
import string
import urllib.parse
from dataclasses import dataclass, replace

from hub import __version__
from hub.core.errors import UrlRefused
from hub.core.report import Report
from hub.git_folders import git_folder, stays_inside
from hub.jobs import gate
from hub.jobs.base import JobFailed, Rules
from hub.jobs.gate import RemoteUrl
from hub.jobs.git.base import Credentials, Source
from hub.jobs.git.failures import explain, failed, of_socket
from hub.jobs.git.waiting import wait_for

MOST_REDIRECTS = 5
SUFFIX = "/info/refs"
QUERY = "?service=git-upload-pack"
MEDIA_TYPE = "application/x-git-upload-pack-advertisement"
USER_AGENT = f"git/2.39 progress-hub/{__version__}"  # some hosts show their web page to whatever is not called git
FIRST_BYTES = 512
ENOUGH_BYTES = len(b"001e# service=git-upload-pack")

_ADVERTISEMENT = re.compile(rb"[0-9a-f]{4}(# service=git-upload-pack|version [12])")
_ERROR = re.compile(rb"[0-9a-f]{4}ERR (.*)", re.DOTALL)
_SIGN_IN = re.compile(r"sign.?in|log.?in|auth|sso", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    reason: str
    media_type: str
    location: str | None
    first_bytes: bytes
    address: str


def connect(remote: RemoteUrl, credentials: Credentials, rules: Rules, report: Report) -> Source:
    """Find the remote. The source's remote is where redirects led; credentials are left behind when that is elsewhere.

    Raises JobFailed with the precise reason, UrlRefused if the gate refuses the remote itself, and Cancelled.
    """
    if remote.scheme == "file":
        return _local_source(remote, credentials, rules)
    if not remote.is_http:
        address = wait_for(lambda: _probe(remote, rules), report, limit_s=rules.connect_timeout_s)
        return Source(remote=remote, address=address, credentials=credentials, rules=rules)
    given, asked = credentials, remote
    for _ in range(MOST_REDIRECTS + 1):
        source = Source(remote=asked, address=None, credentials=given, rules=rules)
        try:
            answer = wait_for(functools.partial(_ask, source), report, limit_s=rules.connect_timeout_s)
        except UrlRefused as exc:
            if asked is remote:
                raise
            raise _refused_redirect(exc) from exc
        if not answer.location:
            _judge(answer, given)
            return replace(source, address=answer.address)
        asked = _redirected(asked, answer.location, rules)
        if not remote.same_origin(asked):
            given = Credentials()
        report.log(f"The server sends on to {asked.text}.")
    raise failed("redirected", f"The server sent on more than {MOST_REDIRECTS} times.")


def _local_source(remote: RemoteUrl, credentials: Credentials, rules: Rules) -> Source:
    path = gate.local_path(remote, rules)
    if not path.is_dir():
        raise failed("repository_not_found", "There is no such folder.")
    try:
        folder = git_folder(path)
        is_inside = folder is None or stays_inside(folder, lambda place: gate.is_open(place, rules))
    except (OSError, RuntimeError) as exc:
        raise failed("repository_not_found", f"The repository cannot be read: {exc}.") from exc
    if folder is None:
        raise failed("repository_not_found", "The folder is no git repository.")
    if not is_inside:
        raise UrlRefused("The repository leads to, or borrows from, what is not open to jobs.")
    remote = replace(remote, path=str(path))
    return Source(remote=remote, address=None, credentials=credentials, rules=rules, folder=str(folder))


def _probe(remote: RemoteUrl, rules: Rules) -> str:
    """The first address that accepts a connection. ssh and git servers say no more before they know a name."""
    sock, address = _reach(remote, rules)
    sock.close()
    return address


def _reach(remote: RemoteUrl, rules: Rules) -> tuple[socket.socket, str]:
    addresses = gate.resolve(remote, rules)
    trouble: OSError | None = None
    for address in addresses:
        try:
            # Each gets its share of the time, so that a dead IPv6 route leaves some for IPv4.
            timeout_s = rules.connect_timeout_s / len(addresses)
            return socket.create_connection((address, remote.effective_port), timeout_s), address
        except OSError as exc:
            trouble = exc
    assert trouble is not None
    raise of_socket(trouble) from trouble


def _ask(source: Source) -> _Answer:
    """Ask for the repository's refs, and read no further than shows what kind of answer it is."""
    remote, timeout_s = source.remote, source.rules.connect_timeout_s
    sock, address = _reach(remote, source.rules)
    try:
        sock.settimeout(timeout_s)
        if remote.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=remote.host)
        # Not the plain authority: http.client adds the port itself, unless it is the scheme's own.
        maker = http.client.HTTPSConnection if remote.scheme == "https" else http.client.HTTPConnection
        connection = maker(remote.host, remote.effective_port, timeout=timeout_s)
        connection.sock = sock
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Git-Protocol": "version=2"}
        authorization = source.credentials.basic()
        if authorization:
            headers["Authorization"] = authorization
        path = urllib.parse.quote(remote.path.rstrip("/"), safe=string.punctuation)  # what is ASCII stays as it is
        connection.request("GET", path + SUFFIX + QUERY, headers=headers)
        response = connection.getresponse()
        location = response.getheader("Location") if response.status in {301, 302, 303, 307, 308} else None
        first_bytes = _first_bytes(response) if response.status == http.HTTPStatus.OK else b""
        media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        return _Answer(
            status=response.status, reason=response.reason, media_type=media_type, location=location,
            first_bytes=first_bytes, address=address,
        )  # fmt: skip
    except http.client.RemoteDisconnected as exc:
        raise failed("protocol", "The server closed the connection without an answer.") from exc
    except http.client.HTTPException as exc:
        raise failed("not_git", "What answers at this URL does not speak HTTP.") from exc
    except OSError as exc:
        raise of_socket(exc) from exc
    finally:
        sock.close()


def _first_bytes(response: http.client.HTTPResponse) -> bytes:
    """Enough to know an advertisement by, or the whole of an error, which is quoted.

    A server may send it in pieces as small as it likes.
    """
    found, enough = b"", ENOUGH_BYTES
    while len(found) < enough:
        piece = response.read1(FIRST_BYTES)
        if not piece:
            break
        found += piece
        if _ERROR.match(found):
            enough = int(found[:4], 16)  # its own length comes first, 65,535 at the most
    return found


def _judge(answer: _Answer, credentials: Credentials) -> None:
    """Raise the failure that the answer amounts to, if it does."""
    status = answer.status
    if status in {401, 403}:
        raise failed("credentials_wrong" if credentials.password is not None else "credentials_wanted")
    if status in {404, 410}:
        raise failed("repository_not_found")
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise failed("protocol", f"The server answered {status} {answer.reason}.", hint="Try again later.", retry=True)
    if status != http.HTTPStatus.OK:
        raise failed("not_git", f"The server answered {status} {answer.reason}.")
    error = _ERROR.match(answer.first_bytes)
    if error:
        raise explain(error[1].decode(errors="replace"), had_credentials=bool(credentials))
    if answer.media_type != MEDIA_TYPE or not _ADVERTISEMENT.match(answer.first_bytes):
        raise failed("not_git")


def _redirected(asked: RemoteUrl, location: str, rules: Rules) -> RemoteUrl:
    """The repository that a redirect leads to, passed through the gate. Raises JobFailed."""
    try:
        target = urllib.parse.urljoin(asked.text.rstrip("/") + SUFFIX + QUERY, location)
        page = urllib.parse.urlsplit(target).path
    except ValueError as exc:
        raise failed("redirected", "The server sends on to what is no URL.") from exc
    base, found, query = target.partition(SUFFIX)
    if not found or query not in {"", QUERY}:
        if _SIGN_IN.search(page):
            raise failed("credentials_wanted")
        raise failed("not_git", "The server sends on to a page that is no git repository.")
    try:
        remote = gate.check(base, rules)
    except UrlRefused as exc:
        raise _refused_redirect(exc) from exc
    if not remote.is_http or (asked.scheme == "https" and remote.scheme == "http"):
        raise failed("redirected", "The server sends on from https to a place without.")
    return remote


def _refused_redirect(exc: UrlRefused) -> JobFailed:
    return failed("redirected", f"The server sends on to a place where the hub does not connect. {exc.message}")
