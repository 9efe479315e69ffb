"""Events of the player as MIDI bytes. Pure."""

from typing import Final

from autoloops_engine.player.events import Event, Kind

NOTE_OFF: Final = 0x80
NOTE_ON: Final = 0x90
RELEASE_VELOCITY: Final = 64


def midi_bytes(event: Event) -> bytes | None:
    """The MIDI message of ``event``; none for ties, beats and bars.

    An end is always a true note-off: a note-on of velocity 0 is not taken for one by every receiver.
    """
    if event.kind is Kind.ON:
        return bytes((NOTE_ON | (event.channel - 1), event.number, max(1, event.velocity)))
    if event.kind is Kind.OFF:
        return bytes((NOTE_OFF | (event.channel - 1), event.number, RELEASE_VELOCITY))
    return None
