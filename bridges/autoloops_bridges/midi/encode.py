"""Events of the player as MIDI bytes. Pure."""

from typing import Final

from autoloops_engine.player.events import Event, Kind

NOTE_OFF: Final = 0x80
NOTE_ON: Final = 0x90
CONTROL_CHANGE: Final = 0xB0
SONG_POSITION: Final = 0xF2
ALL_SOUND_OFF: Final = 120
ALL_NOTES_OFF: Final = 123
RELEASE_VELOCITY: Final = 64


def midi_messages(event: Event) -> tuple[bytes, ...]:
    """The MIDI messages of ``event``, in order; none for ties, beats and bars.

    An end is always a true note-off: a note-on of velocity 0 is not taken for one by every receiver.
    """
    match event.kind:
        case Kind.ON:
            return (bytes((NOTE_ON | (event.channel - 1), event.number, max(1, event.velocity))),)
        case Kind.OFF:
            return (bytes((NOTE_OFF | (event.channel - 1), event.number, RELEASE_VELOCITY)),)
        case Kind.SILENCE:
            status = CONTROL_CHANGE | (event.channel - 1)
            return bytes((status, ALL_SOUND_OFF, 0)), bytes((status, ALL_NOTES_OFF, 0))
        case Kind.CLOCK:
            return (bytes((event.number,)),)
        case Kind.POSITION:
            return (bytes((SONG_POSITION, event.number & 0x7F, event.number >> 7)),)
        case _:
            return ()
