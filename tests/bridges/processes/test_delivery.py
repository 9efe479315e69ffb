"""Events leave at their time, whatever they took to get ready, and nobody who is due waits for somebody who is not."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.processes.book import READY_US, LedgeredSink
from autoloops_bridges.processes.delivery import Delivery
from autoloops_bridges.processes.routes import Routes
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        return self.now_us


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
    delivery = Delivery(Routes({}, {}), clock)
    ports = [Port(clock, lead_us) for lead_us in leads_us]
    for number, port in enumerate(ports):
        delivery.sinks[f"osc {number}"] = LedgeredSink(port, NoteLedger(bytearray(LEDGER_SIZE)))
    return clock, delivery, ports


def run(clock: Clock, delivery: Delivery) -> None:
    """Deliver whenever something is due, until nothing waits."""
    while delivery.next_due_us is not None:
        clock.now_us = max(clock.now_us, delivery.next_due_us)
        delivery.deliver(clock.now_us)


def test_an_event_that_is_ready_early_leaves_at_its_time_and_is_not_late() -> None:
    clock, delivery, (port,) = rig(0)
    due_us = clock.now_us + READY_US
    delivery.take([("osc 0", Event(due_us, Kind.ON, "melody", 1, 60, 100))])
    delivery.deliver(due_us - 1)
    assert port.came == []
    run(clock, delivery)
    assert [(at_us - due_us, event.number) for at_us, event in port.came] == [(0, 60)]
    assert (delivery.events, delivery.late_max_us) == (1, 0)


def test_a_sink_that_looks_ahead_has_its_events_by_so_much_earlier() -> None:
    clock, delivery, (late, ahead) = rig(0, 5_000)
    note = Event(clock.now_us + 7_000, Kind.ON, "melody", 1, 60, 100)
    delivery.take([("osc 0", note), ("osc 1", note)])
    run(clock, delivery)
    assert late.came[0][0] == note.at_us
    assert ahead.came[0][0] == note.at_us - 5_000


def test_what_is_for_nobody_is_left_out() -> None:
    clock, delivery, (port,) = rig(0)
    delivery.take([("osc 7", Event(clock.now_us, Kind.ON, "melody", 1, 60, 100))])
    delivery.take([("osc 0", Event(clock.now_us, Kind.ON, "melody", 1, 60, 100))])
    del delivery.sinks["osc 0"]
    run(clock, delivery)
    assert port.came == []
    assert delivery.events == 0


def test_what_waits_for_a_port_that_is_gone_is_not_for_its_successor() -> None:
    clock, delivery, (port,) = rig(0)
    delivery.take([("osc 0", Event(clock.now_us + READY_US, Kind.ON, "melody", 1, 60, 100))])
    delivery.sinks["osc 0"] = LedgeredSink(port, NoteLedger(bytearray(LEDGER_SIZE)))
    run(clock, delivery)
    assert port.came == []


def test_whoever_leaves_gets_what_waits_and_the_others_do_not_yet() -> None:
    clock, delivery, (leaving, staying) = rig(0, 0)
    note = Event(clock.now_us + READY_US, Kind.OFF, "melody", 1, 60)
    delivery.take([("osc 0", note), ("osc 1", note)])
    delivery.deliver_all(clock.now_us, "osc 0")
    assert ([event for _, event in leaving.came], staying.came) == ([note], [])
    assert leaving.flushed[-1][1] == 1
    delivery.deliver_all(clock.now_us)
    assert [event for _, event in staying.came] == [note]
    assert delivery.next_due_us is None


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, READY_US), st.integers(0, 127)), max_size=20))
def test_every_event_comes_once_in_order_of_time_never_early_and_is_let_go(sent: list[tuple[int, int, int]]) -> None:
    clock, delivery, ports = rig(0, 0)
    events = [
        (f"osc {port}", Event(clock.now_us + wait_us, Kind.ON, "melody", 1, number, 100))
        for port, wait_us, number in sorted(sent)
    ]
    delivery.take(events)
    run(clock, delivery)
    for number, port in enumerate(ports):
        assert [event for _, event in port.came] == [event for key, event in events if key == f"osc {number}"]
        assert all(at_us == event.at_us for at_us, event in port.came)
        assert not port.came or port.flushed[-1][1] == len(port.came)
