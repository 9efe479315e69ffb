"""Scales and chord progressions: which pitch classes a note may begin on, step by step of the song."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pychord import Chord

from autoloops_engine.constraints.scales import SCALES
from autoloops_engine.errors import UsageError
from autoloops_engine.units import STEPS_PER_BAR, STEPS_PER_BEAT

OFF: Final = "off"
NO_CHORD: Final = "n.c."
AGAIN: Final = "%"
MAX_CHORDS: Final = 256
_NATURALS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SHIFTS: Final = {"": 0, "#": 1, "b": -1}
# Blanks and hyphens are left out, for nobody knows where they belong.
_SPELT: Final = {name.replace("-", ""): name for name in SCALES}
# A minor chord as players write it: E-7 for Em7.
_MINUS: Final = re.compile(r"^([A-G][#b]?)-")

PitchClasses = frozenset[int]


@dataclass(frozen=True, slots=True)
class Harmony:
    """What every pitched part keeps to. Nothing is forbidden at first.

    Attributes:
        scale: Root and name, as ``a minor``; ``off``: any pitch.
        chords: One word a chord, bars parted by ``|``; ``off``: none. A bar is shared out evenly among its chords, and
            the progression begins again when it is through. A bar that is ``%`` is the one before again.
    """

    scale: str = OFF
    chords: str = OFF
    _scale: PitchClasses | None = field(default=None, repr=False)
    _bars: tuple[tuple[PitchClasses | None, ...], ...] = field(default=(), repr=False)

    def binds(self) -> bool:
        """Whether anything is forbidden at all."""
        return self._scale is not None or bool(self._bars)

    def with_scale(self, words: str) -> "Harmony":
        """Another scale: a root and a name in any order, as ``F# dorian`` or ``F#Dorian``, or ``off``.

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
            UsageError: a chord cannot be read, or the first bar is to be one before.
        """
        if text.strip().lower() == OFF:
            return Harmony(self.scale, OFF, self._scale, ())
        bars = [bar.split() for bar in text.strip().strip("|").split("|")]
        if not all(bars) or sum(map(len, bars)) > MAX_CHORDS:
            raise UsageError(f"Chords are words in bars parted by |, as in Am7 | Dm7 G7, at most {MAX_CHORDS} of them.")
        written = " | ".join(" ".join(bar) for bar in bars)
        return Harmony(self.scale, written, self._scale, _progression(bars))

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
    text = re.sub(r"[\s-]", "", words.lower())
    for at in (1, 2):
        for word, rest in ((text[:at], text[at:]), (text[-at:], text[:-at])):
            root, name = _pitch_class(word), _SPELT.get(rest)
            if root is not None and name is not None:
                return word, name, frozenset((root + degree) % 12 for degree in SCALES[name])
    raise UsageError(f"A scale is a root and a name, as in a minor, or off; the names are: {', '.join(SCALES)}.")


def _pitch_class(word: str) -> int | None:
    natural, shift = _NATURALS.get(word[:1]), _SHIFTS.get(word[1:])
    return None if natural is None or shift is None else (natural + shift) % 12


def _progression(bars: Sequence[Sequence[str]]) -> tuple[tuple[PitchClasses | None, ...], ...]:
    played: list[tuple[PitchClasses | None, ...]] = []
    for bar in bars:
        if list(bar) != [AGAIN]:
            played.append(tuple(map(_chord, bar)))
        elif played:
            played.append(played[-1])
        else:
            raise UsageError(f"There is no bar before the first one that {AGAIN} could stand for: write its chords.")
    return tuple(played)


def _chord(word: str) -> PitchClasses | None:
    if word.lower() == NO_CHORD:
        return None
    try:
        tones: Sequence[int] = Chord(_MINUS.sub(r"\1m", word)).components(visible=False)
    except Exception as error:
        # Whatever a library makes of what somebody typed.
        raise UsageError(f"The chord {word} cannot be read; write it as in Am7, F#m7b5, E-7, C/E or N.C.") from error
    return frozenset(tone % 12 for tone in tones)
