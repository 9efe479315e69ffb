"""The player's transport as the session knows it: what was reported last, and what was told but not confirmed."""

from enum import Enum
from typing import Final

from autoloops_engine.messages import (
    INTERNAL,
    Continue,
    SetMultiple,
    SetTempo,
    Start,
    Stop,
    SyncState,
    ToPlayer,
    TransportState,
)
from autoloops_engine.player.course import RETELL_TEMPO
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM, NS_PER_S, ns_per_beat

# A session of others may count a beat in whole microseconds (Link): at 999 BPM, half of one is so much.
_ROUNDED: Final = 1e-5


class Change(Enum):
    """What a report means for the bars."""

    NONE = "none"
    JUMP = "jump"
    ADOPT = "adopt"


class KnownTransport:
    """Follows the player's reports and remembers what it has not confirmed yet.

    Attributes:
        tempo_bpm: The tempo as it was set last, here or by the player.

    Args:
        tempo_bpm: The tempo to begin with.
        taking_over: The first report is of music that goes on, not of a jump.
    """

    def __init__(self, tempo_bpm: float, *, taking_over: bool) -> None:
        self.tempo_bpm = tempo_bpm
        self._taking_over = taking_over
        self._state = TransportState(0, False, ns_per_beat(tempo_bpm), 0, 0, 0)
        self._told: Start | Continue | Stop | None = None
        self._told_ns_per_beat: int | None = None
        self._told_multiple: float | None = None

    @property
    def state(self) -> TransportState:
        """The transport as it was last reported, or left by a former session."""
        return self._state

    @property
    def multiple(self) -> float:
        """How many times the master's tempo the song plays, as it was chosen last."""
        return self._state.gearing.multiple if self._told_multiple is None else self._told_multiple

    @property
    def song_tempo_bpm(self) -> float:
        """The tempo of the song: the multiple of the master's."""
        return self.tempo_bpm * self.multiple

    def restore(self, tempo_bpm: float, state: TransportState | None) -> None:
        """Take over what a former session knew."""
        self.tempo_bpm = tempo_bpm
        self._state = state or self._state

    def tell(self, message: Start | Continue | Stop) -> ToPlayer:
        """A message that is to be confirmed."""
        self._told = message
        return message

    def tell_multiple(self, multiple: float) -> ToPlayer:
        """A multiple of the master's tempo that is to be confirmed."""
        self._told_multiple = multiple
        return SetMultiple(multiple)

    def tell_tempo(self, tempo_bpm: float, ramp_ub: int = 0) -> ToPlayer:
        """A tempo (20 to 999 BPM) that is to be confirmed; older reports of another do not change it back.

        One that is reached by a ramp shows in the reports to come.
        """
        if ramp_ub:
            self._told_ns_per_beat = None
            return SetTempo(tempo_bpm, ramp_ub)
        self.tempo_bpm = tempo_bpm
        self._told_ns_per_beat = ns_per_beat(tempo_bpm)
        return SetTempo(tempo_bpm)

    def unconfirmed(self) -> list[ToPlayer]:
        """What to tell a player that took over from one that did not confirm it."""
        messages: list[ToPlayer] = []
        if not self._tells(ns_per_beat(self.tempo_bpm), _ROUNDED):
            messages.append(SetTempo(self.tempo_bpm))
        if self._told_multiple is not None:
            messages.append(SetMultiple(self._told_multiple))
        if self._told is not None:
            messages.append(self._told)
        return messages

    def follow(self, state: TransportState) -> Change:
        """Take in a report."""
        change = Change.JUMP if state.epoch != self._state.epoch else Change.NONE
        if self._taking_over:
            self._taking_over = False
            change = Change.ADOPT
        self._state = state
        if state.gearing.multiple == self._told_multiple:
            self._told_multiple = None
        if isinstance(self._told, Stop) != state.playing:
            self._told = None
        if self._told_ns_per_beat is None or self._tells(self._told_ns_per_beat, _ROUNDED):
            self._take_tempo(_ROUNDED)
        return change

    def heed(self, sync: SyncState) -> None:
        """Take in how following goes: where others have a say, a tempo that was told may be refused or rounded."""
        if sync.source != INTERNAL:
            self._take_tempo(RETELL_TEMPO)

    def _take_tempo(self, tolerance: float) -> None:
        """The tempo is what the player reported, if that is another."""
        self._told_ns_per_beat = None
        if not self._tells(ns_per_beat(self.tempo_bpm), tolerance):
            self.tempo_bpm = min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, 60 * NS_PER_S / self._state.ns_per_beat))

    def _tells(self, slope_ns_per_beat: int, tolerance: float) -> bool:
        """Whether the last report is of this tempo."""
        return abs(self._state.ns_per_beat / slope_ns_per_beat - 1) <= tolerance
