"""What ``autoloops play`` was asked for, checked; it travels from the command line to the processes."""

from typing import Final, Literal

from msgspec import Struct, field

from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.midi.names import VIRTUAL

Sync = Literal["internal", "midi", "link", "jack"]

DEFAULT_OSC_PORT: Final = 7400
# Among the ports to lead by clock: the one that the notes go to.
SAME: Final = "same"
# A bar, as everybody else has it.
DEFAULT_QUANTUM_BEATS: Final = 4
MAX_QUANTUM_BEATS: Final = 64
# The drums' channel is General MIDI's.
DEFAULT_CHANNELS: Final = {"melody": 1, "bass": 2, "drums": 10}


class Address(Struct, frozen=True, array_like=True):
    """A host and a UDP port, 1 to 65535."""

    host: str
    port: int


class PortPair(Struct, frozen=True, array_like=True):
    """The two MIDI ports of a controller, each the name of a port, ``virtual`` or ``none``.

    Attributes:
        name: What the rig file calls the controller.
        input: The port to listen to.
        output: The port to send to.
    """

    name: str
    input: str
    output: str


class Replay(Struct, frozen=True, kw_only=True):
    """What ``autoloops replay`` plays.

    Attributes:
        record: Absolute path of the record of a session.
        first_bar: The bar to begin with, from 1.
        bars: How many; None: all that follow.
        wait_s: How long somebody may take to connect a port of our own.
    """

    record: str
    first_bar: int = 1
    bars: int | None = None
    wait_s: float = 0.0


class PlayOptions(Struct, frozen=True, kw_only=True):
    """The options of ``autoloops play``; ``autoloops replay`` has some of them.

    Attributes:
        parts: Names of the parts, in order, each once.
        models: By part, the path of its bundle, and after ``#`` which output is to play it where there are several.
        tempo_bpm: 20 to 999.
        sync: Who gives the tempo.
        jack_timebase: Be JACK's timebase master, unless there is one.
        quantum_beats: Beats of a Link session's quantum, 1 to 64.
        seed: Seed of every part; None: a new one, which is shown.
        bars: End after so many bars of the song; None: play until told to end.
        stopped: Wait for a start instead of playing at once.
        osc_host: Address to listen on.
        osc_port: UDP port to listen on; 0: any free one, which is shown.
        osc_send: Receivers that get everything from the start, without asking.
        midi_out: Name of a port, ``virtual`` or ``none``.
        midi_in: Name of a port, ``virtual`` or ``none``.
        clock_out: Ports to lead by MIDI clock: names, ``virtual``, or ``same`` for the port of ``midi_out``.
        midi_api: The MIDI system to use; None: the first that works.
        channels: By part, its MIDI channel, 1 to 16; every part has one.
        rig_file: Absolute path of the rig file; None: there is none.
        rig: Its text.
        ports: The ports of the rig file.
        outputs: By part, the port of the rig file that it plays to; the others play to ``midi_out``.
        drum_maps: By part, which note stands for which at its port.
        latencies_ms: By a MIDI output's name or part of it, how late what is sent to it sounds, in milliseconds.
        remarks: A sentence for each thing about the rig file that the performer has to be told.
        record: Keep a record of the session.
        slots: Where the slots are kept; empty: they end with the session.
        resume: Path of the session that is gone on with; empty: a new one begins.
        replay: Play a former session again; None: play.
        plain: Print line by line, for a log.
    """

    parts: tuple[str, ...] = ("melody",)
    models: dict[str, str] = field(default_factory=dict)
    tempo_bpm: float = 120.0
    sync: Sync = "internal"
    jack_timebase: bool = False
    quantum_beats: int = DEFAULT_QUANTUM_BEATS
    seed: int | None = None
    bars: int | None = None
    stopped: bool = False
    osc_host: str = "127.0.0.1"
    osc_port: int = DEFAULT_OSC_PORT
    osc_send: tuple[Address, ...] = ()
    midi_out: str = VIRTUAL
    midi_in: str = VIRTUAL
    clock_out: tuple[str, ...] = ()
    midi_api: MidiApi | None = None
    channels: dict[str, int] = field(default_factory=lambda: {"melody": 1})
    rig_file: str | None = None
    rig: str = ""
    ports: tuple[PortPair, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    drum_maps: dict[str, dict[int, int]] = field(default_factory=dict)
    latencies_ms: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    record: bool = True
    slots: str = ""
    resume: str = ""
    replay: Replay | None = None
    plain: bool = False

    @property
    def waits(self) -> bool:
        """Whether the music begins when somebody says so, and not by itself: a MIDI clock comes with its own Start."""
        return self.stopped or self.sync == "midi"


def assign_channels(parts: tuple[str, ...], asked: dict[str, int]) -> dict[str, int]:
    """A MIDI channel for every part: as asked, else the usual one, else one that nobody has yet."""
    channels = {part: asked.get(part) or DEFAULT_CHANNELS.get(part) or 0 for part in parts}
    free = [n for n in range(1, 17) if n not in channels.values() and n not in DEFAULT_CHANNELS.values()]
    for part in parts:
        channels[part] = channels[part] or (free.pop(0) if free else 1)
    return channels
