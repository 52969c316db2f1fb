"""The two faces under one name."""

from hub.client.asynchronous import AsyncClient
from hub.client.link import Pace
from hub.client.publisher import FLUSH_S
from hub.client.sync import SyncClient


class Client(AsyncClient):
    __doc__ = AsyncClient.__doc__

    @staticmethod
    def sync(
        url: str | None = None, *, token: str | None = None, pace: Pace | None = None, flush_s: float = FLUSH_S
    ) -> SyncClient:
        """The same words for programs without an event loop: `with Client.sync(url) as hub`."""
        return SyncClient(url, token=token, pace=pace, flush_s=flush_s)
