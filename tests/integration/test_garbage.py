"""Garbage through the real entry points: nothing gets past the edge, everything is counted, and the music goes on.

``AUTOLOOPS_GARBAGE`` says how many OSC packets and how many MIDI bytes (default 50,000).
"""

import os
import socket
from collections import Counter
from collections.abc import Iterable

import pytest
from tests.integration.garbage import midi_messages, osc_packets

from autoloops_bridges.osc import codec
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_bridges.processes.controllers import Controllers
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.stats import flat
from autoloops_bridges.processes.wire import MAX_LINE_BYTES, MAX_WAITING_BYTES, Wire
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, MidiIn, decode_from_player, encode
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, tiny_manifest

COUNT = int(os.environ.get("AUTOLOOPS_GARBAGE", "50000"))
BATCH = 100
STEP_US = 20_000
PEERS = [("127.0.0.1", 50_000 + number) for number in range(40)]

pytestmark = pytest.mark.timeout(120 + COUNT // 1_000)


class Stage:
    """A performance on a fake clock, with the edges in front of it that `play` has."""

    def __init__(self) -> None:
        manifest = tiny_manifest()
        setup = PartSetup("melody", 1, latent_space(manifest), manifest.bars)
        session = Session([setup], 7, 120.0)
        self.performance = Performance(session, {"melody": StubDecoder(manifest)}, 120.0)
        self.session = session
        self.edge = OscEdge(session, NtpClock(0, 1_700_000_000_000_000), stats=lambda: flat([("bars", 1)]))
        self.controllers = Controllers(PlayOptions(), session, lambda status: None)
        self.kinds: Counter[Kind] = Counter()
        self.bars: list[tuple[int, int]] = []
        session.act(Target("start"), (), 0)

    @property
    def now_us(self) -> int:
        return self.performance.now_us

    def play_on(self, for_us: int = STEP_US) -> list[Event]:
        """Let time pass; what sounded meanwhile. What was heard is forgotten, as a long performance must."""
        self.performance.run_until(self.now_us + for_us)
        events, self.performance.events = self.performance.events, []
        heard, self.performance.heard = self.performance.heard, []
        self.kinds.update(event.kind for event in events)
        self.bars += [
            (each.epoch, each.song_bar) for each in heard if isinstance(each, Frozen) and each.origin != "splice"
        ]
        return events

    def settle_down(self) -> None:
        """Bring back what the garbage may have set: a tempo, sound, a way of sampling that has notes."""
        for name, value in (("mute", 0), ("temperature", 1.0), ("velocity", 1.0), ("length", 2)):
            self.session.set(Target(name, "melody"), (value,), self.now_us)
        self.session.set(Target("z", "melody"), (0.5, -0.5, 1.0, 0.0), self.now_us)
        self.session.set(Target("tempo"), (120.0,), self.now_us)
        self.play_on(5_000_000)

    def still_plays(self) -> None:
        """Eight seconds at 120 BPM have sixteen beats, four bars in order, and notes of which each ends."""
        self.settle_down()
        self.kinds.clear()
        self.bars.clear()
        self.play_on(8_000_000)
        assert self.session.playing
        assert self.kinds[Kind.BEAT] == 16
        assert self.kinds[Kind.BAR] == 4
        assert self.kinds[Kind.ON] > 0
        assert [bar - self.bars[0][1] for _, bar in self.bars] == list(range(len(self.bars)))


def in_order(bars: Iterable[tuple[int, int]]) -> bool:
    """Whether no bar was left out or frozen twice as long as nobody jumped."""
    last: tuple[int, int] | None = None
    for epoch, bar in bars:
        if last is not None and epoch == last[0] and bar != last[1] + 1:
            return False
        last = epoch, bar
    return True


def test_osc_garbage_stays_outside_and_the_music_goes_on() -> None:
    stage = Stage()
    stage.play_on()
    answered = 0
    for sent, packet in enumerate(osc_packets(COUNT, seed=1), start=1):
        stage.edge.receive(packet, PEERS[sent % len(PEERS)], stage.now_us)
        if sent % BATCH == 0:
            out = stage.edge.advance(stage.now_us)
            assert all(len(data) <= 1_400 or data.startswith(b"/al/pong") for data, _ in out)
            answered += len(out)
            stage.play_on()
    assert in_order(stage.bars)
    counters = stage.edge.counters
    assert counters.packets == COUNT
    assert min(counters.malformed, counters.refused, counters.executed, counters.too_far, counters.coalesced) > 0
    assert counters.errors_withheld > 0
    assert 0 < answered < 4 * COUNT
    assert stage.edge.queued[0] <= 4_096
    assert stage.edge.queued[1] <= 1_024
    assert len(stage.edge.listeners()) <= 32
    stage.still_plays()


def test_midi_garbage_stays_outside_and_the_music_goes_on() -> None:
    stage = Stage()
    stage.play_on()
    pieces = 0
    for pieces, data in enumerate(midi_messages(COUNT, seed=2), start=1):
        came = decode_from_player(encode(MidiIn("keys", data, stage.now_us)).rstrip(b"\n"))
        assert isinstance(came, MidiIn)
        stage.controllers.receive(came, stage.now_us)
        if pieces % BATCH == 0:
            stage.edge.advance(stage.now_us)
            stage.play_on()
    assert in_order(stage.bars)
    assert stage.controllers.read + stage.controllers.garbage == pieces
    assert stage.controllers.garbage > 0
    assert stage.controllers.read > 0
    stage.still_plays()


def test_sysex_of_any_size_costs_itself_only() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        player, main = Wire(ours), Wire(theirs)
        came = []
        sizes = (MAX_LINE_BYTES // 2, MAX_LINE_BYTES, 2 * MAX_LINE_BYTES, MAX_WAITING_BYTES)
        for size in sizes:
            player.send(encode(MidiIn("keys", b"\xf0" + bytes(size) + b"\xf7", 0)))
            player.send(encode(MidiIn("keys", b"\x90\x3c\x64", 1)))
            while player.waiting:
                player.flush()
                came += main.receive()
        came += main.receive()
        received = [decode_from_player(line) for line in came]
        notes = [each for each in received if isinstance(each, MidiIn) and len(each.data) == 3]
        assert len(notes) == len(sizes)
        assert player.dropped + main.dropped == 3


def test_a_tag_in_the_far_future_is_done_at_once_and_a_near_one_in_time() -> None:
    stage = Stage()
    stage.play_on()
    clock = NtpClock(0, 1_700_000_000_000_000)
    near, far = clock.tag_at(stage.now_us + 1_000_000), clock.tag_at(stage.now_us + 3_600_000_000)
    for tag, knob in ((near, 0.25), (far, 0.75)):
        message = codec.encode("/al/melody/velocity", (knob,))
        stage.edge.receive(codec.bundle(tag, [message]), PEERS[0], stage.now_us)
    stage.edge.advance(stage.now_us)
    assert stage.session.get(Target("velocity", "melody")) == (0.75,)
    assert stage.edge.counters.too_far == 1
    stage.play_on(1_100_000)
    stage.edge.advance(stage.now_us)
    assert stage.session.get(Target("velocity", "melody")) == (0.25,)
