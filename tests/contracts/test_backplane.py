"""One suite for every backplane: what `hub.core.ports.Backplane` promises."""

from collections.abc import Callable, Sequence

import pytest

from hub.backplane.local import LocalBackplane
from hub.core.events import Event
from hub.core.ports import Backplane
from tests.fakes import event, log_body


@pytest.fixture(params=[LocalBackplane])
def make(request: pytest.FixtureRequest) -> Callable[[], Backplane]:
    return request.param  # type: ignore[no-any-return]


def test_every_listener_gets_every_event_once_and_in_order(make: Callable[[], Backplane]) -> None:
    backplane = make()
    heard: list[list[int]] = [[], []]

    def listener(n: int) -> Callable[[Sequence[Event]], None]:
        return lambda events: heard[n].extend(event.seq for event in events)

    backplane.listen(listener(0))
    backplane.listen(listener(1))
    backplane.share([event(1, log_body()), event(2, log_body())])
    backplane.share([event(3, log_body())])
    assert heard == [[1, 2, 3], [1, 2, 3]]
