"""The reference page of the control vocabulary, generated from its table."""

from typing import Final

from autoloops_bridges.control.rows import Argument, Direction, Kind, Row
from autoloops_bridges.control.vocabulary import MAX_INT, TABLE

_INTRODUCTION: Final = """\
# OSC addresses

Generated from the table in `bridges/autoloops_bridges/control/vocabulary.py`; do not edit by hand.

AutoLoops listens on UDP port 7400 of this machine unless told otherwise. `PART` is the name of a part (`melody`,
`bass`, `drums`, …), `I` a number counted from 1, `NAME` the name of an attribute.

- A **value** with arguments sets; without arguments it asks, and the answer comes back on the same address.
- A **verb** acts. Verbs without numbers of their own take a button's 1 (act) and 0 (nothing) too.
- Numbers may come as integers, floats, booleans or strings (`1`, `1.0`, `"1"`, `true`). Not-a-number, infinity and
  what is out of range are answered by `/al/error address reason`, and nothing changes.
- Answers go to the port a message came from, and to the ports that its host named with `/al/listen`.
- Changed values are echoed to listeners at most 30 times a second, the latest wins, but never to the client that is
  moving the value.
- Time tags of incoming bundles are honoured up to 10 s ahead; what is tagged later is done at once, and counted.
- Lists are flat. All beats are counted in floats from bar 1 = 0.0.
"""


def reference_markdown() -> str:
    """The whole page as Markdown, ending in a line feed."""
    incoming = [row for row in TABLE if row.direction is not Direction.OUT]
    sections = [
        ("## Values", [row for row in incoming if row.kind is Kind.VALUE]),
        ("## Verbs", [row for row in incoming if row.kind is Kind.VERB]),
        ("## Sent by AutoLoops", [row for row in TABLE if row.direction is Direction.OUT]),
    ]
    parts = [_INTRODUCTION]
    parts.extend(f"{title}\n\n{_table(rows)}" for title, rows in sections)
    return "\n".join(parts)


def _table(rows: list[Row]) -> str:
    lines = ["| address | arguments | meaning |", "|--|--|--|"]
    lines.extend(f"| `{row.template}` | {_arguments(row)} | {_in_cell(row.help)} |" for row in rows)
    return "\n".join(lines) + "\n"


def _in_cell(text: str) -> str:
    """A bar line would end the cell, in code too."""
    return text.replace("|", r"\|")


def _arguments(row: Row) -> str:
    shown = [_argument(argument) for argument in row.arguments]
    if row.repeated is None:
        return "<br>".join(shown)
    return "<br>".join([*shown[: row.repeated], "any number of times:", *shown[row.repeated :]])


def _argument(argument: Argument) -> str:
    name = f"`{argument.name}`" + ("…" if argument.many else "")
    facts = [argument.type.value.replace("|", " or ")]
    if argument.choices:
        facts.append(" ".join(f"`{choice}`" for choice in argument.choices))
    bounds = _bounds(argument)
    if bounds:
        facts.append(bounds)
    elif argument.unit:
        facts.append(argument.unit)
    if argument.default is not None:
        facts.append(f"default {argument.default if isinstance(argument.default, str) else f'{argument.default:g}'}")
    if argument.optional:
        facts.append("optional")
    return f"{name} ({', '.join(facts)})"


def _bounds(argument: Argument) -> str:
    """The range and unit; nothing for booleans, whose type says it."""
    if argument.low is None or argument.type.value.endswith("0|1"):
        return ""
    unit = f" {argument.unit}" if argument.unit else ""
    if argument.high is None:
        return f"from {argument.low:g}{unit}"
    high = str(MAX_INT) if argument.high == MAX_INT else f"{argument.high:g}"
    return f"{argument.low:g} to {high}{unit}"
