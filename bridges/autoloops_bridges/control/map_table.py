"""One ``[[map]]`` table of a rig file: how it is written, and the entry that it stands for. Pure."""

from collections.abc import Collection
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from autoloops_bridges.control.curves import Curve, Scale
from autoloops_bridges.control.dispatch import Refusal, Router
from autoloops_bridges.control.mapping import ENCODER_STEP, KEPT, PLACE, Light, MapEntry
from autoloops_bridges.control.relative import Encoding
from autoloops_bridges.control.rows import Argument, Kind, Row, Type
from autoloops_bridges.control.takeover import Takeover
from autoloops_bridges.control.toml_tables import TomlTable
from autoloops_bridges.midi.parse import Source
from autoloops_engine.session.surface import Target, Value

SourceWord = Literal["note", "cc", "cc14", "nrpn", "pitchbend", "pressure", "poly_pressure", "program"]
Channel = Annotated[int, msgspec.Meta(ge=1, le=16)]
Number = Annotated[int, msgspec.Meta(ge=0, le=16383)]

_TOP_NUMBER: Final = {"cc14": 31, "nrpn": 16383}
_TOP_VALUE: Final = {"cc14": 16383, "nrpn": 16383, "pitchbend": 16383}
# They answer whoever sent them; a controller has no ears for that.
_ANSWERS: Final = frozenset({"ping", "listen", "sync"})


class FeedbackTable(msgspec.Struct, forbid_unknown_fields=True):
    """How feedback differs from the source."""

    port: str = ""
    source: SourceWord | None = None
    channel: Channel | None = None
    number: Number | None = None
    off: int | None = None
    on: int | None = None
    shows: str = ""


class MapTable(msgspec.Struct, forbid_unknown_fields=True):
    """One ``[[map]]`` table as it is written; ``docs/mapping.md`` describes it."""

    source: SourceWord
    target: str
    channel: Channel | None = None
    number: Number | None = None
    port: str = ""
    range: tuple[float, float] | None = None
    arguments: tuple[str | float | bool, ...] = ()
    curve: Curve = "linear"
    invert: bool = False
    takeover: Literal["jump", "pickup", "scale"] | None = None
    encoder: Literal["twos-complement", "binary-offset", "sign-bit"] | None = None
    step: Annotated[float, msgspec.Meta(gt=0, le=1)] = ENCODER_STEP
    button: Literal["", "toggle", "hold"] | None = None
    feedback: bool | FeedbackTable = False


class Known(NamedTuple):
    """What an entry may refer to.

    Attributes:
        parts: Names of the parts; none: not known yet, any will do.
        ports: Names of the rig's ports.
        outputs: Names of those that have an output.
        takeover: Of controls that say nothing about it.
    """

    parts: Collection[str] | None
    ports: Collection[str]
    outputs: Collection[str]
    takeover: Takeover


def entry_of(table: TomlTable, raw: object, known: Known, router: Router) -> MapEntry:
    """The entry that a table stands for.

    Raises:
        BadTableError: it makes no sense.
    """
    written = table.convert(raw, MapTable)
    row, target = target_of(table, "target", written.target, known.parts, router)
    if not target.part and target.name in _ANSWERS:
        raise table.bad(f"{written.target} answers the client that sends it; a controller has nothing of it", "target")
    _check_source(table, written)
    scale = _scale(table, written, row, router)
    return MapEntry(
        Source(written.source),
        written.target,
        written.channel,
        written.number,
        written.port,
        scale,
        written.arguments,
        Takeover(written.takeover) if written.takeover else known.takeover,
        Encoding(written.encoder or "absolute"),
        written.step,
        _button(table, written, row),
        _light(table, written, row, known, router),
        table.first_line,
        written.port.casefold() in {port.casefold() for port in known.ports},
        table.line_of("target"),
    )


def target_of(
    table: TomlTable, key: str, address: str, parts: Collection[str] | None, router: Router
) -> tuple[Row, Target]:
    """The line of the vocabulary and the target of an address in a rig file.

    Raises:
        BadTableError: there is none.
    """
    route = router.route(address)
    if isinstance(route, Refusal):
        raise table.bad(f"{address} is no target: {route.reason.rstrip('.')}", key)
    row, target = route
    if target.part and parts is not None and target.part not in parts:
        raise table.bad(f"there is no part {target.part!r}; the parts are {', '.join(parts)}", key)
    return row, target


def _check_source(table: TomlTable, written: MapTable) -> None:
    top = _TOP_NUMBER.get(written.source, 127)
    if written.number is not None and written.number > top:
        raise table.bad(f"the number of a {written.source} lies within 0 and {top}", "number")
    if written.encoder and written.source != "cc":
        raise table.bad(f"an encoder sends a cc, not a {written.source}", "encoder")


def top_value(source: str) -> int:
    """The greatest value of a kind of control, by its word in a rig file."""
    return _TOP_VALUE.get(source, 127)


def moved_argument(row: Row, arguments: tuple[Value, ...]) -> Argument | None:
    """The argument of ``row`` that takes the value of the control; none: there is none."""
    at = arguments.index(PLACE) if PLACE in arguments else 0
    if PLACE not in arguments and (arguments or row.kind is Kind.VERB):
        return None
    if not row.arguments or (at >= len(row.arguments) and not row.arguments[-1].many):
        return None
    return row.arguments[min(at, len(row.arguments) - 1)]


def _scale(table: TomlTable, written: MapTable, row: Row, router: Router) -> Scale:
    """What the positions of the control mean, checked against the target."""
    argument = moved_argument(row, written.arguments)
    if KEPT in written.arguments and PLACE not in written.arguments:
        raise table.bad(f'"{KEPT}" among the arguments needs a "{PLACE}" for the control beside it', "arguments")
    fixed = written.arguments
    if argument is None:
        if row.kind is Kind.VERB and written.range is not None:
            reason = f"{written.target} is a verb and takes `arguments`, not a `range`"
            raise table.bad(reason, "range")
        checked = router.dispatch(written.target, fixed)
        if isinstance(checked, Refusal):
            raise table.bad(f"{written.target}: {checked.reason.rstrip('.')}", "arguments")
        return Scale(0.0, 1.0)
    if row.kind is Kind.STREAM or argument.type in {Type.STRING, Type.ANY} or (argument.many and not fixed):
        raise table.bad(f"{written.target} cannot be moved by one control; give it `arguments`", "target")
    low, high = _range(table, written, argument)
    return Scale(low, high, argument.type, written.curve, written.invert)


def _range(table: TomlTable, written: MapTable, argument: Argument) -> tuple[float, float]:
    """The values at the ends of the control."""
    natural = argument.low is not None and argument.high is not None and argument.default is not None
    low = float("-inf") if argument.low is None else argument.low
    high = float("inf") if argument.high is None else argument.high
    if written.range is None:
        if not natural:
            raise table.bad(f"{written.target} needs a `range` such as [-2.0, 2.0]", "target")
        return low, high
    if not all(low <= end <= high for end in written.range):
        raise table.bad(f"the range of {written.target} must lie within {low:g} and {high:g}", "range")
    if written.range[0] == written.range[1]:
        raise table.bad("the two ends of the range must differ; `arguments` sets one value", "range")
    return written.range


def _button(table: TomlTable, written: MapTable, row: Row) -> str:
    """How a press acts; pads turn switches over unless told otherwise."""
    if written.button and (row.kind is Kind.VERB or written.arguments):
        raise table.bad(f"{written.target} has no two states for a `button` to change between", "button")
    if written.button is not None:
        return written.button
    switch = row.kind is Kind.VALUE and row.arguments[0].type is Type.BOOL and not written.arguments
    return "toggle" if switch and written.source == "note" else ""


def _light(table: TomlTable, written: MapTable, row: Row, known: Known, router: Router) -> Light | None:
    """Where the state of the target is shown."""
    if written.feedback is False:
        return None
    asked = written.feedback if isinstance(written.feedback, FeedbackTable) else FeedbackTable()
    port = asked.port or written.port or (next(iter(known.outputs)) if len(known.outputs) == 1 else "")
    if port not in known.outputs:
        raise table.bad(f"feedback goes to a port with an `out`, and {port or 'none'!r} is no such port", "feedback")
    shows = asked.shows or written.target
    shown, _ = target_of(table, "feedback", shows, known.parts, router)
    if shown.kind is not Kind.VALUE:
        raise table.bad(f"{shows} has no value to be shown; name another with `shows`", "feedback")
    source, number = asked.source or written.source, asked.number if asked.number is not None else written.number
    channel = asked.channel or written.channel
    numberless = source in {"pitchbend", "pressure"}
    if channel is None or (number is None and not numberless):
        raise table.bad("feedback needs a `channel` and a `number`", "feedback")
    top = top_value(source)
    ends = (0 if asked.off is None else asked.off), (top if asked.on is None else asked.on)
    if not all(0 <= end <= top for end in ends):
        raise table.bad(f"`off` and `on` of feedback lie within 0 and {top}", "feedback")
    return Light(port, Source(source), channel, number or 0, *ends, shows)
