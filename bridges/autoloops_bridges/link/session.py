"""Our place in an Ableton Link session. The only file that imports LinkPython-extern.

The library is polled and gets no callbacks: those run Python on its threads, and one that waits for the interpreter
lock while the session is left, or at the end of the process, hangs or aborts it. Its own threads have normal priority,
whatever that of the thread that made them (SCHED_RESET_ON_FORK, sched(7)).
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from autoloops_bridges.clock import monotonic_us
from autoloops_engine.errors import PortError
from autoloops_engine.sync.link import LinkState
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S

if TYPE_CHECKING:
    from link import Link

DISTRIBUTION: Final = "LinkPython-extern"
MISSING: Final = (
    f"Ableton Link needs {DISTRIBUTION}, which is not installed; run `pip install 'autoloops[link]'` "
    "(it is under the GPL)."
)
# Reading two clocks one after the other takes a microsecond; where it took longer, the thread was held up in between.
_WIDEST_US: Final = 10
_TRIES: Final = 4
_ANY_TEMPO_BPM: Final = 120.0


def open_link(tempo_bpm: float) -> "Link":
    """A place that has not joined anything yet.

    Args:
        tempo_bpm: The tempo for as long as nobody else is there, 20 to 999.

    Raises:
        PortError: the library is not installed, or is another one of the same name.
    """
    try:
        from link import Link

        return Link(tempo_bpm)
    except (ImportError, TypeError) as error:
        raise PortError(MISSING) from error


def check_installed() -> None:
    """See that the library is there, without joining anything.

    Raises:
        PortError: it is not.
    """
    open_link(_ANY_TEMPO_BPM)


class _Moment(NamedTuple):
    """The same moment on both clocks, in microseconds."""

    link_us: int
    at_us: int

    def on_link(self, at_us: int) -> int:
        return at_us - self.at_us + self.link_us

    def on_ours(self, link_us: int) -> int:
        return link_us - self.link_us + self.at_us


class AbletonLink:
    """A ``LinkSession``. Thread: one at a time. Blocks: for microseconds, where the library updates its state.

    Args:
        tempo_bpm: The tempo for as long as nobody else is there, 20 to 999.
        quantum_beats: Beats after which the phase begins again, from 1.

    Raises:
        PortError: the library is not installed.
    """

    def __init__(self, tempo_bpm: float, quantum_beats: int) -> None:
        self._link = open_link(tempo_bpm)
        self._quantum_beats = float(quantum_beats)
        self._link.startStopSyncEnabled = True
        self._link.enabled = True

    def look(self) -> LinkState:
        """The session as it is."""
        now = self._now()
        state = self._link.captureAppSessionState()
        phase_ub = round(state.phaseAtTime(now.link_us, self._quantum_beats) * UB_PER_BEAT)
        return LinkState(
            now.at_us,
            # The session's time runs in whole microseconds a beat (``Tempo.hpp``).
            round(60 * US_PER_S / state.tempo()) * NS_PER_US,
            phase_ub % round(self._quantum_beats * UB_PER_BEAT),
            self._link.numPeers(),
            state.isPlaying(),
            now.on_ours(state.timeForIsPlaying()),
        )

    def set_tempo(self, tempo_bpm: float, at_us: int) -> None:
        """Propose a tempo (20 to 999 BPM) to everybody."""
        state = self._link.captureAppSessionState()
        state.setTempo(tempo_bpm, self._now().on_link(at_us))
        self._link.commitAppSessionState(state)

    def set_phase(self, position_ub: int, at_us: int) -> None:
        """Make ``at_us`` the time of ``position_ub``; where there are peers, nothing of theirs moves."""
        state = self._link.captureAppSessionState()
        state.requestBeatAtTime(position_ub / UB_PER_BEAT, self._now().on_link(at_us), self._quantum_beats)
        self._link.commitAppSessionState(state)

    def set_playing(self, at_us: int, *, playing: bool) -> None:
        """Start or stop everybody who shares the transport."""
        state = self._link.captureAppSessionState()
        state.setIsPlaying(playing, self._now().on_link(at_us))
        self._link.commitAppSessionState(state)

    def close(self) -> None:
        """Leave the session; the others hear of it at once. Once is enough, and nothing may be asked after that."""
        # Only its end waits until the library has said goodbye.
        self.__dict__.pop("_link", None)

    def _now(self) -> _Moment:
        best_us, best = None, _Moment(0, 0)
        clock = self._link.clock()
        for _ in range(_TRIES):
            before_us, link_us, after_us = monotonic_us(), clock.micros(), monotonic_us()
            width_us = after_us - before_us
            if best_us is None or width_us < best_us:
                best_us, best = width_us, _Moment(link_us, (before_us + after_us) // 2)
            if width_us <= _WIDEST_US:
                break
        return best
