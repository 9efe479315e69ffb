"""The watch over the MIDI ports, with ports that die and come back when the test wants it, on a clock of its own."""

import threading
from dataclasses import dataclass, field

import msgspec
import pytest

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.ports import MidiPort, MidiSink, MidiSource
from autoloops_bridges.processes.ports import (
    RARE_RETRY_US,
    RETRY_US,
    STUCK_US,
    Cables,
    News,
    Open,
    PortKeeper,
    PortWatch,
    Slot,
)
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn, PortsState
from autoloops_engine.player.events import Event


class FakePort:
    """A port of the system that the test plays."""

    def __init__(self, name: str, cables: tuple[str, ...] = (), *, frail: bool = False) -> None:
        self.name = self.again = name
        self.alive = True
        self.cables = cables
        self.frail = frail
        self.lead_us = 0
        self.joined = 0
        self.sent: list[bytes] = []
        self.closed = False
        self.remarks: tuple[str, ...] = ()
        self.failure: Exception | None = None

    def look(self) -> tuple[str, ...]:
        if self.failure is not None:
            raise self.failure
        remarks, self.remarks = self.remarks, ()
        return remarks

    def send(self, event: Event, now_us: int) -> None:
        """Nobody listens."""

    def send_raw(self, data: bytes) -> None:
        self.sent.append(data)

    def flush(self, now_us: int) -> None:
        """Nobody listens."""

    def read(self) -> list[MidiIn]:
        return []

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeSystem:
    """Ports can be opened while it runs; it insists that what died is closed before anything is opened."""

    runs: bool = True
    frail: bool = False
    opened: list[FakePort] = field(default_factory=list)
    tried: list[tuple[str, tuple[str, ...] | None]] = field(default_factory=list)

    def open(self, name: str, former: tuple[str, ...] | None) -> tuple[FakePort | None, tuple[str, ...]]:
        self.tried.append((name, former))
        assert all(port.alive or port.closed for port in self.opened)
        if not self.runs:
            return None, ("No server is running.",)
        self.opened.append(FakePort(f"port {len(self.opened)}", former or (), frail=self.frail))
        return self.opened[-1], ()

    def die(self) -> None:
        self.runs = False
        for port in self.opened:
            port.alive = False


@dataclass
class Failing:
    """Opens ports, but for the first few times."""

    open: Open[FakePort]
    error: Exception
    times: int

    def __call__(self, name: str, former: tuple[str, ...] | None) -> tuple[FakePort | None, tuple[str, ...]]:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        return self.open(name, former)


class FakeRecord:
    """A record that remembers."""

    def __init__(self, payload: bytes = b"") -> None:
        self.payload = payload

    def read(self) -> bytes:
        return self.payload

    def write(self, payload: bytes) -> bool:
        self.payload = payload
        return True

    def cables(self) -> Cables:
        return msgspec.json.decode(self.payload, type=Cables)


def keeper_on(
    system: FakeSystem, record: FakeRecord | None = None, asked: tuple[str, str] = ("synth", "none")
) -> PortKeeper:
    output: Slot[MidiSink] = Slot("MIDI out", asked[0], system.open)
    source: Slot[MidiSource] = Slot("MIDI in", asked[1], system.open)
    return PortKeeper(output, source, record or FakeRecord())


def told(news: News | None) -> PortsState:
    assert news is not None
    return news.state


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


def test_the_watch_outlives_a_driver_that_fails() -> None:
    system, woken, look_now = FakeSystem(), threading.Event(), threading.Event()
    watch = PortWatch(keeper_on(system), woken.set, look_now)
    watch.start(patience_s=5.0)
    watch.take()
    woken.clear()
    system.opened[0].failure = RuntimeError("no server")
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.state.remarks
    woken.clear()
    system.opened[0].failure = None
    system.die()
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.sink is None
    watch.close()


def test_damaged_connections_are_no_reason_to_stop() -> None:
    system = FakeSystem()
    assert told(keeper_on(system, FakeRecord(b'{"asked":')).turn(0)).outputs == ("port 0",)


def test_the_watch_hands_news_over_and_wakes_the_timing_thread() -> None:
    system, woken, look_now = FakeSystem(), threading.Event(), threading.Event()
    watch = PortWatch(keeper_on(system), woken.set, look_now)
    watch.start(patience_s=5.0)
    (news,) = watch.take()
    assert news.sink is system.opened[0]
    woken.clear()
    system.die()
    look_now.set()
    assert woken.wait(5.0)
    (news,) = watch.take()
    assert news.sink is None
    dead: MidiPort = system.opened[0]
    watch.let_go(dead)
    watch.close()
    assert system.opened[0].closed


def test_a_system_that_hangs_holds_the_start_up_only_for_the_time_given() -> None:
    system, go_on = FakeSystem(), threading.Event()

    def hang(name: str, former: tuple[str, ...] | None) -> tuple[MidiSink | None, tuple[str, ...]]:
        assert go_on.wait(5.0)
        return system.open(name, former)

    woken = threading.Event()
    source: Slot[MidiSource] = Slot("MIDI in", "none", system.open)
    keeper = PortKeeper(Slot("MIDI out", "synth", hang), source, FakeRecord())
    watch = PortWatch(keeper, woken.set, threading.Event())
    watch.start(patience_s=0.01)
    assert watch.take() == []
    now_us = monotonic_us()
    assert not watch.is_stuck(now_us)
    assert watch.is_stuck(now_us + STUCK_US)
    go_on.set()
    assert woken.wait(5.0)
    assert [news.sink for news in watch.take()] == system.opened
    assert not watch.is_stuck(now_us + STUCK_US)
    watch.close()


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
