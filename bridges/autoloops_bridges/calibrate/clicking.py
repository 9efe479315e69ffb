"""Plays clicks and listens to what comes of them, on real ports."""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final

from autoloops_bridges.calibrate.measuring import MAX_LOOP_US, Click
from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.encode import NOTE_ON
from autoloops_bridges.midi.names import VIRTUAL
from autoloops_bridges.midi.ports import MidiPort, MidiSink, MidiSource
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.units import US_PER_MS, US_PER_S

CHANNEL: Final = 10
_VELOCITY: Final = 100
_LENGTH_US: Final = 40 * US_PER_MS
# So long before its time a click is handed over, on top of what the port asks for.
_AHEAD_US: Final = 10 * US_PER_MS
_LOOK_S: Final = 0.1
# A loop that feeds on itself doubles what it carries: nobody has to hear all of it.
_MOST_HEARD: Final = 4
# As in the player: how long a busy Python thread may keep a driver's callback waiting.
_SWITCH_INTERVAL_S: Final = 0.000_5


class Clicker:
    """Plays clicks to a port, hears what comes in. Thread: the main one. Blocks: while it plays.

    Args:
        sink: Where clicks go.
        source: Where they, or taps, come in; None: nowhere.
        woken: Set by whoever heard something.
    """

    def __init__(self, sink: MidiSink, source: MidiSource | None, woken: threading.Event) -> None:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._sink = sink
        self._source = source
        self._woken = woken

    def wait_for_cables(self, wait_s: float) -> None:
        """Let somebody connect those ports that are our own and lead nowhere yet."""
        ports: list[MidiPort] = [self._sink, *([self._source] if self._source is not None else [])]
        until_us = monotonic_us() + round(wait_s * US_PER_S)
        while monotonic_us() < until_us:
            for port in ports:
                port.look()
            if all(port.again != VIRTUAL or port.joined for port in ports):
                return
            threading.Event().wait(_LOOK_S)

    def play(self, clicks: Sequence[Click]) -> list[Click]:
        """Play clicks at their times; the notes that came in until the last one had time to come back."""
        events = [event for click in clicks for event in _events(click)]
        events.sort(key=lambda event: event.at_us)
        ahead_us = self._sink.lead_us + _AHEAD_US
        end_us = clicks[-1].at_us + MAX_LOOP_US
        heard: list[Click] = []
        while (now_us := monotonic_us()) < end_us and len(heard) <= _MOST_HEARD * len(clicks):
            while events and events[0].at_us - ahead_us <= now_us:
                self._sink.send(events.pop(0), now_us)
            self._sink.flush(now_us)
            due_us = events[0].at_us - ahead_us if events else end_us
            self._woken.wait(max(0, due_us - monotonic_us()) / US_PER_S)
            self._woken.clear()
            heard += self._heard()
        return heard

    def _heard(self) -> list[Click]:
        came = self._source.read() if self._source is not None else []
        return [Click(each.at_us, each.data[1]) for each in came if _strikes(each)]


def with_keyboard(play: Callable[[], list[Click]]) -> tuple[list[Click], list[int]]:
    """What ``play`` heard, and when the space bar was pressed meanwhile; never where there is no keyboard."""
    if not sys.stdin.isatty():
        return play(), []
    from autoloops_bridges.view.keys import Keyboard

    taps_us: list[int] = []
    keyboard = Keyboard(lambda keys: taps_us.append(monotonic_us()), lambda: None)
    try:
        return play(), taps_us
    finally:
        keyboard.close()


def _events(click: Click) -> tuple[Event, Event]:
    on = Event(click.at_us, Kind.ON, "", CHANNEL, click.pitch, _VELOCITY)
    return on, Event(click.at_us + _LENGTH_US, Kind.OFF, "", CHANNEL, click.pitch)


def _strikes(came: MidiIn) -> bool:
    """Whether a note begins: one of velocity 0 ends it."""
    return len(came.data) == 3 and came.data[0] & 0xF0 == NOTE_ON and came.data[2] > 0
