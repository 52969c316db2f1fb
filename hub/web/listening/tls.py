"""TLS by the hub itself: a certificate that is read again when it has been renewed."""

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from hub.settings import Settings, SettingsError
from hub.web.background import Background

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""How often it is looked whether the files are others; SIGHUP asks at once."""


class Certificate:
    """Connections that are open keep what they began with; new ones begin with what is there now."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError."""
        self._files = (Path(settings.tls_cert), Path(settings.tls_key or settings.tls_cert))
        # TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone: what Mozilla calls intermediate.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        self.context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        self.context.set_alpn_protocols(["http/1.1"])
        self._seen = self._stamp()
        try:
            self._load(self.context)
        except OSError as exc:  # SSLError is one
            raise SettingsError(f"tls_cert, tls_key: {_why(exc)} ({' and '.join(map(str, self._names))})") from exc

    @property
    def _names(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self._files))

    def renew(self) -> bool:
        """Take what is in the files now; False, and all as it was, when that is no pair. Reads files."""
        self._seen = self._stamp()
        try:
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # half a renewal must not spoil the one in use
            self._load(self.context)
        except OSError as exc:
            log.error("the new certificate cannot be used: %s", _why(exc), extra={"action": "certificate_refused"})  # noqa: TRY400
            return False
        log.info("the certificate was read again", extra={"action": "certificate_renewed"})
        return True

    def renew_if_changed(self) -> bool:
        return self._stamp() != self._seen and self.renew()

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Renewed by itself, and when SIGHUP comes."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        try:
            async with Background(self._watch(asked), "certificate"):
                yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self, asked: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await asked.wait()
            except TimeoutError:
                await asyncio.to_thread(self.renew_if_changed)
            else:
                asked.clear()
                await asyncio.to_thread(self.renew)

    def _load(self, context: ssl.SSLContext) -> None:
        # Without the password function OpenSSL would ask for one at the terminal, and wait.
        context.load_cert_chain(*self._files, password=_no_password)

    def _stamp(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError as exc:
                found.append(exc.errno)
            else:
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)


def _no_password() -> str:
    raise OSError("the private key wants a passphrase; store it without one, readable by the hub's user alone")


def _why(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLError):
        return (exc.reason or "not PEM").replace("_", " ").lower()
    return exc.strerror or str(exc)
