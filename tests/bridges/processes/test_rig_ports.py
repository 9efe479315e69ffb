"""The keeper of the ports of a rig: controllers that come and go, and instruments that are led by clock."""

from tests.bridges.processes.made_up_ports import FakeRecord, FakeSystem, told

from autoloops_bridges.midi.ports import MidiSink, MidiSource
from autoloops_bridges.processes.ports import (
    RARE_RETRY_US,
    RETRY_US,
    PortKeeper,
    Slot,
)
from autoloops_engine.messages import PortsState


def rig_keeper(system: FakeSystem, record: FakeRecord | None = None) -> PortKeeper:
    nothing = Slot[MidiSink]("MIDI out", "none", system.open), Slot[MidiSource]("MIDI in", "none", system.open)
    desk = (
        Slot[MidiSink]("MIDI out desk", "desk", system.open, retry_us=RARE_RETRY_US),
        Slot[MidiSource]("MIDI in desk", "desk", system.open, retry_us=RARE_RETRY_US),
    )
    return PortKeeper(*nothing, record or FakeRecord(), {"desk": desk})


def test_the_ports_of_a_rig_are_opened_by_name_and_their_arrivals_counted() -> None:
    system = FakeSystem()
    keeper = rig_keeper(system)
    news = keeper.turn(0)
    assert told(news) == PortsState(("port 0",), ("port 1",), (), {"desk": 1})
    assert news is not None
    assert (news.sink, news.source) == (None, None)
    assert news.rig["desk"] == (system.opened[0], system.opened[1])
    assert keeper.turn(1) is None
    # The other end was unplugged and is back: nothing else tells.
    system.opened[0].joined = 1
    assert told(keeper.turn(2)).arrivals == {"desk": 2}


def test_a_controller_that_goes_is_no_more_there_and_counts_anew_when_it_comes_back() -> None:
    system = FakeSystem()
    keeper = rig_keeper(system)
    keeper.turn(0)
    system.die()
    news = keeper.turn(1)
    assert told(news).arrivals == {}
    assert news is not None
    assert news.rig["desk"] == (None, None)
    for port in list(system.opened):
        keeper.let_go(port)
    system.runs = True
    assert told(keeper.turn(1 + RETRY_US)).arrivals == {"desk": 2}


def test_a_controller_that_was_left_at_home_is_looked_for_now_and_then_only() -> None:
    system = FakeSystem(runs=False)
    keeper = rig_keeper(system)
    assert len(told(keeper.turn(0)).remarks) == 1
    for now_us in range(0, RARE_RETRY_US, RETRY_US):
        assert keeper.turn(now_us) is None
    assert len(system.tried) == 2
    system.runs = True
    assert told(keeper.turn(RARE_RETRY_US)).arrivals == {"desk": 1}


def test_a_successor_takes_the_connections_of_a_rig_up() -> None:
    system, record = FakeSystem(), FakeRecord()
    keeper = rig_keeper(system, record)
    keeper.turn(0)
    system.opened[0].cables = ("desk:in",)
    keeper.turn(1)
    rig_keeper(system, record).turn(0)
    assert ("desk", ("desk:in",)) in system.tried


def test_ports_that_are_led_by_clock_are_kept_open_and_cabled_like_the_others() -> None:
    system, record = FakeSystem(), FakeRecord()

    def keeper() -> PortKeeper:
        output: Slot[MidiSink] = Slot("MIDI out", "synth", system.open)
        source: Slot[MidiSource] = Slot("MIDI in", "none", system.open)
        clock: Slot[MidiSink] = Slot("Clock out 1", "drums", system.open)
        return PortKeeper(output, source, record, None, [clock])

    news = keeper().turn(0)
    assert news is not None
    assert news.clocks == (system.opened[1],)
    assert told(news).outputs == ("port 0", "port 1")
    system.opened[1].cables = ("drums:in",)
    assert record.cables().others == {"Clock out 1": ("drums", ())}
    system.tried.clear()
    assert keeper().turn(0) is not None
    assert system.tried == [("synth", ()), ("drums", ())]
