"""Writes an entry of the mapping as the ``[[map]]`` table that stands for it. Pure."""

from typing import Any

from autoloops_bridges.control.curves import Scale
from autoloops_bridges.control.dispatch import Route, Router
from autoloops_bridges.control.map_table import moved_argument, top_value
from autoloops_bridges.control.mapping import ENCODER_STEP, Light, MapEntry
from autoloops_bridges.control.relative import Encoding
from autoloops_bridges.control.rig_edit import Table
from autoloops_bridges.control.rows import Type
from autoloops_bridges.control.takeover import Takeover


def table_of(entry: MapEntry, takeover: Takeover, router: Router) -> Table:
    """The table of a rig file that stands for ``entry``.

    Args:
        entry: What to write.
        takeover: Of controls that say nothing about it, in that file.
        router: Knows the targets.
    """
    route = router.route(entry.target)
    argument = moved_argument(route.row, entry.arguments) if isinstance(route, Route) else None
    table: Table = {"source": entry.source.value}
    table |= {key: word for key in ("channel", "number", "port") if (word := getattr(entry, key)) not in {None, ""}}
    table["target"] = entry.target
    if argument is not None:
        natural = argument.default is not None and (argument.low, argument.high) == (entry.scale.low, entry.scale.high)
        table |= _scale(entry.scale, natural=natural)
        if argument.type is Type.BOOL and not entry.arguments:
            table["button"] = entry.button
    if entry.arguments:
        table["arguments"] = list(entry.arguments)
    if entry.takeover is not takeover:
        table["takeover"] = entry.takeover.value
    if entry.encoding is not Encoding.ABSOLUTE:
        table["encoder"] = entry.encoding.value
    if entry.step != ENCODER_STEP:
        table["step"] = entry.step
    if entry.light is not None:
        table["feedback"] = _feedback(entry, entry.light) or True
    return table


def _scale(scale: Scale, *, natural: bool) -> Table:
    table: Table = {} if natural else {"range": [scale.low, scale.high]}
    if scale.curve != "linear":
        table["curve"] = scale.curve
    if scale.invert:
        table["invert"] = True
    return table


def _feedback(entry: MapEntry, light: Light) -> dict[str, Any]:
    """What a light has that does not follow from the control."""
    source = light.source.value
    usual = (
        ("port", light.port, entry.port),
        ("source", source, entry.source.value),
        ("channel", light.channel, entry.channel),
        ("number", light.number, entry.number or 0),
        ("off", light.off, 0),
        ("on", light.on, top_value(source)),
        ("shows", light.shows, entry.target),
    )
    return {key: value for key, value, expected in usual if value != expected}
