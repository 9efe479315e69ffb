"""MIDI ports that die and come back when the test wants it, and their keeper."""

from dataclasses import dataclass, field

import msgspec

from autoloops_bridges.midi.ports import MidiSink, MidiSource
from autoloops_bridges.processes.ports import (
    Cables,
    News,
    Open,
    PortKeeper,
    Slot,
)
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
