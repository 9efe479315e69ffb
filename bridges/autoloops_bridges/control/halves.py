"""Controllers and the 14-bit ones whose halves they are: one move of a control may come as both. Pure."""

from typing import Final

from autoloops_bridges.midi.parse import ControlEvent, Source

_LSB_OFFSET: Final = 32


def faces(event: ControlEvent) -> tuple[ControlEvent, ...]:
    """``event``, and as what else the control that sent it may come.

    Controllers 0 to 31 are the upper, 32 to 63 the lower halves of the 14-bit controllers 0 to 31 (MIDI 1.0).
    """
    if event.source is Source.CC14:
        numbers = event.number, event.number + _LSB_OFFSET
        return event, *(event._replace(source=Source.CC, number=number) for number in numbers)
    if event.source is Source.CC and event.number < 2 * _LSB_OFFSET:
        return event, event._replace(source=Source.CC14, number=event.number % _LSB_OFFSET)
    return (event,)
