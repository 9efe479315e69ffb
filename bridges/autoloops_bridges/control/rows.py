"""What a line of the table of addresses is made of, and short ways to write one."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What an address does."""

    VALUE = "value"
    VERB = "verb"
    STREAM = "stream"


class Direction(Enum):
    """Who sends it: a client (in), AutoLoops (out), or both (asked or set, and answered or echoed)."""

    IN = "in"
    OUT = "out"
    BOTH = "in, out"


class Type(Enum):
    """What an argument holds, by its OSC type tag; ``ANY`` takes whatever comes."""

    INT = "i"
    FLOAT = "f"
    BOOL = "i 0|1"
    STRING = "s"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an address.

    Attributes:
        name: What to call it.
        type: What it holds.
        low: Least value allowed; none: no bound.
        high: Greatest value allowed; none: no bound.
        unit: Unit of the value.
        default: Value at rest, or the value taken when an optional argument is left out.
        choices: The words allowed.
        optional: It may be left out.
        many: It may be repeated, here at the end of the list.
        names_part: It is what a part is to be called.
    """

    name: str
    type: Type
    low: float | None = None
    high: float | None = None
    unit: str = ""
    default: float | str | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    many: bool = False
    names_part: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        template: The address with its placeholders.
        kind: What it does.
        direction: Who sends it.
        arguments: In order; the optional ones last.
        help: What it means to a performer.
        repeated: The arguments from this position on come as a group, any number of times.
    """

    template: str
    kind: Kind
    direction: Direction
    arguments: tuple[Argument, ...]
    help: str
    repeated: int | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        """The template after ``/al``, cut at the slashes."""
        return tuple(self.template.split("/")[2:])


_WHENS: Final = ("now", "beat", "bar", "2bars", "4bars", "loop")
# Of the whole rig; of a part, whose own `quantise` holds where it is left out; and that.
WHEN: Final = Argument("when", Type.STRING, default="bar", choices=_WHENS, optional=True)
PART_WHEN: Final = Argument("when", Type.STRING, choices=_WHENS, optional=True)
QUANTISE: Final = Argument("when", Type.STRING, default="bar", choices=_WHENS)


def value(template: str, argument: Argument, text: str) -> Row:
    """A value with one argument."""
    return Row(template, Kind.VALUE, Direction.BOTH, (argument,), text)


def verb(template: str, text: str, *arguments: Argument) -> Row:
    """A verb."""
    return Row(template, Kind.VERB, Direction.IN, arguments, text)


def stream(template: str, text: str, *arguments: Argument, repeated: int | None = None) -> Row:
    """Something that AutoLoops sends by itself."""
    return Row(template, Kind.STREAM, Direction.OUT, arguments, text, repeated)
