"""What a bar is made of, as it travels from a decoder through the session to the player."""

from msgspec import Struct


class Note(Struct, frozen=True, array_like=True):
    """A note of a bar.

    Attributes:
        start_ub: Onset after the bar line, in micro-beats; negative for early microtiming.
        duration_ub: Length in micro-beats; of a held note, the length up to the bar line.
        pitch: MIDI note number, 0 to 127.
        velocity: MIDI velocity, 1 to 127.
        held: The end is not known yet: the next bar ties the note or ends it at its bar line.
    """

    start_ub: int
    duration_ub: int
    pitch: int
    velocity: int
    held: bool = False


class Tie(Struct, frozen=True, array_like=True):
    """A note that sounds on from the bar before, without a new attack.

    Attributes:
        pitch: MIDI note number of the note that goes on.
        duration_ub: How long it goes on after the bar line, in micro-beats; if held, up to the next one.
        held: It goes on past this bar too, if the bar after ties it.
    """

    pitch: int
    duration_ub: int
    held: bool = False


class Bar(Struct, frozen=True, array_like=True):
    """One bar of one part, ready to sound.

    Attributes:
        id: Unique among the bars of a part in a session; counts up from 1.
        after_id: The bar this one was decoded after (0: none); its ties hold only behind that bar.
        notes: The notes, by onset.
        ties: What goes on from the bar before.
    """

    id: int
    after_id: int
    notes: tuple[Note, ...] = ()
    ties: tuple[Tie, ...] = ()
