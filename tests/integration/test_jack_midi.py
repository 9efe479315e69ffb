"""MIDI through a real JACK server, seen by receivers written with JACK-Client."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from autoloops_bridges.midi import ports
from autoloops_bridges.midi.apis import QUANTISED
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event, Kind

jack = pytest.importorskip("jack")
pytest.importorskip("rtmidi")

from autoloops_bridges.midi.jack_ports import JackInput, JackOutput  # noqa: E402
from autoloops_bridges.midi.rtmidi_ports import RtMidiInput, RtMidiOutput  # noqa: E402

BEAT_US = 62_500
BEATS = 128
WAIT_S = 15.0


class Heard(NamedTuple):
    """One message as a receiver saw it."""

    frame: int
    at_us: int
    data: bytes


class Receiver:
    """A JACK client that records everything that comes to its port."""

    def __init__(self) -> None:
        self.client = jack.Client("receiver", no_start_server=True)
        self.port = self.client.midi_inports.register("in")
        self.heard: list[Heard] = []
        self.xruns = 0
        self.client.set_process_callback(self._process)
        self.client.set_xrun_callback(self._xrun)
        self.client.activate()

    def _xrun(self, _: float) -> None:
        self.xruns += 1

    def _process(self, _: int) -> None:
        at_us = now_us()
        first = self.client.last_frame_time
        for offset, data in self.port.incoming_midi_events():
            self.heard.append(Heard(first + offset, at_us, bytes(data)))


def now_us() -> int:
    return time.monotonic_ns() // 1000


def until(done: Callable[[], bool]) -> None:
    deadline_us = now_us() + int(WAIT_S * 1e6)
    while not done():
        assert now_us() < deadline_us, "nothing came in time"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def fast_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def receiver(jack_server: object) -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.client.deactivate()
    receiver.client.close()


@pytest.fixture
def output(jack_server: object, receiver: Receiver) -> Iterator[JackOutput]:
    output = JackOutput("receiver:in")
    yield output
    output.close()


def play_beats(output: Any, start_us: int, number: Callable[[int], int]) -> None:
    """Hand over a note for each beat, its end half a beat later, each its lead before its time."""
    events = []
    for beat in range(BEATS):
        at_us = start_us + beat * BEAT_US
        events.append(Event(at_us, Kind.ON, "melody", 1, number(beat), 100))
        events.append(Event(at_us + BEAT_US // 2, Kind.OFF, "melody", 1, number(beat)))
    for event in events:
        time.sleep(max(0, event.at_us - output.lead_us - 1000 - now_us()) / 1e6)
        output.send(event, now_us())
        output.flush(now_us())


def check_pairs(heard: list[Heard], number: Callable[[int], int]) -> None:
    expected = []
    for beat in range(BEATS):
        expected += [bytes((0x90, number(beat), 100)), bytes((0x80, number(beat), 64))]
    assert [message.data for message in heard] == expected


def test_beats_through_jack_are_all_there_in_order_and_on_a_straight_line(
    output: JackOutput, receiver: Receiver
) -> None:
    start_us = now_us() + 300_000
    play_beats(output, start_us, lambda beat: beat % 128)
    until(lambda: len(receiver.heard) >= 2 * BEATS)
    check_pairs(receiver.heard, lambda beat: beat % 128)

    frames = np.array([message.frame for message in receiver.heard[::2]], dtype=np.float64)
    onsets_us = (frames - frames[0]) * 1e6 / 48_000
    beats = np.arange(BEATS)
    slope_us, constant_us = np.polyfit(beats, onsets_us, 1)
    residual_us = np.abs(onsets_us - (constant_us + slope_us * beats))
    slope_ppm = (slope_us / BEAT_US - 1) * 1e6
    sys.stdout.write(
        f"\nJACK output: residual p50 {np.percentile(residual_us, 50):.0f} us, p99 {np.percentile(residual_us, 99):.0f}"
        f" us, max {residual_us.max():.0f} us, slope {slope_ppm:+.1f} ppm, xruns {receiver.xruns},"
        f" late {output.queue.late}\n"
    )
    if not receiver.xruns:
        # The dummy driver's clock loses time at each dropout, so only a run without any can be judged.
        assert np.percentile(residual_us, 99) <= 1000


def test_a_burst_of_a_thousand_notes_arrives_complete(output: JackOutput, receiver: Receiver) -> None:
    at_us = now_us()
    for number in range(1000):
        output.send(Event(at_us, Kind.ON, "melody", 1, number % 128, 1 + number // 128), at_us)
    until(lambda: len(receiver.heard) >= 1000)
    assert [message.data[1:] for message in receiver.heard] == [bytes((n % 128, 1 + n // 128)) for n in range(1000)]


def test_what_was_handed_over_is_still_written_when_the_port_closes(jack_server: object, receiver: Receiver) -> None:
    output = JackOutput("receiver:in")
    at_us = now_us()
    output.send(Event(at_us, Kind.ON, "melody", 1, 60, 100), at_us)
    output.send(Event(at_us + 20_000, Kind.OFF, "melody", 1, 60), at_us)
    output.close()
    until(lambda: len(receiver.heard) >= 2)
    assert [message.data[0] for message in receiver.heard] == [0x90, 0x80]


def test_input_is_stamped_at_its_frame(jack_server: object) -> None:
    woken = []
    output = JackOutput("virtual")
    source = JackInput("AutoLoops:out", lambda: woken.append(1))
    try:
        start_us = now_us() + 200_000
        for step in range(50):
            output.send(Event(start_us + step * 7_000, Kind.ON, "melody", 1, step, 100), start_us)
        came: list[MidiIn] = []

        def all_came() -> bool:
            came.extend(source.read())
            return len(came) >= 50

        until(all_came)
    finally:
        source.close()
        output.close()
    assert [message.data for message in came] == [bytes((0x90, step, 100)) for step in range(50)]
    errors_us = [message.at_us - (start_us + step * 7_000) for step, message in enumerate(came)]
    sys.stdout.write(f"\nJACK input: stamps off by {min(errors_us)} to {max(errors_us)} us\n")
    assert woken
    assert sorted(errors_us)[25] < 3_000


def test_the_end_of_the_server_is_noticed_and_nothing_hangs(jack_server: Any, receiver: Receiver) -> None:
    output = JackOutput("virtual")
    assert output.alive
    jack_server.kill()
    until(lambda: not output.alive)
    for _ in range(10_000):
        output.send(Event(now_us(), Kind.ON, "melody", 1, 60, 100), now_us())
    before_us = now_us()
    output.close()
    assert now_us() - before_us < 3_000_000


def test_the_facade_prefers_the_sample_accurate_driver(jack_server: object) -> None:
    opened = ports.open_output("jack", "virtual")
    try:
        assert isinstance(opened.sink, JackOutput)
        assert opened.remarks == ()
        assert opened.sink.lead_us == pytest.approx(2 * 128 * 1e6 / 48_000, abs=2)
        [listed] = [listed for listed in ports.list_ports() if listed.api == "jack"]
        assert listed.remark == ""
    finally:
        if opened.sink is not None:
            opened.sink.close()


def test_a_name_that_no_port_has_gives_a_sentence(jack_server: object) -> None:
    opened = ports.open_output("jack", "no such synth")
    assert opened.sink is None
    assert "no such synth" in opened.remarks[0]


def test_without_jack_client_rtmidi_plays_through_jack_and_says_that_it_is_coarser(
    jack_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_jack_client", lambda: None)
    # RtMidi connects with the interpreter lock held, so a receiver by JACK-Client in this process would block it.
    source = ports.open_input("jack", "virtual", lambda: None).source
    opened = ports.open_output("jack", "AutoLoops:in")
    came: list[MidiIn] = []

    def all_came() -> bool:
        came.extend(source.read() if source is not None else ())
        return len(came) >= 2 * BEATS

    try:
        assert isinstance(source, RtMidiInput)
        assert isinstance(opened.sink, RtMidiOutput)
        assert opened.remarks == (QUANTISED,)
        play_beats(opened.sink, now_us() + 100_000, lambda beat: beat % 128)
        until(all_came)
    finally:
        for port in (opened.sink, source):
            if port is not None:
                port.close()
    check_pairs([Heard(0, message.at_us, message.data) for message in came], lambda beat: beat % 128)


def test_rtmidi_input_hands_over_notes_clock_and_sysex(jack_server: object) -> None:
    woken = []
    source = RtMidiInput("jack", "virtual", lambda: woken.append(1))
    client = jack.Client("keys", no_start_server=True)
    port = client.midi_outports.register("out")
    sent = [b"\x90\x3c\x64", b"\xf8", b"\xb0\x01\x7f", b"\xf0\x01\x02\x03\xf7", b"\xfa"]
    waiting: list[bytes] = []

    def process(_: int) -> None:
        port.clear_buffer()
        while waiting:
            port.write_midi_event(0, waiting.pop(0))

    client.set_process_callback(process)
    client.activate()
    came: list[MidiIn] = []

    def all_came() -> bool:
        came.extend(source.read())
        return len(came) >= len(sent)

    try:
        client.connect(port, "AutoLoops:in")
        before_us = now_us()
        waiting.extend(sent)
        until(all_came)
    finally:
        client.deactivate()
        client.close()
        source.close()
    assert [message.data for message in came] == sent
    assert all(before_us <= message.at_us <= now_us() for message in came)
    assert woken
