"""What of a rig file shows only when it meets the parts: values that they refuse, controls that lead nowhere. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from autoloops_bridges.control.dispatch import Refusal, Route, Router, address_of
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.rig import RigValue
from autoloops_bridges.control.rows import Kind
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.session.slots import MAX_SLOTS
from autoloops_engine.session.surface import Surface, Target


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
        route = router.route(address)
        if isinstance(route, Refusal) or route.target.part not in {"", *surface.parts()}:
            continue
        if why := _no_slot(route):
            snags.append(Snag(line, f"there is no {address}: {why}"))
        elif why := _not_there(route, surface):
            snags.append(Snag(line, f"nothing has {address} at present: {why}", at_present=True))
    return snags


def lacking(address: str, surface: Surface) -> str:
    """Why there is no such part, slot, knob, attribute, coordinate or voice; empty: there is, as far as is known."""
    route = Router().route(address)
    if isinstance(route, Refusal):
        return ""
    return _no_part(route, surface) or _no_slot(route) or _not_there(route, surface)


def _no_part(route: Route, surface: Surface) -> str:
    part = route.target.part
    return _refused(Target("channel", part), surface) if part and part not in surface.parts() else ""


def _no_slot(route: Route) -> str:
    number = route.target.key
    if route.row.kind is not Kind.VERB or not isinstance(number, int) or number <= MAX_SLOTS:
        return ""
    return f"Slots are numbered from 1 to {MAX_SLOTS}, not {number}."


def _not_there(route: Route, surface: Surface) -> str:
    if route.row.kind is not Kind.VALUE or route.target.key is None:
        return ""
    return _refused(route.target, surface)


def _refused(target: Target, surface: Surface) -> str:
    try:
        surface.get(target)
    except UsageError as error:
        return str(error)
    return ""
