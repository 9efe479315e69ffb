"""The keeper of the MIDI ports, with ports that die and come back when the test wants it."""

import pytest
from tests.bridges.processes.made_up_ports import Failing, FakeRecord, FakeSystem, keeper_on, told

from autoloops_bridges.midi.ports import MidiSink, MidiSource
from autoloops_bridges.processes.ports import (
    RETRY_US,
    Cables,
    PortKeeper,
    Slot,
)
from autoloops_engine.errors import PortError
from autoloops_engine.messages import PortsState


def test_the_first_turn_opens_and_tells_which_ports_there_are() -> None:
    system = FakeSystem()
    keeper = keeper_on(system, asked=("synth", "keys"))
    assert told(keeper.turn(0)) == PortsState(("port 0",), ("port 1",), ())
    assert keeper.turn(1) is None


def test_what_is_missing_at_the_start_is_said_once_and_opened_as_soon_as_it_is_there() -> None:
    system = FakeSystem(runs=False)
    keeper = keeper_on(system)
    assert told(keeper.turn(0)).remarks == ("No server is running.",)
    assert keeper.turn(RETRY_US - 1) is None
    assert len(system.tried) == 1
    assert keeper.turn(RETRY_US) is None
    assert len(system.tried) == 2
    system.runs = True
    assert told(keeper.turn(2 * RETRY_US)) == PortsState(("port 0",), (), ("MIDI out port 0 is there now.",))


def test_a_port_that_was_not_asked_for_is_never_opened() -> None:
    system = FakeSystem()
    keeper = keeper_on(system, asked=("none", "none"))
    assert told(keeper.turn(0)) == PortsState((), (), ())
    assert keeper.turn(RETRY_US) is None
    assert system.tried == []


def test_a_port_whose_system_dies_is_let_go_and_opened_again_with_its_connections() -> None:
    system = FakeSystem()
    keeper = keeper_on(system)
    keeper.turn(0)
    port = system.opened[0]
    port.cables = ("synth:in",)
    assert keeper.turn(1) is None
    system.die()
    news = keeper.turn(2)
    assert told(news).remarks == ("MIDI out port 0 is gone; it is opened again as soon as it is back.",)
    assert news is not None
    assert news.sink is None
    system.runs = True
    # The timing thread may still play to it: it is closed, and anything opened, only when that has let go.
    assert keeper.turn(10 * RETRY_US) is None
    assert not port.closed
    keeper.let_go(port)
    assert told(keeper.turn(10 * RETRY_US)).remarks == ("MIDI out port 1 is back.",)
    assert port.closed
    assert system.tried[-1] == ("port 0", ("synth:in",))


def test_while_the_system_stays_away_it_is_tried_twice_a_second_and_nothing_is_said() -> None:
    system = FakeSystem()
    keeper = keeper_on(system)
    keeper.turn(0)
    system.die()
    keeper.turn(0)
    keeper.let_go(system.opened[0])
    assert [keeper.turn(at_us) for at_us in range(0, 20 * RETRY_US, RETRY_US // 2)] == [None] * 40
    assert 19 <= len(system.tried) - 1 <= 20


def test_both_ports_of_a_system_that_dies_are_closed_before_either_is_opened() -> None:
    system = FakeSystem()
    keeper = keeper_on(system, asked=("synth", "keys"))
    keeper.turn(0)
    system.die()
    keeper.turn(0)
    system.runs = True
    keeper.let_go(system.opened[0])
    assert keeper.turn(RETRY_US) is None
    keeper.let_go(system.opened[1])
    assert told(keeper.turn(2 * RETRY_US)) == PortsState(
        ("port 2",), ("port 3",), ("MIDI out port 2 is back.", "MIDI in port 3 is back.")
    )


def test_beside_a_frail_port_nothing_is_opened_after_the_start() -> None:
    system = FakeSystem(frail=True)
    keeper = keeper_on(system, asked=("synth", "keys"))
    keeper.turn(0)
    assert len(system.tried) == 2
    system.opened[1].alive = False
    keeper.turn(1)
    keeper.let_go(system.opened[1])
    assert keeper.turn(RETRY_US * 2) is None
    assert len(system.tried) == 2


def test_what_a_port_has_to_say_is_told() -> None:
    system = FakeSystem()
    keeper = keeper_on(system)
    keeper.turn(0)
    system.opened[0].remarks = ("MIDI port synth:in is gone.",)
    assert told(keeper.turn(1)) == PortsState(("port 0",), (), ("MIDI port synth:in is gone.",))
    assert keeper.turn(2) is None


def test_a_successor_takes_the_connections_up() -> None:
    system, record = FakeSystem(), FakeRecord()
    keeper = keeper_on(system, record)
    keeper.turn(0)
    system.opened[0].cables = ("synth:in", "looper:in")
    keeper.turn(1)
    assert record.cables() == Cables(("synth", "none"), ("synth:in", "looper:in"), None)
    keeper_on(system, record).turn(0)
    assert system.tried[-1] == ("synth", ("synth:in", "looper:in"))


def test_connections_are_not_taken_up_after_an_orderly_end_nor_for_other_ports() -> None:
    system, record = FakeSystem(), FakeRecord()
    keeper = keeper_on(system, record)
    keeper.turn(0)
    keeper_on(system, FakeRecord(record.payload), asked=("organ", "none")).turn(0)
    assert system.tried[-1] == ("organ", None)
    keeper.close()
    assert system.opened[0].closed
    keeper_on(system, record).turn(0)
    assert system.tried[-1] == ("synth", None)


@pytest.mark.parametrize("error", [PortError("The JACK server went away."), RuntimeError("anything a driver raises")])
def test_a_driver_that_fails_is_told_once_and_tried_again(error: Exception) -> None:
    system = FakeSystem()
    output: Slot[MidiSink] = Slot("MIDI out", "synth", Failing(system.open, error, times=3))
    keeper = PortKeeper(output, Slot[MidiSource]("MIDI in", "keys", system.open), FakeRecord())
    (remark,) = told(keeper.turn(0)).remarks
    assert str(error) in remark
    # The other port is none of its business.
    assert [port.name for port in system.opened] == ["port 0"]
    assert keeper.turn(RETRY_US) is None
    assert keeper.turn(2 * RETRY_US) is None
    assert told(keeper.turn(3 * RETRY_US)).outputs == ("port 1",)


def test_a_look_that_fails_is_told_once_and_tried_again() -> None:
    system = FakeSystem()
    keeper = keeper_on(system)
    keeper.turn(0)
    port = system.opened[0]
    port.failure = PortError("ALSA does not list its ports.")
    assert told(keeper.turn(1)) == PortsState(("port 0",), (), ("ALSA does not list its ports. It is tried again.",))
    assert keeper.turn(2) is None
    port.failure, port.remarks = None, ("MIDI port synth:in is gone.",)
    assert told(keeper.turn(3)).remarks == ("MIDI port synth:in is gone.",)


def test_a_port_that_cannot_be_closed_is_opened_again_all_the_same() -> None:
    system = FakeSystem()
    keeper = keeper_on(system)
    keeper.turn(0)
    system.die()
    keeper.turn(0)
    system.runs = True
    system.opened[0].failure = RuntimeError("no server")
    keeper.let_go(system.opened[0])
    assert told(keeper.turn(RETRY_US)).outputs == ("port 1",)
    system.opened[1].failure = RuntimeError("no server")
    keeper.close()


def test_damaged_connections_are_no_reason_to_stop() -> None:
    system = FakeSystem()
    assert told(keeper_on(system, FakeRecord(b'{"asked":')).turn(0)).outputs == ("port 0",)
