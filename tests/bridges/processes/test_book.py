"""The book of sounding notes errs on the safe side: whoever dies when, no note is missing in it."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.processes.book import LedgeredSink
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger

LEAD_US = 5_000


class Frames:
    """A sink that keeps events until their time, as JACK does, and forgets them when the process dies."""

    name = "frames"
    lead_us = LEAD_US

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event, now_us: int) -> None:
        self.events.append(event)

    def flush(self, now_us: int) -> None:
        """They wait for their time."""

    def close(self) -> None:
        """Nothing is held."""

    def sounding(self, now_us: int) -> set[tuple[int, int]]:
        """What a receiver hears at this moment."""
        sounding: set[tuple[int, int]] = set()
        for event in sorted((e for e in self.events if e.at_us <= now_us), key=lambda e: (e.at_us, e.kind)):
            key = event.channel, event.number
            (sounding.add if event.kind is Kind.ON else sounding.discard)(key)
        return sounding


@given(st.lists(st.tuples(st.integers(1, 100_000), st.integers(0, 2)), max_size=30), st.integers(0, 200_000))
def test_what_a_receiver_hears_is_in_the_book_whenever_the_process_dies(
    notes: list[tuple[int, int]], later_us: int
) -> None:
    frames, ledger = Frames(), NoteLedger(bytearray(LEDGER_SIZE))
    sink = LedgeredSink(frames, ledger)
    now_us, on = 0, dict.fromkeys(range(3), False)
    for step_us, pitch in notes:
        now_us += step_us
        sink.settle(now_us)
        on[pitch] = not on[pitch]
        sink.send(Event(now_us + LEAD_US, Kind.ON if on[pitch] else Kind.OFF, "melody", 1, pitch, 100), now_us)
        # Dead from now on: only what had reached its time was heard.
        assert frames.sounding(now_us) <= set(ledger.sounding())
    sink.settle(now_us + later_us)
    assert frames.sounding(now_us + later_us) <= set(ledger.sounding())


def test_a_note_whose_end_has_surely_left_is_in_the_book_no_more() -> None:
    ledger = NoteLedger(bytearray(LEDGER_SIZE))
    sink = LedgeredSink(Frames(), ledger)
    sink.send(Event(LEAD_US, Kind.ON, "melody", 1, 60, 100), 0)
    sink.send(Event(2 * LEAD_US, Kind.OFF, "melody", 1, 60), LEAD_US)
    sink.settle(2 * LEAD_US)
    assert list(ledger.sounding()) == [(1, 60)]
    sink.settle(200_000)
    assert list(ledger.sounding()) == []


def test_what_an_earlier_process_left_is_ended() -> None:
    ledger = NoteLedger(bytearray(LEDGER_SIZE))
    ledger.on(1, 60)
    ledger.on(10, 36)
    frames = Frames()
    sink = LedgeredSink(frames, ledger)
    sink.end_left_over(1_000_000)
    assert [(e.kind, e.channel, e.number) for e in frames.events] == [(Kind.OFF, 1, 60), (Kind.OFF, 10, 36)]
    assert all(1_000_000 <= event.at_us <= 1_100_000 for event in frames.events)
    sink.settle(2_000_000)
    assert list(ledger.sounding()) == []
