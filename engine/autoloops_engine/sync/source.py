"""What a sync source is, and what it can tell the player to do."""

from typing import Protocol

from msgspec import Struct

from autoloops_engine.messages import INTERNAL, Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.time.timeline import Timeline

# What a performer asks of the transport here, by OSC, keys or a controller.
Request = Start | Continue | Stop | Locate | SetTempo


class Play(Struct, frozen=True):
    """Play along ``line``, from the position of its known point on, at the time of that point.

    Where that time passed long ago, play at once from where the line is by now.

    Attributes:
        line: The master's line.
        fresh: A start: every loop begins at its first bar, as after ``/al/start``. Else play on as after
            ``/al/continue``, with a jump where the position is another.
    """

    line: Timeline
    fresh: bool = False


class Follow(Struct, frozen=True):
    """The master's line as it is known by now.

    While time runs the player is led back to it; while stopped it gives the tempo alone.
    """

    line: Timeline


class Halt(Struct, frozen=True):
    """Stop where we are and end every note."""


class GoTo(Struct, frozen=True):
    """Go to a position, in micro-beats from the start of bar 1, while stopped."""

    position_ub: int


SyncCommand = Play | Follow | Halt | GoTo


class SourceState(Struct, frozen=True):
    """How a source is.

    Attributes:
        tempo_bpm: The master's tempo.
        jitter_us: Standard deviation of what the source goes by (clock ticks) around its line; 0 where there is none.
        locked: Whether the line is known well enough to play along.
        peers: How many others are there: 0 or 1 master for clocks, the peers of a session for Link.
        remark: A sentence for the performer where there is something to say, else empty.
        holds_tempo: Whether the tempo is the master's alone, so that nobody can set it here.
    """

    tempo_bpm: float
    jitter_us: int = 0
    locked: bool = True
    peers: int = 0
    remark: str = ""
    holds_tempo: bool = False


class SyncSource(Protocol):
    """Gives tempo and position. Thread: the player's timing thread only. Blocks: never.

    A source is told the time and never reads a clock. One that hears MIDI is fed what came in; one that belongs to a
    library (Link, JACK) asks it when polled, and its decisions are those of a core without input and output.
    """

    @property
    def name(self) -> str:
        """The word of ``--sync``."""

    def request(self, request: Request, now_us: int) -> bool:
        """A performer asks for a change here.

        Returns:
            True: the source sees to it (commands follow, or it is not for us to change). False: the player does it,
            and ``take_up`` follows.
        """

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        """The player is somewhere by other means than this source: a local request, or a former player's place.

        What the source tells from here on keeps to the bars of ``line``: nearest tick for a clock, same bar for Link.
        """

    def poll(self, now_us: int) -> list[SyncCommand]:
        """What the player is to do, in order; called at least every 50 ms, and whenever something came in."""

    def next_poll_us(self) -> int | None:
        """When to poll next at the latest; None: no sooner than usual."""

    def state(self, now_us: int) -> SourceState:
        """How the source is."""

    def close(self) -> None:
        """Let go of whatever it holds; once is enough."""


class Internal:
    """The source of those who keep their own tempo: it says nothing."""

    name = INTERNAL

    def __init__(self) -> None:
        self._line: Timeline | None = None

    def request(self, request: Request, now_us: int) -> bool:
        """The player does everything."""
        return False

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        """Note the tempo."""
        self._line = line

    def poll(self, now_us: int) -> list[SyncCommand]:
        """Nothing."""
        return []

    def next_poll_us(self) -> int | None:
        """None."""
        return None

    def state(self, now_us: int) -> SourceState:
        """Always locked, at the player's own tempo."""
        return SourceState(0.0 if self._line is None else self._line.tempo_bpm)

    def close(self) -> None:
        """Nothing is held."""
