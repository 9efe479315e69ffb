"""Changes ``[[map]]`` tables of a rig file's text; everything else, comments above all, stays as it was. Pure."""

from collections.abc import Collection
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from autoloops_bridges.control.rig_file import MAP
from autoloops_bridges.control.toml_tables import TomlTable, tables

Table = dict[str, Any]
# What belongs to the old target or the old control and means nothing to the new one.
_KEPT: Final = frozenset({"port", "invert"})


def with_added(text: str, table: Table) -> str:
    """The text with one more table at its end."""
    if text and not text.endswith("\n"):
        text += "\n"
    return text + ("\n" if text.strip() else "") + _written(table)


def with_replaced(text: str, lines: Collection[int], table: Table) -> str:
    """The text in which one table stands for those whose headers are on these lines; it takes the first one's place."""
    first = min(lines)
    out = []
    for part in tables(text):
        if part.kind == MAP and part.first_line == first:
            out.append(_rewritten(part, table))
        elif part.kind == MAP and part.first_line in lines:
            out.append(_remains(part))
        else:
            out.append(part.text)
    return "".join(out)


def without(text: str, lines: Collection[int]) -> str:
    """The text without the tables whose headers are on these lines; comments before and behind them stay."""
    return "".join(
        _remains(part) if part.kind == MAP and part.first_line in lines else part.text for part in tables(text)
    )


def _written(table: Table) -> str:
    document = tomlkit.document()
    array = tomlkit.aot()
    array.append(tomlkit.item({key: _in_line(value) for key, value in table.items()}))
    document.append(MAP, array)
    return tomlkit.dumps(document)


def _in_line(value: object) -> object:
    """A table within a table as one line: a header of its own would be cut off from it."""
    if not isinstance(value, dict):
        return value
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline


def _rewritten(part: TomlTable, table: Table) -> str:
    """The table with other values, and its comments."""
    try:
        document = tomlkit.parse(part.text)
    except TOMLKitError:
        return _written(table) + _remains(part)
    (old,) = document[MAP]  # one table a part, as it was cut
    for key in [key for key in old if key not in table and key not in _KEPT]:
        del old[key]
    for key, value in table.items():
        if key != "feedback" or key not in old:
            # How a light is told stays as it was.
            old[key] = value
    return tomlkit.dumps(document)


def _remains(part: TomlTable) -> str:
    """What follows the last value of a table: comments and empty lines that belong to what comes next."""
    lines = part.text.splitlines(keepends=True)
    end = len(lines)
    while end > 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    rest = lines[end:]
    # The empty line that parted it from the next table goes with it.
    return "".join(rest[1:] if rest and not rest[0].strip() else rest)
