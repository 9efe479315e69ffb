"""Reads a map file: TOML with one ``[[map]]`` table for each entry, described in ``docs/mapping.md``. Pure."""

import re
import tomllib
from collections.abc import Collection
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from autoloops_bridges.control.dispatch import Refusal, Router
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.vocabulary import Kind, Row
from autoloops_bridges.midi.parse import Source
from autoloops_engine.session.surface import Value

_HEADER: Final = re.compile(r"^[ \t]*\[\[[ \t]*map[ \t]*\]\]", re.MULTILINE)
_AT_LINE: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")

_T = TypeVar("_T")


class MapFile(NamedTuple):
    """What a map file holds.

    Attributes:
        entries: The good entries, in order.
        defaults: Whether the default map serves the other sources.
        problems: One sentence with its line for each bad entry.
    """

    entries: tuple[MapEntry, ...]
    defaults: bool
    problems: tuple[str, ...]


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    defaults: bool = True


class MapTable(msgspec.Struct, forbid_unknown_fields=True):
    """One ``[[map]]`` table as it is written."""

    source: Literal["note", "cc", "pitchbend", "pressure", "poly_pressure", "program"]
    target: str
    channel: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    number: Annotated[int, msgspec.Meta(ge=0, le=127)] | None = None
    port: str = ""
    range: tuple[float, float] | None = None
    arguments: tuple[str | float | bool, ...] = ()


class _BadEntryError(Exception):
    """Says what is wrong with an entry and how many lines below its header."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def read_map(text: str, parts: Collection[str]) -> MapFile:
    """The entries of a map file; a bad one is reported with its line, and the rest still works.

    Args:
        text: The file.
        parts: The names of the parts; an entry for another part is bad.
    """
    # Each table is parsed by itself, so that a slip in one does not take the others along.
    starts = [match.start() for match in _HEADER.finditer(text)]
    head_text = text[: starts[0]] if starts else text
    entries: list[MapEntry] = []
    problems: list[str] = []
    defaults = True
    try:
        defaults = _convert(_parse(head_text), _Head).defaults
    except _BadEntryError as bad:
        problems.append(f"Line {max(1, bad.line)}: {bad}.")
    router = Router()
    for start, end in pairwise([*starts, len(text)]):
        first_line = text.count("\n", 0, start) + 1
        try:
            entries.append(_entry(_parse(text[start:end])["map"][0], router, parts))
        except _BadEntryError as bad:
            problems.append(f"Line {first_line + max(0, bad.line - 1)}: {bad}.")
    return MapFile(tuple(entries), defaults, tuple(problems))


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1
        raise _BadEntryError(_AT_LINE.sub("", str(error)), line) from None


def _convert(table: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise _BadEntryError(str(error).replace(" - at `$.", " in `")) from None


def _entry(raw: object, router: Router, parts: Collection[str]) -> MapEntry:
    table = _convert(raw, MapTable)
    route = router.route(table.target)
    if isinstance(route, Refusal):
        raise _BadEntryError(f"{table.target} is no target: {route.reason.rstrip('.')}")
    row, target = route
    if target.part and target.part not in parts:
        raise _BadEntryError(f"there is no part {target.part!r}; the parts are {', '.join(parts)}")
    low, high = _range(row, table)
    if row.kind is Kind.VERB:
        checked = router.dispatch(table.target, table.arguments)
        if isinstance(checked, Refusal):
            raise _BadEntryError(f"{table.target}: {checked.reason.rstrip('.')}")
    entry_arguments: tuple[Value, ...] = table.arguments
    return MapEntry(
        Source(table.source), table.target, table.channel, table.number, table.port, low, high, entry_arguments
    )


def _range(row: Row, table: MapTable) -> tuple[float, float]:
    """The values at the ends of the control, checked against the target."""
    if row.kind is Kind.VERB:
        if table.range is not None:
            raise _BadEntryError(f"{table.target} is a verb and takes `arguments`, not a `range`")
        return 0.0, 1.0
    argument = row.arguments[0]
    if row.kind is Kind.STREAM or argument.many or argument.low is None or argument.high is None:
        raise _BadEntryError(f"{table.target} cannot be moved by one control")
    if table.arguments:
        raise _BadEntryError(f"{table.target} is a value and takes a `range`, not `arguments`")
    if table.range is None:
        if argument.default is None:
            raise _BadEntryError(f"{table.target} needs a `range` such as [-2.0, 2.0]")
        return argument.low, argument.high
    if not all(argument.low <= end <= argument.high for end in table.range):
        raise _BadEntryError(f"the range of {table.target} must lie within {argument.low:g} and {argument.high:g}")
    return table.range
