"""What was played to AutoLoops lately, by its place in the song; nothing has to be armed before playing. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.melody import RawNote
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.errors import UsageError
from autoloops_engine.time.quantum import When
from autoloops_engine.units import BAR_UB, STEP_UB, STEPS_PER_BAR

NOTES_KEPT: Final = 4_096
# A note that is let go this little before its bar line, or struck so, belongs to the bar behind it.
_ANTICIPATED_UB: Final = STEP_UB // 2


class _Open(NamedTuple):
    start_ub: int
    velocity: int


class Phrase(NamedTuple):
    """Something that a part is to take up once its model has encoded it.

    Attributes:
        part: Name of the part.
        bars: Its loop, bar after bar; empty: it is to be read from ``path``.
        path: A MIDI file.
        amount: How much of it: 0 nothing, 1 as much as the model can.
        when: Launch quantisation.
    """

    part: str
    bars: tuple[LoopSteps, ...]
    path: str
    amount: float
    when: When


class Ear:
    """The latest notes that were played in. Thread: the session's only."""

    def __init__(self) -> None:
        self._notes: deque[RawNote] = deque(maxlen=NOTES_KEPT)
        self._open: dict[int, _Open] = {}

    def hear(self, pitch: int, velocity: int, position_ub: int) -> None:
        """A key went down, or up (velocity 0).

        Args:
            pitch: MIDI note number.
            velocity: MIDI velocity.
            position_ub: Place in the song, in micro-beats from bar 1, from 0.
        """
        opened = self._open.pop(pitch, None)
        if opened is not None:
            # Where the song jumped back meanwhile, the note ended at the jump.
            length_ub = max(STEP_UB, position_ub - opened.start_ub)
            self._notes.append(RawNote(opened.start_ub, length_ub, pitch, opened.velocity))
        if velocity:
            self._open[pitch] = _Open(position_ub, velocity)

    def loop(self, codec: Codec, bars: int, position_ub: int) -> tuple[int, LoopSteps]:
        """The last bars in which something was played, on the grid; keys that are still down end here.

        Args:
            codec: What the steps are to mean.
            bars: How many.
            position_ub: Where the song is.

        Returns:
            The song bar with which they begin, and their steps.

        Raises:
            UsageError: nothing was played that the codec knows.
        """
        held = [
            RawNote(opened.start_ub, max(STEP_UB, position_ub - opened.start_ub), pitch, opened.velocity)
            for pitch, opened in self._open.items()
        ]
        notes = sorted([*self._notes, *held])
        if not codec.pitched:
            notes = [note for note in notes if note.pitch in drums.VOICE_OF_PITCH]
        if not notes:
            raise UsageError("Nothing was played in that could be taken up: play a phrase, then capture it.")
        last_bar = (notes[-1].start_ub + _ANTICIPATED_UB) // BAR_UB
        first_bar = max(0, last_bar - bars + 1)
        begin_ub = first_bar * BAR_UB
        phrase = [
            note._replace(start_ub=max(0, note.start_ub - begin_ub))
            for note in notes
            if note.start_ub + _ANTICIPATED_UB >= begin_ub
        ]
        return first_bar, _on_grid(codec, phrase, bars)


def rotated(steps: LoopSteps, bars: int) -> list[LoopSteps]:
    """The bars of a loop, begun so many bars later."""
    count = len(steps.tokens) // STEPS_PER_BAR
    each = [
        LoopSteps(
            steps.tokens[at * STEPS_PER_BAR : (at + 1) * STEPS_PER_BAR],
            tuple(extra[at * STEPS_PER_BAR : (at + 1) * STEPS_PER_BAR] for extra in steps.extras),
        )
        for at in range(count)
    ]
    return [each[(at + bars) % count] for at in range(count)]


def _on_grid(codec: Codec, notes: Sequence[RawNote], bars: int) -> LoopSteps:
    if codec.pitched:
        return LoopSteps(melody.quantise(notes, bars, first_bar=0).windows[0])
    loops, report = drums.quantise(notes, bars)
    empty = report.first_bar * STEPS_PER_BAR
    size = bars * STEPS_PER_BAR
    loop = loops[0]

    def shifted(figures: drums.Floats) -> drums.Floats:
        return np.concatenate([np.zeros((empty, figures.shape[1]), np.float32), figures])[:size]

    return LoopSteps(((0,) * empty + loop.tokens)[:size], (shifted(loop.velocities), shifted(loop.offsets)))
