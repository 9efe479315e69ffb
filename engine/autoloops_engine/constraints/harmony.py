"""Scales and chord progressions: which pitch classes a note may begin on, step by step of the song."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pychord import Chord

from autoloops_engine.errors import UsageError
from autoloops_engine.units import STEPS_PER_BAR, STEPS_PER_BEAT

OFF: Final = "off"
NO_CHORD: Final = "n.c."
MAX_CHORDS: Final = 256
# Degrees in semitones above the root.
SCALES: Final[dict[str, tuple[int, ...]]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic-minor": (0, 2, 3, 5, 7, 9, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
}
_NATURALS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFTS: Final = {"": 0, "#": 1, "b": -1}

PitchClasses = frozenset[int]


@dataclass(frozen=True, slots=True)
class Harmony:
    """What every pitched part keeps to. Nothing is forbidden at first.

    Attributes:
        scale: Root and name, as ``a minor``; ``off``: any pitch.
        chords: One word a chord, bars parted by ``|``; ``off``: none. A bar is shared out evenly among its chords, and
            the progression begins again when it is through.
    """

    scale: str = OFF
    chords: str = OFF
    _scale: PitchClasses | None = field(default=None, repr=False)
    _bars: tuple[tuple[PitchClasses | None, ...], ...] = field(default=(), repr=False)

    def binds(self) -> bool:
        """Whether anything is forbidden at all."""
        return self._scale is not None or bool(self._bars)

    def with_scale(self, words: str) -> "Harmony":
        """Another scale: a root and a name in any order, as ``F# dorian``, or ``off``.

        Raises:
            UsageError: there is no such scale.
        """
        if words.strip().lower() == OFF:
            return Harmony(OFF, self.chords, None, self._bars)
        root, name, pitch_classes = _scale(words)
        return Harmony(f"{root} {name}", self.chords, pitch_classes, self._bars)

    def with_chords(self, text: str) -> "Harmony":
        """Another progression, as ``Am7 | Dm7 G7``, where ``N.C.`` is no chord; or ``off``.

        Raises:
            UsageError: a chord cannot be read.
        """
        if text.strip().lower() == OFF:
            return Harmony(self.scale, OFF, self._scale, ())
        bars = [bar.split() for bar in text.strip().strip("|").split("|")]
        if not all(bars) or sum(map(len, bars)) > MAX_CHORDS:
            raise UsageError(f"Chords are words in bars parted by |, as in Am7 | Dm7 G7, at most {MAX_CHORDS} of them.")
        written = " | ".join(" ".join(bar) for bar in bars)
        return Harmony(self.scale, written, self._scale, tuple(tuple(map(_chord, bar)) for bar in bars))

    def bar(self, song_bar: int) -> tuple[PitchClasses | None, ...]:
        """For each of the sixteen steps of a song bar, the pitch classes that may begin there; None: all.

        On a beat these are the chord's; between beats the scale's as well, where there is one.
        """
        chords = self._bars[song_bar % len(self._bars)] if self._bars else (None,)
        return tuple(self._at(chords[step * len(chords) // STEPS_PER_BAR], step) for step in range(STEPS_PER_BAR))

    def _at(self, chord: PitchClasses | None, step: int) -> PitchClasses | None:
        if chord is None:
            return self._scale
        if self._scale is None or step % STEPS_PER_BEAT == 0:
            return chord
        return chord | self._scale


# Nothing is forbidden.
FREE: Final = Harmony()


def _scale(words: str) -> tuple[str, str, PitchClasses]:
    given = words.lower().split()
    names = [word for word in given if word in SCALES]
    roots = [word for word in given if word not in SCALES]
    if len(names) != 1 or len(roots) != 1 or (root := _pitch_class(roots[0])) is None:
        raise UsageError(f"A scale is a root and a name, as in a minor, or off; the names are: {', '.join(SCALES)}.")
    return roots[0], names[0], frozenset((root + degree) % 12 for degree in SCALES[names[0]])


def _pitch_class(word: str) -> int | None:
    natural, shift = _NATURALS.get(word[:1]), _SHIFTS.get(word[1:])
    return None if natural is None or shift is None else (natural + shift) % 12


def _chord(word: str) -> PitchClasses | None:
    if word.lower() == NO_CHORD:
        return None
    try:
        tones: Sequence[int] = Chord(word).components(visible=False)
    except Exception as error:
        # Whatever a library makes of what somebody typed.
        raise UsageError(f"The chord {word} cannot be read; write it as in Am7, F#m7b5, C/E or N.C.") from error
    return frozenset(tone % 12 for tone in tones)
