"""What controllers of every kind (OSC, MIDI, keys, web) can do to a session.

Every edge speaks this small protocol; the names are those of the OSC vocabulary: of the performance as a whole
``tempo``, ``start``, ``continue``, ``stop``, ``panic``; of a part ``z``, ``knob``, ``attr``, ``temperature``, ``seed``,
``hold``, ``mute``, ``transpose``, ``velocity``, ``accent``, ``length``, ``model``, ``link``, ``fire``, ``restart``.
"""

from typing import Final, NamedTuple, Protocol

# What `port` says of a part that plays to none of the rig file's ports.
MIDI_OUT: Final = "midi_out"

Value = int | float | str | bool
Values = tuple[Value, ...]
Key = int | str | None


class Target(NamedTuple):
    """One thing that can be set or asked: its name, its part ("" for the whole) and its key (index or attribute)."""

    name: str
    part: str = ""
    key: Key = None


class Acted(NamedTuple):
    """Something that was set or done, with what decides where it takes effect.

    Attributes:
        target: What.
        values: The arguments.
        at_us: When.
        budget_us: The decode budget of that moment: what is launched takes effect where it can still be reached.
    """

    target: Target
    values: Values
    at_us: int
    budget_us: int


class Surface(Protocol):
    """The session as its controllers see it. Thread: the owner's only."""

    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order."""

    def attributes(self, part: str) -> tuple[str, ...]:
        """The attribute faders of a part."""

    def targets(self) -> tuple[Target, ...]:
        """Everything that has a value, for ``/al/sync``."""

    def get(self, target: Target) -> Values:
        """The present value.

        Raises:
            UsageError: there is no such part, index or attribute.
        """

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """Set a value.

        Raises:
            UsageError: there is no such part, index or attribute, or a value is out of range.
        """

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """Do what a verb says.

        Raises:
            UsageError: there is no such part, or an argument makes no sense.
        """

    def touched(self) -> tuple[Target, ...]:
        """What changed since the last call, for echoes."""
