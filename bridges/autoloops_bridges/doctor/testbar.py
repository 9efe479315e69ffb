"""A bar of notes to a MIDI port, to hear whether anything is connected to it."""

import threading
from collections.abc import Callable
from typing import Final

from autoloops_bridges.doctor.finding import Finding, fail, ok
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.midi.ports import MidiSink, OpenedOutput
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.units import US_PER_S

PITCHES: Final = (60, 64, 67, 72, 67, 64, 60, 55)
NOTE_US: Final = US_PER_S // 4
CHANNEL: Final = 1
_VELOCITY: Final = 90
_NEVER: Final = threading.Event()
# What lies on a JACK server's schedule when the port closes is still written; this is for the ears.
_AFTER_US: Final = US_PER_S // 10


def bar_of_notes(start_us: int) -> list[Event]:
    """One bar of quavers at 120 BPM, each with its end."""
    events = []
    for place, pitch in enumerate(PITCHES):
        at_us = start_us + place * NOTE_US
        events.append(Event(at_us, Kind.ON, "test", CHANNEL, pitch, _VELOCITY))
        events.append(Event(at_us + NOTE_US * 9 // 10, Kind.OFF, "test", CHANNEL, pitch))
    return events


def send_test_bar(
    open_port: Callable[[], OpenedOutput],
    wanted: str,
    clock_us: Callable[[], int],
    wait_s: Callable[[float], object] = _NEVER.wait,
) -> Finding:
    """Play the bar and say so. Blocks: for two seconds."""
    name = "test bar"
    try:
        opened = open_port()
    except AutoLoopsError as error:
        return fail(name, "Nothing was played.", str(error))
    if opened.sink is None:
        todo = " ".join(opened.remarks) or f"{wanted!r} is no port." if wanted != NONE else "Name a port."
        return fail(name, "Nothing was played.", todo)
    try:
        _play(opened.sink, clock_us, wait_s)
        alive = opened.sink.alive
    finally:
        opened.sink.close()
    if not alive:
        return fail(name, f"{opened.sink.name} went away meanwhile.", "Start its MIDI system again.")
    says = f"{len(PITCHES)} notes went to {wanted} ({opened.sink.name}), channel {CHANNEL}."
    return ok(name, f"{says} If you heard none, look behind it.")


def _play(sink: MidiSink, clock_us: Callable[[], int], wait_s: Callable[[float], object]) -> None:
    start_us = clock_us() + sink.lead_us + _AFTER_US
    for event in bar_of_notes(start_us):
        wait_s(max(0, event.at_us - sink.lead_us - clock_us()) / US_PER_S)
        now_us = clock_us()
        sink.send(event, now_us)
        sink.flush(now_us)
    wait_s((sink.lead_us + _AFTER_US) / US_PER_S)
