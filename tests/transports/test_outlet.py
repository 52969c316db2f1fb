"""The end of a connection, when the peer was faster."""

import pytest

from hub.transports.outlet import half_close


class Transport:
    def __init__(self, *, has_halves: bool, is_reset: bool) -> None:
        self.did: list[str] = []
        self._has_halves = has_halves
        self._is_reset = is_reset

    def can_write_eof(self) -> bool:
        return self._has_halves

    def write_eof(self) -> None:
        if self._is_reset:
            raise OSError(107, "Transport endpoint is not connected")
        self.did.append("eof")

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")


@pytest.mark.parametrize(
    ("has_halves", "is_reset", "did"), [(True, False, "eof"), (False, False, "close"), (True, True, "abort")]
)
def test_a_connection_that_the_peer_has_reset_is_let_go_and_breaks_nothing(has_halves, is_reset, did) -> None:
    transport = Transport(has_halves=has_halves, is_reset=is_reset)
    half_close(transport)
    assert transport.did == [did]
