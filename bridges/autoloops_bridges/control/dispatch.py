"""From an address and its arguments to a command for the surface, or to the reason why there is none."""

import math
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from autoloops_bridges.control.rows import Argument, Direction, Kind, Row, Type
from autoloops_bridges.control.vocabulary import MAX_INT, MAX_PART_NAME, RESERVED, TABLE, is_part_name
from autoloops_engine.session.surface import Key, Target, Value, Values

MAX_KNOWN_ADDRESSES: Final = 4096
MAX_MANY: Final = 4096
# What reads files or runs a model before it can be done; whether it can shows only then.
_BEGUN: Final = frozenset({"capture", "load", "model", "parts/add"})
_TRUE: Final = frozenset({"1", "true", "on", "yes"})
_FALSE: Final = frozenset({"0", "false", "off", "no"})


class Action(Enum):
    """What a command wants."""

    ASK = "ask"
    SET = "set"
    ACT = "act"
    NOTHING = "nothing"


class Route(NamedTuple):
    """Where an address leads."""

    row: Row
    target: Target


class Command(NamedTuple):
    """An understood message: its action, line of the table, target and coerced values."""

    action: Action
    row: Row
    target: Target
    values: Values


class Refusal(NamedTuple):
    """A message that cannot be done, with one sentence that says why."""

    address: str
    reason: str


class _RefusedError(Exception):
    """Carries a reason from a coercion to the refusal."""


class Router:
    """Looks addresses up, exact matches first, and coerces arguments. Pure.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, rows: Sequence[Row] = TABLE) -> None:
        self._by_shape = {_shape(row.segments): row for row in rows}
        self._known: dict[str, Route] = {}

    def route(self, address: str) -> Route | Refusal:
        """The line and target of ``address``; whether the part exists is the surface's to say."""
        known = self._known.get(address)
        if known is not None:
            return known
        found = self._find(address)
        if isinstance(found, Route):
            if len(self._known) >= MAX_KNOWN_ADDRESSES:
                self._known.clear()
            self._known[address] = found
        return found

    def dispatch(self, address: str, arguments: Sequence[object]) -> Command | Refusal:
        """The command that ``address`` with ``arguments`` stands for.

        Args:
            address: An OSC address.
            arguments: Numbers, strings and booleans; a nil counts as left out.
        """
        route = self.route(address)
        if isinstance(route, Refusal):
            return route
        row, target = route
        given = [argument for argument in arguments if argument is not None]
        if row.kind is Kind.VALUE and not given:
            return Command(Action.ASK, row, target, ())
        if row.direction is Direction.OUT:
            return Refusal(address, "This address is only sent by AutoLoops; it cannot be set.")
        if row.kind is Kind.VERB:
            pressed = _button(row, given)
            if pressed is not None:
                return Command(Action.ACT if pressed else Action.NOTHING, row, target, _defaults(row))
        try:
            values = _coerce_all(row, given)
        except _RefusedError as refused:
            return Refusal(address, str(refused))
        return Command(Action.SET if row.kind is Kind.VALUE else Action.ACT, row, target, values)

    def _find(self, address: str) -> Route | Refusal:
        segments = address.split("/")
        if len(segments) < 3 or segments[0] or segments[1] != "al":
            return Refusal(address, "Every address begins with /al/; the reference page lists them all.")
        words = tuple(segments[2:])
        if words[0] in RESERVED:
            return self._find_whole(address, words)
        if len(words) == 1:
            return _unknown(address)
        if not is_part_name(words[0]):
            return Refusal(
                address, "A part's name is a lower-case letter followed by lower-case letters, digits, _ or -."
            )
        return self._find_in_part(address, words)

    def _find_whole(self, address: str, words: tuple[str, ...]) -> Route | Refusal:
        row = self._by_shape.get(words)
        if row is not None:
            return Route(row, Target("/".join(words)))
        keyed = self._by_shape.get((words[0], *("*" for _ in words[1:])))
        key = _key(keyed.segments[1], words[1]) if keyed is not None else None
        return _unknown(address) if keyed is None or key is None else Route(keyed, Target(words[0], "", key))

    def _find_in_part(self, address: str, words: tuple[str, ...]) -> Route | Refusal:
        part, noun, *rest = words
        plain = self._by_shape.get(("PART", noun, *("*" for _ in rest)))
        if plain is None:
            return _unknown(address)
        if not rest:
            return Route(plain, Target(noun, part))
        key = _key(plain.segments[2], rest[0])
        if key is None:
            return Refusal(address, "The address must end in a whole number from 1.")
        return Route(plain, Target(noun, part, key))


def is_begun(command: Command) -> bool:
    """Whether a command only begins what is done later, and may fail then."""
    return command.action in {Action.SET, Action.ACT} and command.target.name in _BEGUN


def address_of(target: Target) -> str:
    """The address under which ``target`` is set, asked, answered and echoed."""
    words = [target.name] if not target.part else [target.part, target.name]
    if target.key is not None:
        words.append(str(target.key))
    return "/al/" + "/".join(words)


def _shape(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("*" if word in {"I", "N", "NAME"} else word for word in segments)


def _unknown(address: str) -> Refusal:
    return Refusal(address, "There is no such address; the reference page lists them all.")


def _key(placeholder: str, word: str) -> Key:
    """The key that ``word`` stands for; none if it does not fit the placeholder."""
    if placeholder == "NAME":
        return word
    if word.isascii() and word.isdigit() and word[0] != "0" and len(word) <= 4:
        return int(word)
    return None


def _button(row: Row, given: list[object]) -> bool | None:
    """Whether a lone number is a pressed button; none if the arguments are meant as such.

    Buttons of control surfaces always send a number: 1 when pressed, 0 when let go.
    """
    takes_number = bool(row.arguments) and row.arguments[0].type is not Type.STRING
    needs_more = any(not argument.optional for argument in row.arguments)
    if takes_number or needs_more or len(given) != 1 or not isinstance(given[0], (int, float)):
        return None
    return bool(given[0])


def _defaults(row: Row) -> Values:
    return tuple(argument.default for argument in row.arguments if argument.default is not None)


def _coerce_all(row: Row, given: list[object]) -> Values:
    values: list[Value] = []
    waiting = list(given)
    for argument in row.arguments:
        if argument.many:
            if len(waiting) > MAX_MANY or not (waiting or argument.optional):
                raise _RefusedError(f"It takes 1 to {MAX_MANY} arguments, not {len(waiting)}.")
            values.extend(_coerce(argument, value) for value in waiting)
            waiting.clear()
        elif waiting and not _skipped(row, argument, waiting[0]):
            values.append(_coerce(argument, waiting.pop(0)))
        elif not argument.optional:
            raise _RefusedError(f"It takes {_usage(row)}; {argument.name} is missing.")
        elif argument.default is not None and _is_placed(row, argument):
            values.append(argument.default)
    if waiting:
        raise _RefusedError(f"It takes {_usage(row)}, not {len(given)} arguments.")
    return tuple(values)


def _is_placed(row: Row, argument: Argument) -> bool:
    """Whether an argument that is left out is given its default, so that words from it on keep their place."""
    return any(other.choices for other in row.arguments[row.arguments.index(argument) :])


def _skipped(row: Row, argument: Argument, value: object) -> bool:
    """Whether ``value`` is a word of a later argument, as in ``fire now`` and ``capture loop``."""
    if not argument.optional or value in argument.choices:
        return False
    later = row.arguments[row.arguments.index(argument) + 1 :]
    return any(value in other.choices for other in later)


def _usage(row: Row) -> str:
    if not row.arguments:
        return "no arguments"
    return " ".join(f"[{argument.name}]" if argument.optional else argument.name for argument in row.arguments)


def _coerce(argument: Argument, value: object) -> Value:
    if argument.type is Type.STRING:
        return _coerce_word(argument, value)
    if argument.type is Type.ANY:
        if isinstance(value, (bool, int, float, str)):
            return value
        raise _RefusedError("It takes numbers and strings only.")
    if argument.type is Type.BOOL:
        return _coerce_bool(argument, value)
    number = _number(argument, value)
    if argument.type is Type.INT and not number.is_integer():
        raise _RefusedError(f"{argument.name} must be a whole number{_range(argument)}, not {_shown(value)}.")
    low = -math.inf if argument.low is None else argument.low
    high = math.inf if argument.high is None else argument.high
    if not low <= number <= high:
        raise _RefusedError(f"{argument.name} must lie{_range(argument)}, not {_shown(value)}.")
    return int(number) if argument.type is Type.INT else number


def _coerce_word(argument: Argument, value: object) -> str:
    if not isinstance(value, str):
        raise _RefusedError(f"{argument.name} must be a word, not {_shown(value)}.")
    if argument.choices and value not in argument.choices:
        raise _RefusedError(f"{argument.name} must be one of {', '.join(argument.choices)}, not {_shown(value)}.")
    if argument.names_part and not is_part_name(value):
        raise _RefusedError(
            f"{_shown(value)} cannot name a part: small letters, digits, - and _, starting with a letter, at most "
            f"{MAX_PART_NAME}, and no word of the vocabulary."
        )
    return value


def _coerce_bool(argument: Argument, value: object) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
    if isinstance(value, (bool, int, float)) and value in {0, 1}:
        return bool(value)
    raise _RefusedError(f"{argument.name} must be 0 or 1, not {_shown(value)}.")


def _number(argument: Argument, value: object) -> float:
    """``value`` as a finite number; strings of digits and booleans count as numbers."""
    number = math.nan
    if isinstance(value, str):
        word = value.strip().lower()
        if word in {"true", "false"}:
            return float(word == "true")
        try:
            number = float(word)
        except ValueError:
            raise _RefusedError(f"{argument.name} must be a number{_range(argument)}, not {_shown(value)}.") from None
    elif isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 64):
        number = float(value)
    else:
        raise _RefusedError(f"{argument.name} must be a number{_range(argument)}, not {_shown(value)}.")
    if not math.isfinite(number):
        raise _RefusedError(f"{argument.name} must be a finite number{_range(argument)}, not {_shown(value)}.")
    return number


def _range(argument: Argument) -> str:
    if argument.low is None and argument.high is None:
        return ""
    if argument.high is None:
        return f" at or above {argument.low:g}"
    high = str(MAX_INT) if argument.high == MAX_INT else f"{argument.high:g}"
    unit = f" {argument.unit}" if argument.unit else ""
    if argument.unit.startswith("MIDI") or "," in argument.unit:
        # It says what the number stands for, not what is counted.
        unit = f" ({argument.unit})"
    return f" between {argument.low:g} and {high}{unit}"


def _shown(value: object) -> str:
    """``value`` for a sentence, cut short."""
    if isinstance(value, (bytes, tuple)):
        return "a blob, MIDI packet or time"
    # What came as an OSC float has about seven digits: the others were never meant.
    text = f"{value:.7g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
