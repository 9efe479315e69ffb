"""What a control has already when it is to be learnt: in the rig file, from a preset or by default. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from autoloops_bridges.control.halves import faces
from autoloops_bridges.control.mapping import MapEntry, knows
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.midi.parse import NUMBERLESS, ControlEvent


class Held(NamedTuple):
    """What a control has. The rig file silences the others as soon as it says anything of this control.

    Attributes:
        own: The entries of the rig file, in order.
        preset: What presets say of it.
        default: What the default mapping says of it.
        shared: What the default mapping says of every control of its kind, as that any note fires a part.
    """

    own: tuple[MapEntry, ...] = ()
    preset: tuple[MapEntry, ...] = ()
    default: tuple[MapEntry, ...] = ()
    shared: tuple[MapEntry, ...] = ()

    @property
    def behind(self) -> tuple[MapEntry, ...]:
        """What was meant for this very control and would be silenced."""
        return self.preset + self.default

    @property
    def words(self) -> str:
        """Where what was meant for this very control leads; empty: nothing was."""
        named = [entry.target for entry in self.own]
        named += [f"{entry.target} (by a preset)" for entry in self.preset]
        named += [f"{entry.target} (by default)" for entry in self.default]
        return " and ".join(dict.fromkeys(named))

    def split(self, target: str) -> tuple["Held", "Held"]:
        """What leads to ``target``, and the rest."""
        there = Held(*(tuple(entry for entry in layer if entry.target == target) for layer in self))
        return there, Held(*(tuple(entry for entry in layer if entry.target != target) for layer in self))


def held(event: ControlEvent, rig: Rig, defaults: Sequence[MapEntry]) -> Held:
    """What the control that sent ``event`` has, in whichever form it comes.

    Args:
        event: A move of it.
        rig: The rig in use.
        defaults: The default mapping in use.
    """
    layers = (rig.entries, rig.presets, defaults)
    own, behind = dict[MapEntry, None](), list[tuple[int, MapEntry, MapEntry]]()
    for face in faces(event):
        at = next((at for at, layer in enumerate(layers) if knows(layer, face)), 0)
        for entry in (entry for entry in layers[at] if entry.matches(face)):
            if at == 0:
                own[entry] = None
            else:
                behind.append((at, entry, _narrowed(entry, face)))
    return Held(
        tuple(own),
        tuple(narrow for at, _, narrow in behind if at == 1),
        tuple(narrow for at, entry, narrow in behind if at == 2 and entry.number is not None),
        tuple(narrow for at, entry, narrow in behind if at == 2 and entry.number is None),
    )


def _narrowed(entry: MapEntry, event: ControlEvent) -> MapEntry:
    """What it says of the one control that sent ``event``."""
    number = None if event.source in NUMBERLESS else event.number
    return replace(entry, channel=event.channel, number=number)
