"""Events leave at their time, whatever they took to get ready, and nobody who is due waits for somebody who is not."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.processes.book import READY_US, LedgeredSink
from autoloops_bridges.processes.delivery import Delivery
from autoloops_bridges.processes.routes import Routes
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger


class Clock:
    """Goes on by what is waited, and a little with each look."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us

    def pause(self, us: int) -> None:
        self.now_us += us


class Port:
    """Notes when each event came, and when it was told to let go of them."""

    name = "a port"

    def __init__(self, clock: Clock, lead_us: int) -> None:
        self.lead_us = lead_us
        self.came: list[tuple[int, Event]] = []
        self.flushed: list[tuple[int, int]] = []
        self._clock = clock

    def send(self, event: Event, now_us: int) -> None:
        self.came.append((self._clock.now_us, event))

    def flush(self, now_us: int) -> None:
        self.flushed.append((self._clock.now_us, len(self.came)))

    def close(self) -> None:
        """Nothing is left open."""


def rig(*leads_us: int) -> tuple[Clock, Delivery, list[Port]]:
    clock = Clock()
    delivery = Delivery(Routes({}, {}), clock, clock.pause)
    ports = [Port(clock, lead_us) for lead_us in leads_us]
    for number, port in enumerate(ports):
        delivery.sinks[f"osc {number}"] = LedgeredSink(port, NoteLedger(bytearray(LEDGER_SIZE)))
    return clock, delivery, ports


def test_an_event_that_is_ready_early_leaves_at_its_time_and_is_not_late() -> None:
    clock, delivery, (port,) = rig(0)
    due_us = clock.now_us + READY_US
    delivery.hand_over([("osc 0", Event(due_us, Kind.ON, "melody", 1, 60, 100))], clock.now_us)
    assert [(at_us - due_us, event.number) for at_us, event in port.came] == [(0, 60)]
    assert delivery.events == 1
    assert delivery.late_max_us <= 1


def test_what_is_due_leaves_before_others_are_waited_for() -> None:
    clock, delivery, (late, ahead) = rig(0, 5_000)
    begun_us = clock.now_us
    sound_us = begun_us + READY_US
    note = Event(sound_us, Kind.ON, "melody", 1, 60, 100)
    delivery.hand_over([("osc 0", note), ("osc 1", note)], begun_us)
    assert ahead.flushed[0][0] - begun_us < 10
    assert late.came[0][0] >= sound_us


def test_what_is_for_nobody_is_left_out() -> None:
    clock, delivery, (port,) = rig(0)
    delivery.hand_over([("osc 7", Event(clock.now_us, Kind.ON, "melody", 1, 60, 100))], clock.now_us)
    assert port.came == []
    assert delivery.events == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, READY_US), st.integers(0, 127)), max_size=20))
def test_every_event_comes_once_in_order_of_time_never_early_and_is_let_go(sent: list[tuple[int, int, int]]) -> None:
    clock, delivery, ports = rig(0, 0)
    events = [
        (f"osc {port}", Event(clock.now_us + wait_us, Kind.ON, "melody", 1, number, 100))
        for port, wait_us, number in sorted(sent)
    ]
    delivery.hand_over(events, clock.now_us)
    for number, port in enumerate(ports):
        assert [event for _, event in port.came] == [event for key, event in events if key == f"osc {number}"]
        assert all(at_us >= event.at_us for at_us, event in port.came)
        assert not port.came or port.flushed[-1][1] == len(port.came)
