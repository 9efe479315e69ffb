"""What a model learns from: the tracks, the pitches and the windows of each musical role."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from autoloops_engine.codecs.drums import CLASSES as DRUM_CLASSES
from autoloops_engine.codecs.melody import CLASSES as MELODY_CLASSES
from autoloops_engine.errors import UsageError
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.data.packs import TEST_SHARE

LOWEST_PITCH: Final = 21
HIGHEST_PITCH: Final = 108
BASS_PROGRAMS: Final = range(32, 40)
MELODY_MONOPHONIC_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What is known of a track before its notes are quantised.

    Attributes:
        drum: It is on the drum channel.
        program: General MIDI program, 0 to 127.
        monophonic_share: Share of its onsets at which a single note starts, 0 to 1.
        label: The role that a pack's index gives it; None where there is no index.
    """

    drum: bool
    program: int
    monophonic_share: float
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A musical role and its windows.

    Attributes:
        name: As in ``--role`` and in the recipes.
        labels: The index roles that count as this role.
        kind: What its windows are: a ``line`` of single notes, ``drums``, or a ``trio`` of two lines and drums.
        derived: Those of the labels from which it is only derived: the lowest notes of a piano's left hand are no bass.
        lowest: Of notes that start together the lowest counts, not the highest.
        highest: Windows with a higher pitch are left out.
        bars: Length of a window in bars of 4/4.
        low: Lowest pitch that transposition may reach (a window that is lower already stays where it is).
        high: Highest pitch that transposition may reach.
        min_notes: Windows with fewer notes are left out.
        min_pitches: Windows with fewer different pitches are left out.
        max_silence_steps: Windows in which nothing sounds for this many steps on end are left out.
        test_share: Share of the tunes of packs that are held out to test on.
    """

    name: str
    labels: frozenset[str]
    kind: Literal["line", "drums", "trio"] = "line"
    derived: frozenset[str] = frozenset()
    lowest: bool = False
    highest: int = HIGHEST_PITCH
    bars: int = 2
    low: int = LOWEST_PITCH
    high: int = HIGHEST_PITCH
    min_notes: int = 3
    min_pitches: int = 2
    max_silence_steps: int = STEPS_PER_BAR
    test_share: float = TEST_SHARE

    @property
    def steps(self) -> int:
        """Length of a window in sixteenths."""
        return self.bars * STEPS_PER_BAR

    @property
    def classes(self) -> int:
        """Number of token classes; of a trio, those of its lines."""
        return DRUM_CLASSES if self.kind == "drums" else MELODY_CLASSES

    def wants(self, track: TrackFacts) -> bool:
        """Whether ``track`` plays this role: as its index says, else by what it looks like."""
        if track.label is not None:
            return track.label in self.labels
        if track.drum or self.kind == "drums":
            return track.drum and self.kind == "drums"
        if self.lowest:
            return track.program in BASS_PROGRAMS
        return track.program not in BASS_PROGRAMS and track.monophonic_share >= MELODY_MONOPHONIC_SHARE


MELODY: Final = Role("melody", frozenset({"melody", "melody_candidate"}), low=36, high=96)
BASS: Final = Role(
    "bass",
    frozenset({"bass", "bass_voice", "piano_lh"}),
    derived=frozenset({"bass_voice", "piano_lh"}),
    lowest=True,
    low=26,
    high=60,
    highest=67,
    test_share=0.15,
)
DRUMS: Final = Role("drums", frozenset({"drums"}), kind="drums", min_notes=4, test_share=0.15)
# What its parts are follows from the three others. It begins with what models of two bars know: none of those may have
# learnt a tune that it is tested on.
TRIO: Final = Role("trio", frozenset(), kind="trio", max_silence_steps=2 * STEPS_PER_BAR, test_share=0.10)
ROLES: Final[dict[str, Role]] = {role.name: role for role in (MELODY, BASS, DRUMS, TRIO)}


def role_named(name: str, roles: Iterable[Role] = ROLES.values()) -> Role:
    """The role called ``name``.

    Raises:
        UsageError: there is none.
    """
    by_name = {role.name: role for role in roles}
    if name not in by_name:
        raise UsageError(f"There is no role {name!r}: choose one of {', '.join(sorted(by_name))}.")
    return by_name[name]
