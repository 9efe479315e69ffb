"""What is wrong with a table of a rig file, in the words of somebody who writes one. Pure."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

_STEP: Final = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_PATH: Final = re.compile(r" - at `\$([^`]*)`")
_FIELD: Final = re.compile(r"field `(\w+)`")
_MAX_SHOWN: Final = 60
# What the parser of TOML says, by how it begins, and what that means to whoever wrote the line.
_HINTS: Final = {
    "Invalid value": 'behind the = stands no value: text stands in "quotes", a list in [brackets], a switch is true or '
    "false",
    "Illegal character": "a text is not closed by its quotes on the line on which it begins",
    "Unterminated string": "a text is not closed by its quotes",
    "Unescaped": "a backslash within a text is written twice",
    "Unclosed array": "a [ is not closed",
    "Unclosed inline table": "a { is not closed",
    "Invalid statement": "it is neither a [header] nor `key = value`",
    "Invalid initial character": "it is neither a [header] nor `key = value`",
    "Expected '='": "it is neither a [header] nor `key = value`",
    "Expected newline": 'something is left over behind the value; text stands in "quotes"',
    "Cannot overwrite": "the key has a value already",
    "Cannot declare": "the table is there already",
    "Expected ']]'": "the header is not closed by ']]'",
    "Expected ']'": "the header is not closed by ']'",
}


def unreadable(reason: str, line: str) -> str:
    """Why a line is no TOML.

    Args:
        reason: What the parser says.
        line: The line.
    """
    hint = next((hint for begins, hint in _HINTS.items() if reason.startswith(begins)), reason)
    shown = "".join(sign if sign.isprintable() else "?" for sign in line.strip())
    shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
    return f"`{shown}` cannot be read: {hint}" if shown else f"it cannot be read: {hint}"


def misfit(error: msgspec.ValidationError, raw: object, kind: type) -> tuple[str, str]:
    """The key of a table whose value does not fit, empty where there is none, and why.

    Args:
        error: What msgspec says.
        raw: What was read.
        kind: What it was to be.
    """
    found = _PATH.search(str(error))
    path = found[1] if found else ""
    steps = [name or at for name, at in _STEP.findall(path)]
    wanted, value = _along(inspect.type_info(kind), raw, steps)
    where = path.lstrip(".")
    if named := _FIELD.search(str(error)):
        within = f" of `{where}`" if where else ""
        return (steps[0] if steps else named[1]), _about_key(named[1], wanted, within, unknown="unknown" in str(error))
    if not steps:
        return "", f"it takes {_described(wanted)}"
    if value is None:
        return steps[0], f"each value of `{steps[0]}` is {_described(wanted)}"
    return steps[0], f"`{where}` takes {_described(wanted)}, not {_shown(value)}"


def _about_key(name: str, wanted: inspect.Type, within: str, *, unknown: bool) -> str:
    if not unknown:
        return f"the key `{name}`{within} is missing"
    keys = _keys(wanted)
    near = difflib.get_close_matches(name, keys, n=1)
    meant = f" (perhaps `{near[0]}` is meant)" if near else ""
    return f"there is no key `{name}`{within}{meant}; the keys are {', '.join(keys)}"


def _along(wanted: inspect.Type, value: Any, steps: Sequence[str]) -> tuple[inspect.Type, Any]:
    """What is wanted at the end of a path, and what is there; None where that is not known."""
    for step in steps:
        wanted = _inner(wanted, step)
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit():
            value = value[int(step)]
        else:
            value = None
    return wanted, value


def _inner(wanted: inspect.Type, step: str) -> inspect.Type:
    for each in _choices(wanted):
        match each:
            case inspect.StructType():
                for field in each.fields:
                    if field.encode_name == step:
                        return field.type
            case inspect.DictType():
                return each.value_type
            case inspect.VarTupleType():
                return each.item_type
            case inspect.TupleType() if step.isdigit():
                return each.item_types[int(step)]
    return wanted


def _choices(wanted: inspect.Type) -> tuple[inspect.Type, ...]:
    """What is possible; nothing stands for what is left out, which TOML cannot write."""
    types = wanted.types if isinstance(wanted, inspect.UnionType) else (wanted,)
    return tuple(each for each in types if not isinstance(each, inspect.NoneType))


def _keys(wanted: inspect.Type) -> list[str]:
    return [
        field.encode_name for each in _choices(wanted) if isinstance(each, inspect.StructType) for field in each.fields
    ]


def _described(wanted: inspect.Type) -> str:
    return _either([word for each in _choices(wanted) for word in _words(each)])


def _words(wanted: inspect.Type) -> list[str]:
    match wanted:
        case inspect.LiteralType():
            return [str(word) or '""' for word in wanted.values]
        case inspect.BoolType():
            return ["true", "false"]
        case inspect.IntType():
            return [f"a whole number{_between(wanted)}"]
        case inspect.FloatType():
            return [f"a number{_between(wanted)}"]
        case inspect.StrType():
            return ['text in "quotes"']
        case inspect.VarTupleType():
            return [f"a [list] of {_described(wanted.item_type)}"]
        case inspect.TupleType():
            return [f"a [list] of {len(wanted.item_types)} values"]
        case inspect.StructType():
            return [f"a table of {', '.join(_keys(wanted))}"]
        case inspect.DictType():
            return [f"a {{table}} whose values are each {_described(wanted.value_type)}"]
    return ["something else"]


def _between(wanted: inspect.IntType | inspect.FloatType) -> str:
    if wanted.le is None:
        return "" if wanted.ge is None else f" from {wanted.ge:g}"
    low = f" from {wanted.ge:g}" if wanted.ge is not None else f" above {wanted.gt:g}" if wanted.gt is not None else ""
    high = str(wanted.le) if isinstance(wanted.le, int) else f"{wanted.le:g}"
    return f"{low} to {high}" if wanted.ge is not None else f"{low} and up to {high}"


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, (str, list, dict)) else str(value).lower()
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
