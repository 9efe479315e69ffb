"""Whose MIDI clock comes in at this moment, and how late ports are known to sound."""

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median, pstdev
from typing import Final, NamedTuple, Protocol

from autoloops_bridges.doctor.finding import Finding, ok
from autoloops_bridges.midi.ports import MidiSource, PortList, open_input
from autoloops_engine.messages import MidiIn
from autoloops_engine.sync.midi_transport import Word
from autoloops_engine.units import TICKS_PER_BEAT, US_PER_MS, US_PER_S

# Of the slowest clocks a dozen ticks come in this time.
LISTEN_S: Final = 1.5
_MOST_INPUTS: Final = 16
_FEWEST_TICKS: Final = 6
_TICK: Final = bytes((Word.CLOCK.value,))


class HeardClock(NamedTuple):
    """A MIDI clock: where it comes in, its tempo, and the standard deviation of its ticks' distances."""

    port: str
    tempo_bpm: float
    jitter_us: float


class ClockProbes(Protocol):
    """What the checks look through; see ``Probes``."""

    @property
    def midi_clocks(self) -> Callable[[Sequence[PortList]], Sequence[HeardClock]]:
        """Listens for MIDI clocks at the inputs of these systems."""

    @property
    def latencies_ms(self) -> Callable[[], Mapping[str, float]]:
        """How late ports are known to sound."""


def midi_clocks(listed: Sequence[PortList]) -> list[HeardClock]:
    """The MIDI clocks that come in at any input. Blocks: for ``LISTEN_S`` where there is one."""
    inputs = [(each.api, name) for each in listed for name in each.inputs][:_MOST_INPUTS]
    sources: list[tuple[str, MidiSource]] = []
    try:
        for api, name in inputs:
            source = open_input(api, name, lambda: None, own="doctor").source
            if source is not None:
                sources.append((name, source))
        if sources:
            threading.Event().wait(LISTEN_S)
        found = [heard_clock(name, source.read()) for name, source in sources]
    finally:
        for _, source in sources:
            source.close()
    return [clock for clock in found if clock is not None]


def heard_clock(port: str, came: Sequence[MidiIn]) -> HeardClock | None:
    """The clock among what came in at a port; None: there is none."""
    ticks_us = [each.at_us for each in came if each.data[:1] == _TICK]
    if len(ticks_us) < _FEWEST_TICKS:
        return None
    gaps_us = [later_us - earlier_us for earlier_us, later_us in pairwise(ticks_us)]
    # A gap of two is a tick that was lost.
    steps = [max(1, round(gap_us / median(gaps_us))) for gap_us in gaps_us]
    tick_us = (ticks_us[-1] - ticks_us[0]) / sum(steps)
    jitter_us = pstdev(gap_us - step * tick_us for gap_us, step in zip(gaps_us, steps, strict=True))
    return HeardClock(port, 60 * US_PER_S / (TICKS_PER_BEAT * tick_us), jitter_us)


def check_midi_clock(probes: ClockProbes, listed: Sequence[PortList]) -> Finding:
    """Which MIDI clock could be followed."""
    clocks = probes.midi_clocks(listed)
    if not clocks:
        inputs = sum(len(each.inputs) for each in listed)
        return ok("MIDI clock", f"None comes in at {inputs} input{'' if inputs == 1 else 's'}.")
    told = (
        f"{clock.tempo_bpm:.1f} BPM at {clock.port}, jitter {clock.jitter_us / US_PER_MS:.1f} ms" for clock in clocks
    )
    return ok("MIDI clock", f"{'; '.join(told)}. Follow it with --sync midi --midi-in.")


def check_latencies(probes: ClockProbes) -> Finding:
    """How late ports sound, as far as somebody measured it."""
    kept_ms = probes.latencies_ms()
    if not kept_ms:
        return ok("latency", "Of no port it is known how late it sounds; `autoloops calibrate` measures it.")
    return ok("latency", ", ".join(f"{port} {latency_ms:g} ms" for port, latency_ms in kept_ms.items()) + ".")
