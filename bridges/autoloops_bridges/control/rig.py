"""What a rig file says, checked: ports, parts, values at the start and the mapping of controllers."""

from typing import Literal, NamedTuple

from autoloops_bridges.control.dispatch import Command
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.takeover import Takeover
from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.midi.names import NONE


class RigPort(NamedTuple):
    """A controller, or whatever else has MIDI ports of its own.

    Attributes:
        name: What the rig file calls it.
        input: Part of the name of the port to listen to, ``virtual`` or ``none``.
        output: The same of the port to send to.
        preset: A mapping that comes with AutoLoops; empty: none.
    """

    name: str
    input: str = NONE
    output: str = NONE
    preset: str = ""


class RigPart(NamedTuple):
    """How a part is to be played.

    Attributes:
        model: Its bundle; empty: the usual one.
        channel: Its MIDI channel, 1 to 16; none: the usual one.
        output: The port of the rig that it plays to; empty: the one of ``--midi-out``.
        waits: It joins in when ``/al/parts/add`` says so, and not at the start.
        drum_map: Pairs of the note of a General MIDI drum and the note that stands for it at that port.
        line: Where the file names its model, else where its table begins.
    """

    model: str = ""
    channel: int | None = None
    output: str = ""
    waits: bool = False
    drum_map: tuple[tuple[int, int], ...] = ()
    line: int = 0


class RigValue(NamedTuple):
    """A value to be set before the start, or when its part joins in.

    Attributes:
        command: What sets it.
        line: Of the file.
    """

    command: Command
    line: int


class Rig(NamedTuple):
    """What a rig file holds.

    Attributes:
        ports: Controllers and their like.
        parts: The parts to play, by name, in order; empty: the usual ones.
        tempo_bpm: Tempo to begin with; none: the usual one.
        sync: Who gives the tempo; empty: nobody else.
        seed: Of all parts; none: a new one.
        midi_out: The port to play to; none: as the command line says, and so are the next three.
        midi_in: The port to be controlled from.
        midi_api: The MIDI system.
        clock_out: Ports to lead by clock.
        latencies_ms: By a port's name or part of it, how late it sounds.
        values: What to set before the start.
        entries: The performer's mapping, in order.
        presets: The mapping of the presets that it uses.
        defaults: Whether the default mapping serves the other sources.
        takeover: What controls do that say nothing about it.
        problems: One sentence with its line for each mistake.
    """

    ports: tuple[RigPort, ...] = ()
    parts: dict[str, RigPart] = {}  # noqa: RUF012 - replaced, never changed
    tempo_bpm: float | None = None
    sync: Literal["", "internal", "midi", "link", "jack"] = ""
    seed: int | None = None
    midi_out: str | None = None
    midi_in: str | None = None
    midi_api: MidiApi | None = None
    clock_out: tuple[str, ...] | None = None
    latencies_ms: dict[str, float] = {}  # noqa: RUF012 - replaced, never changed
    values: tuple[RigValue, ...] = ()
    entries: tuple[MapEntry, ...] = ()
    presets: tuple[MapEntry, ...] = ()
    defaults: bool = True
    takeover: Takeover = Takeover.JUMP
    problems: tuple[str, ...] = ()
