"""What of a rig file shows only when it meets the parts: values that they refuse, controls that lead nowhere. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from autoloops_bridges.control.dispatch import Refusal, Router, address_of
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.rig import RigValue
from autoloops_bridges.control.rows import Kind
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.session.slots import MAX_SLOTS
from autoloops_engine.session.surface import Surface


class Snag(NamedTuple):
    """Something that a rig file wants and the parts do not have.

    Attributes:
        line: Of the file.
        says: What, and why not.
        at_present: A part that joins in, or another model, may have it.
    """

    line: int
    says: str
    at_present: bool = False

    def __str__(self) -> str:
        return f"Line {self.line}: {self.says}"


def set_values(values: Iterable[RigValue], surface: Surface, now_us: int) -> list[Snag]:
    """Set what a rig file wants set, on a surface whose parts are all there; what cannot be."""
    snags = []
    for command, line in values:
        try:
            surface.set(command.target, command.values, now_us)
        except AutoLoopsError as error:
            snags.append(Snag(line, f"{address_of(command.target)} cannot be set: {error}"))
    return snags


def led_nowhere(entries: Iterable[MapEntry], surface: Surface) -> list[Snag]:
    """What a rig file maps controls to, or shows on them, and the parts have not; each address once a line.

    It stays mapped: what is not there today may be there tomorrow. Parts that do not play are left out.
    """
    router = Router()
    addresses = {
        (entry.target_line, address): None
        for entry in entries
        for address in (entry.target, *([entry.light.shows] if entry.light is not None else ()))
    }
    snags = []
    for line, address in addresses:
        if why := no_slot(address, router):
            snags.append(Snag(line, f"there is no {address}: {why}"))
        elif why := lacking(address, surface, router):
            snags.append(Snag(line, f"nothing has {address} at present: {why}", at_present=True))
    return snags


def lacking(address: str, surface: Surface, router: Router) -> str:
    """Why a part that plays has no such knob, attribute, coordinate or voice; empty: no reason is known."""
    route = router.route(address)
    if isinstance(route, Refusal) or route.target.key is None or route.target.part not in surface.parts():
        return ""
    if route.row.kind is not Kind.VALUE:
        return ""
    try:
        surface.get(route.target)
    except UsageError as error:
        return str(error)
    return ""


def no_slot(address: str, router: Router) -> str:
    """Why there is no slot of that number; empty: there is, or the address is of something else."""
    route = router.route(address)
    if isinstance(route, Refusal) or route.row.kind is not Kind.VERB or not isinstance(route.target.key, int):
        return ""
    return "" if route.target.key <= MAX_SLOTS else f"Slots are numbered from 1 to {MAX_SLOTS}, not {route.target.key}."
