"""The typed messages between the main process and the player, and their encoding.

Each message is one line of JSON: text never holds a raw line feed, so after a torn write the reader is in step
again at the next line.
"""

from typing import Final

import msgspec
from msgspec import Struct

from autoloops_engine.notes import Bar
from autoloops_engine.time.gearing import Gearing
from autoloops_engine.time.nudge import Nudge
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.swing import Swing
from autoloops_engine.time.timeline import Timeline


class SetPart(Struct, frozen=True, tag=True):
    """How a part is routed and how its loop runs.

    Attributes:
        part: Name of the part.
        channel: MIDI channel, 1 to 16.
        length_bars: Bars in the loop, from 1.
        origin_bar: Song bar at which bar 0 of the loop falls; bar of the loop = (song bar - origin) mod length.
        early_ub: Greatest early microtiming of its notes, in micro-beats.
        offset_us: Added to the time of each event of the part; negative plays earlier. A change while time runs is
            reached little by little.
        swing: Which of its notes come late; a change while time runs holds from the next beat on.
        port: The port of the rig file that it plays to; empty: that of ``--midi-out``.
    """

    part: str
    channel: int
    length_bars: int
    origin_bar: int = 0
    early_ub: int = 0
    offset_us: int = 0
    swing: Swing = Swing()
    port: str = ""


class AddPart(Struct, frozen=True, tag=True):
    """A part joins in, or one that was to leave stays.

    Attributes:
        route: How it is routed and how its loop runs.
        epoch: Of the position that ``first_bar`` is meant for; after a jump it joins in at once.
        first_bar: The first song bar that it plays; one that is over is no reason to wait.
    """

    route: SetPart
    epoch: int
    first_bar: int


class RemovePart(Struct, frozen=True, tag=True):
    """A part leaves: its notes end, and nothing of it begins any more.

    Attributes:
        part: Name of the part.
        epoch: Of the position; after a jump, or while time stands still, it leaves at once.
        position_ub: Where, in micro-beats from the start of bar 1; None: at once.
    """

    part: str
    epoch: int = 0
    position_ub: int | None = None


class SetFreezeLead(Struct, frozen=True, tag=True):
    """How long before its earliest possible event a bar is frozen, in microseconds."""

    freeze_lead_us: int


class OfferBar(Struct, frozen=True, tag=True):
    """A provisional bar for a song bar that is not frozen yet; the newest offer wins."""

    part: str
    epoch: int
    song_bar: int
    bar: Bar


class SpliceBar(Struct, frozen=True, tag=True):
    """Replaces the rest of a frozen or sounding bar from ``from_ub`` after its bar line on."""

    part: str
    epoch: int
    song_bar: int
    from_ub: int
    bar: Bar


class Start(Struct, frozen=True, tag=True):
    """Play from bar 1."""


class Continue(Struct, frozen=True, tag=True):
    """Play on from the present position."""


class Stop(Struct, frozen=True, tag=True):
    """Stop where we are and end every note."""


class Locate(Struct, frozen=True, tag=True):
    """Go to a song position, in micro-beats from the start of bar 1."""

    position_ub: int


class SetTempo(Struct, frozen=True, tag=True):
    """Change the tempo (20 to 999 BPM) at once, or evenly so that it is reached ``ramp_ub`` micro-beats later.

    A ramp counts beats: it stands still while the song does, and another tempo ends it.
    """

    tempo_bpm: float
    ramp_ub: int = 0


class NudgeBy(Struct, frozen=True, tag=True):
    """Let everything sound so much later (negative: earlier), reached little by little."""

    shift_us: int


class SetMultiple(Struct, frozen=True, tag=True):
    """Play at 0.5, 1 or 2 times the master's tempo, from the next bar line of both on."""

    multiple: float


class Mute(Struct, frozen=True, tag=True):
    """Mute or unmute a part at once."""

    part: str
    muted: bool


class Panic(Struct, frozen=True, tag=True):
    """End every note, sounding or not, on every channel that was used, and go on playing."""


class Listener(Struct, frozen=True, array_like=True):
    """One OSC receiver of timed events; ``lookahead_us`` says how far ahead it wants them."""

    host: str
    port: int
    lookahead_us: int = 0


class SetListeners(Struct, frozen=True, tag=True):
    """All OSC receivers of timed events; replaces the former list."""

    listeners: tuple[Listener, ...]


class SendMidi(Struct, frozen=True, tag=True):
    """One MIDI message to a port of the rig file, sent at once: a light, a ring, a motor. Nobody there: it is lost."""

    port: str
    data: bytes


class Ask(Struct, frozen=True, tag=True):
    """A main process that took over asks for the transport, the ports and the bars that are held."""


class HeldBar(Struct, frozen=True, array_like=True):
    """A bar of a part's loop as it last sounded."""

    part: str
    loop_bar: int
    bar: Bar


class Adopt(Struct, frozen=True, tag=True):
    """What a player that took over is to go on with.

    Attributes:
        generation: The player that is meant; another one ignores it, and nothing sent before it counts.
        state: The transport as the former player last reported it.
        parts: All parts.
        muted: The names of those that are muted.
        held: The bars to play until newer ones are offered.
    """

    generation: int
    state: "TransportState"
    parts: tuple[SetPart, ...]
    muted: tuple[str, ...]
    held: tuple[HeldBar, ...]


class EndAfter(Struct, frozen=True, tag=True):
    """Stop by itself when this many bars of the song have sounded."""

    bars: int


class Quit(Struct, frozen=True, tag=True):
    """End every note and leave."""


class TransportState(Struct, frozen=True, tag=True):
    """The transport as the player has it; sent at every change.

    Attributes:
        epoch: Counts jumps of the position; bars offered for another epoch are ignored.
        playing: Whether time runs.
        ns_per_beat: Nanoseconds in a beat of the master, who may be ourselves.
        position_ub: A position on the master's line, in micro-beats ...
        time_us: ... and the monotonic time at which it is reached; while stopped, when it was noted.
        lead_us: How far ahead of its time the player hands out an event at most.
        ramp_ub: For so many micro-beats from that position on the tempo changes ...
        to_ns_per_beat: ... to this.
        gearing: The song's beats against the master's.
        nudge: How much later everything sounds.
    """

    epoch: int
    playing: bool
    ns_per_beat: int
    position_ub: int
    time_us: int
    lead_us: int
    ramp_ub: int = 0
    to_ns_per_beat: int = 0
    gearing: Gearing = Gearing()
    nudge: Nudge = Nudge()

    @property
    def line(self) -> Timeline:
        """The master's line."""
        return Timeline(self.ns_per_beat, self.position_ub, self.time_us, self.ramp_ub, self.to_ns_per_beat)

    @property
    def song(self) -> SongLine:
        """Where the song is at any time, while time runs."""
        return SongLine(self.line, self.gearing, self.nudge)

    def song_at(self, time_us: int) -> int:
        """Where the song is, in micro-beats from the start of bar 1; while stopped, where it stands."""
        return self.song.position_at(time_us) if self.playing else self.gearing.song_at(self.position_ub)


class Frozen(Struct, frozen=True, tag=True):
    """A bar that cannot change any more except by a splice.

    Attributes:
        origin: ``fresh``: the newest offer; ``last``: the same bar of the last pass; ``again``: the bar before it
            repeated; ``empty``: nothing was ever offered; ``splice``: the rest of a bar replaced from ``from_ub`` on;
            ``held``: told again to a main process that took over.
        due_us: The bar's freeze line; what was decided at ``at_us``.
    """

    part: str
    epoch: int
    song_bar: int
    bar: Bar
    origin: str
    due_us: int
    at_us: int
    muted: bool
    from_ub: int = 0


class PartGone(Struct, frozen=True, tag=True):
    """A part that was to leave has left: its last note has ended."""

    part: str


class MidiIn(Struct, frozen=True, tag=True):
    """One MIDI message that came in, stamped at the driver's callback."""

    port: str
    data: bytes
    at_us: int


class PortsState(Struct, frozen=True, tag=True):
    """Which MIDI ports are open, and one sentence per thing to tell the performer.

    Attributes:
        outputs: What is played to.
        inputs: What is listened to.
        remarks: What to tell.
        arrivals: By name of a port of the rig file that can be sent to, how often it or its other end has come.
    """

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    remarks: tuple[str, ...]
    arrivals: dict[str, int] = {}


class PlayerStats(Struct, frozen=True, tag=True):
    """The player's counters since it started; times in microseconds.

    ``late_histogram`` counts events by lateness below 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, and above.
    """

    events: int
    late_max_us: int
    late_histogram: tuple[int, ...]
    fallbacks: int
    dropped: int
    bars: int


# The source of those who keep their own tempo.
INTERNAL: Final = "internal"


class SyncState(Struct, frozen=True, tag=True):
    """How following goes; sent when something changes and four times a second.

    Attributes:
        source: The word of ``--sync``.
        tempo_bpm: The master's tempo; our own where there is none.
        phase_error_us: How far we are ahead of the master's line, in microseconds; negative when behind.
        jitter_us: Standard deviation of what the source goes by around that line.
        locked: Whether we play along with it, or could.
        peers: How many others are there.
        remark: A sentence for the performer where there is something to say, else empty.
        holds_tempo: Whether the tempo is the master's alone, so that nobody can set it here.
    """

    source: str
    tempo_bpm: float
    phase_error_us: int
    jitter_us: int
    locked: bool
    peers: int
    remark: str
    holds_tempo: bool


class Heard(Struct, frozen=True, array_like=True):
    """One event as it sounded; see ``Event``."""

    at_us: int
    kind: int
    part: str
    channel: int
    number: int
    velocity: int


class Sounded(Struct, frozen=True, tag=True):
    """What sounded, for the record.

    Attributes:
        player: The player that let it sound, by its generation.
        first: Running number of the first event, from 0 for each player.
        events: In order.
    """

    player: int
    first: int
    events: tuple[Heard, ...]


class Hello(Struct, frozen=True, tag=True):
    """A player started; 0 is the first, and each later one waits for ``Adopt``.

    Attributes:
        generation: Which one it is.
        cause: Why the one before ended, as a clause; empty for the first.
    """

    generation: int
    cause: str = ""


class Ended(Struct, frozen=True, tag=True):
    """The bars asked for with ``EndAfter`` have sounded."""


ToPlayer = (
    SetPart
    | AddPart
    | RemovePart
    | SetFreezeLead
    | Ask
    | Adopt
    | OfferBar
    | SpliceBar
    | Start
    | Continue
    | Stop
    | Locate
    | SetTempo
    | NudgeBy
    | SetMultiple
    | Mute
    | Panic
    | SetListeners
    | SendMidi
    | EndAfter
    | Quit
)
FromPlayer = (
    TransportState | Frozen | PartGone | MidiIn | PortsState | PlayerStats | SyncState | Sounded | Hello | Ended
)

LATE_BOUNDS_US: Final = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)

_encoder = msgspec.json.Encoder()
_to_player: msgspec.json.Decoder[ToPlayer] = msgspec.json.Decoder(ToPlayer)
_from_player: msgspec.json.Decoder[FromPlayer] = msgspec.json.Decoder(FromPlayer)


def encode(message: ToPlayer | FromPlayer) -> bytes:
    """The line that carries ``message``, line feed included."""
    return _encoder.encode(message) + b"\n"


def decode_to_player(line: bytes) -> ToPlayer | None:
    """The message for the player in ``line``; None if it was torn by a writer that died."""
    try:
        return _to_player.decode(line)
    except msgspec.DecodeError:
        return None


def decode_from_player(line: bytes) -> FromPlayer | None:
    """The message from the player in ``line``; None if it was torn by a writer that died."""
    try:
        return _from_player.decode(line)
    except msgspec.DecodeError:
        return None
