"""The engine inside this process, pygit2: always there, no git needed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import CheckoutStrategy, ConfigLevel, CredentialType, FetchPrune
from pygit2.ffi import C, ffi

from hub.core.report import Report
from hub.jobs.base import JobFailed
from hub.jobs.git.base import WHOLE_HISTORY, Credentials, Fetched, Source, Wanted
from hub.jobs.git.failures import explain, failed
from hub.jobs.git.known_hosts import home_with_known_hosts
from hub.jobs.git.refs import RemoteRef, choose, head_of, raw, refspecs, set_head
from hub.jobs.git.transfer import Counters, PackSize, Transfer
from hub.jobs.git.tunnel import Tunnel
from hub.jobs.git.waiting import wait_for
from hub.jobs.patience import Patience

LONGEST_MS = 2**31 - 1
"""In effect no limit of libgit2's own on silence: its clock runs on while the job is paused. `_Watch` keeps the limit.
Not 0, with which its sockets, that do not block, fail where they should wait (seen in 1.9)."""


class LibGit2:
    name = "libgit2"

    def why_not(self, source: Source, wanted: Wanted) -> str | None:
        if wanted.depth is not None and source.remote.scheme == "file":
            return "libgit2 cannot take a part of the history from a local folder."
        return None

    def fetch(self, source: Source, wanted: Wanted, repo: Path, report: Report) -> Fetched:
        _isolate(repo.parent)  # before a repository is opened, which reads the settings
        opened = pygit2.Repository(str(repo)) if repo.exists() else pygit2.init_repository(str(repo), bare=wanted.bare)
        transfer = Transfer(report)
        callbacks = _FetchCallbacks(source, transfer)
        with _way_out(source, repo.parent) as (url, proxy), _translated(callbacks, source.credentials):
            opened.config["http.followRedirects"] = False  # the preflight has followed what was to be followed
            size = PackSize(repo)

            def fetch() -> None:
                remote = opened.remotes.create_anonymous(url)
                watch = _Watch(remote, callbacks, size, source.rules.silence_timeout_s)
                wait_for(lambda: _fetch(opened, remote, proxy, wanted, callbacks), report, while_waiting=watch.look)
                watch.look()

            try:
                fetch()
            except UnicodeDecodeError:  # pygit2 insists that what a server says is UTF-8: then do not listen
                callbacks.sideband_progress = None  # type: ignore[method-assign,assignment]
                fetch()
        transfer.finish()
        head, branch = head_of(pygit2.Repository(str(repo)))
        return Fetched(head=head, branch=branch, objects=transfer.counters.total_objects, bytes=size.bytes())

    def checkout(self, repo: Path, report: Report) -> None:
        _isolate(repo.parent)
        opened = pygit2.Repository(str(repo))
        callbacks = _CheckoutCallbacks(report)
        strategy = CheckoutStrategy.FORCE | CheckoutStrategy.RECREATE_MISSING
        with _translated(callbacks, Credentials()):
            wait_for(lambda: opened.checkout_head(strategy=strategy, callbacks=callbacks), report)  # type: ignore[no-untyped-call]


def _fetch(
    repo: pygit2.Repository, remote: pygit2.Remote, proxy: str | None, wanted: Wanted, callbacks: "_FetchCallbacks"
) -> None:
    # One connection for both: the list of refs decides what is fetched.
    remote.connect(callbacks=callbacks, proxy=proxy)
    listed = [
        RemoteRef(name=head.name, symref=head.symref_target)
        for head in remote.list_heads(connect=False)
        if head.name is not None
    ]
    tip = choose(listed, wanted.branch)
    specs = refspecs(tip, wanted)
    if specs and listed:
        depth = wanted.depth or (WHOLE_HISTORY if repo.is_shallow else 0)
        prune = FetchPrune.NO_PRUNE if wanted.depth else FetchPrune.PRUNE
        paths: Any = [_Spec(spec) for spec in specs]
        remote.fetch(paths, callbacks=callbacks, prune=prune, proxy=proxy, depth=depth)
    set_head(repo, tip, wanted)


class _Spec(os.PathLike[bytes]):
    """A refspec in bytes, which pygit2 takes in no other guise."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def __fspath__(self) -> bytes:
        return raw(self._spec)


@contextlib.contextmanager
def _way_out(source: Source, folder: Path) -> Iterator[tuple[str, str | None]]:
    """The URL and the proxy to use, so that libgit2 connects to the checked address and to no other."""
    remote, address, rules = source.remote, source.address, source.rules
    # Both are for all connections of the process.
    pygit2.settings.server_connect_timeout = round(rules.connect_timeout_s * 1000)
    pygit2.settings.server_timeout = LONGEST_MS
    if address is None:
        yield source.url, None
    elif remote.is_http:
        with Tunnel(remote, address, rules.connect_timeout_s) as tunnel:
            yield tunnel.url, tunnel.proxy
    elif remote.scheme == "ssh":
        pygit2.settings.homedir = str(home_with_known_hosts(remote, address, folder))
        yield remote.at(address).text, None
    else:
        yield remote.at(address).text, None


def _isolate(folder: Path) -> None:
    """Settings of the machine and its users (`insteadOf`, proxies, filters) are not for strangers' repositories."""
    for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = str(folder / "no-settings")


@contextlib.contextmanager
def _translated(callbacks: "_FetchCallbacks | _CheckoutCallbacks", credentials: Credentials) -> Iterator[None]:
    try:
        yield
    except (pygit2.GitError, OSError, ValueError, KeyError) as exc:  # pygit2 spreads libgit2's classes over these
        if callbacks.failure is not None:
            raise callbacks.failure from exc
        raise explain(str(exc), had_credentials=bool(credentials)) from exc


class _Watch:
    """Reads the counters of a running fetch, every so often and from outside.

    libgit2 would call back for each object and each delta, hundreds of thousands of times: a tenth of all the work.
    """

    def __init__(self, remote: pygit2.Remote, callbacks: "_FetchCallbacks", size: PackSize, silence_s: float) -> None:
        self._remote = remote
        self._callbacks = callbacks
        self._size = size
        self._silence_s = silence_s
        self._seen = Counters()

    def look(self) -> None:
        """Report the counters if they moved. Raises JobFailed `timeout` on a silence in which nothing moves here."""
        stats = C.git_remote_stats(self._remote._remote)  # noqa: SLF001 - pygit2 hands it out only when all is over
        now = Counters(
            received_objects=stats.received_objects,
            total_objects=stats.total_objects,
            received_bytes=max(self._seen.received_bytes, self._size.bytes() if stats.total_objects else 0),
            indexed_objects=stats.indexed_objects,
            total_deltas=stats.total_deltas,
            indexed_deltas=stats.indexed_deltas,
        )
        if now != self._seen:
            self._seen = now
            self._callbacks.patience.heard()
            self._callbacks.transfer.count(now)
        is_resolving = now.total_objects == now.received_objects > 0 and now.indexed_deltas < now.total_deltas
        waited_s = self._callbacks.patience.waited_s()
        if not is_resolving and waited_s > self._silence_s:
            raise failed("timeout", f"The server said nothing for {self._silence_s:g} seconds.")


class _FetchCallbacks(pygit2.RemoteCallbacks):
    def __init__(self, source: Source, transfer: Transfer) -> None:
        super().__init__()
        self._source = source
        self._asked = 0
        self.transfer = transfer
        self.patience = Patience()
        self.failure: JobFailed | None = None
        """Why a callback told libgit2 to stop, where libgit2 itself would say something vaguer."""

    @property
    def fetch_options(self) -> Any:
        return self._fetch_options

    @fetch_options.setter
    def fetch_options(self, options: Any) -> None:
        """Where pygit2 leaves the options that it is about to use; see `_Watch` for what is taken out of them."""
        options.callbacks.transfer_progress = ffi.NULL
        self._fetch_options = options

    def sideband_progress(self, string: str) -> None:
        self.patience.heard()
        self.transfer.server_sends(string)

    def credentials(
        self, url: str, username_from_url: str | None, allowed_types: CredentialType
    ) -> "pygit2.credentials.UserPass | pygit2.credentials.Keypair | pygit2.credentials.Username":
        given = self._source.credentials
        user = username_from_url or given.username or "git"
        if allowed_types & CredentialType.USERNAME and not allowed_types & CredentialType.SSH_KEY:
            return pygit2.Username(user)
        self._asked += 1
        if self._asked > 1:  # libgit2 would go on asking for as long as it gets answers
            self.failure = failed("credentials_wrong")
        elif allowed_types & CredentialType.USERPASS_PLAINTEXT and given.password is not None:
            return pygit2.UserPass(given.username or "", given.password)
        elif allowed_types & CredentialType.SSH_KEY and given.ssh_key is not None:
            return pygit2.KeypairFromMemory(user, None, given.ssh_key, given.ssh_passphrase or "")
        else:
            self.failure = failed("credentials_wanted")
        raise self.failure

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:
        if not valid:  # for ssh: libgit2 has looked into known_hosts
            self.failure = failed("host_key_unknown" if self._source.remote.scheme == "ssh" else "tls")
        return valid


class _CheckoutCallbacks(pygit2.CheckoutCallbacks):
    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self.failure: JobFailed | None = None

    def checkout_progress(self, path: str, completed_steps: int, total_steps: int) -> None:
        # Raising does not stop a checkout; whoever waits for it stops waiting.
        self._report.progress(completed_steps, total_steps, "files", "Writing files")
