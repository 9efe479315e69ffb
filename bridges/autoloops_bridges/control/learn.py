"""MIDI learn: touch a parameter, move a control, done. Pure.

::

    idle ──learn──▶ target ──a parameter is touched──▶ control ──a control is moved──▶ learned
            └─────────learn ADDRESS────────────────────▲            └──▶ conflict ──replace, both──▶ learned
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from autoloops_bridges.control.conflicts import Held, held
from autoloops_bridges.control.dispatch import Refusal, Router
from autoloops_bridges.control.gesture import Control, Gesture
from autoloops_bridges.control.map_table import moved_argument
from autoloops_bridges.control.map_writing import table_of
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.relative import Encoding
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.control.rig_edit import Table, with_added, with_replaced, without
from autoloops_bridges.control.rows import Argument, Kind, Row, Type
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.midi.parse import NUMBERLESS, ControlEvent
from autoloops_engine.errors import UsageError
from autoloops_engine.session.surface import Value
from autoloops_engine.units import US_PER_S

PATIENCE_US: Final = 60 * US_PER_S
MAX_UNDO: Final = 64
# The ends of a control whose target has none of its own: what latent coordinates rarely leave, and all of MIDI.
_WIDE: Final = {Type.FLOAT: (-2.0, 2.0), Type.INT: (0.0, 127.0)}
_WIDEST: Final = 1000.0


class State(Enum):
    """How far learning is; the values are the words of ``/al/learn/status``."""

    TARGET = "target"
    CONTROL = "control"
    CONFLICT = "conflict"
    LEARNED = "learned"
    UNDONE = "undone"
    FORGOTTEN = "forgotten"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Status(NamedTuple):
    """What to tell whoever learns.

    Attributes:
        state: How far it is.
        address: What is to be controlled; empty: not known yet.
        control: By what; empty: not known yet.
        text: One sentence for the performer.
    """

    state: State
    address: str
    control: str
    text: str


class Map(Protocol):
    """The mapping that is changed."""

    @property
    def text(self) -> str:
        """The rig file as it is now."""

    @property
    def rig(self) -> Rig:
        """What it says."""

    def refresh(self) -> None:
        """See whether somebody else changed the file."""

    def change(self, text: str) -> str:
        """Use another text from now on, and keep it; a sentence if there is nowhere to keep it, else empty."""


class _Lesson(NamedTuple):
    """What is being learnt: the target, and once it is known, the control and what is in its way."""

    address: str
    arguments: tuple[Value, ...]
    row: Row
    control: Control | None = None
    in_way: Held = Held()


class Learner:
    """Learns one mapping at a time.

    Thread: the owner's only. Blocks: as long as ``Map.change`` does.

    Args:
        rig: Where mappings are kept.
        tell: Called with each step.
        defaults: Answers the default mapping in use.
        lacking: Answers why there is nothing at an address of the vocabulary; empty: there is something.
        deaf: Whether no MIDI input is open.
    """

    def __init__(
        self,
        rig: Map,
        tell: Callable[[Status], None],
        defaults: Callable[[], Sequence[MapEntry]] = tuple,
        *,
        lacking: Callable[[str], str] = lambda address: "",
        deaf: Callable[[], bool] = lambda: False,
    ) -> None:
        self._map = rig
        self._tell = tell
        self._defaults = defaults
        self._lacking = lacking
        self._deaf = deaf
        self._router = Router()
        self._waiting_for_target = False
        self._lesson: _Lesson | None = None
        self._gesture = Gesture()
        self._until_us: int | None = None
        self._history: list[tuple[str, str]] = []

    @property
    def listens(self) -> bool:
        """Whether controls are learnt from now, so that they must not act."""
        return self._lesson is not None and self._lesson.control is None

    def begin(self, address: str, arguments: Sequence[Value], now_us: int) -> None:
        """Learn a control for ``address``; empty: for the parameter that is touched next.

        Raises:
            UsageError: no control can have this address.
        """
        self._stop()
        if address:
            self._aim(address, tuple(arguments))
        else:
            self._waiting_for_target = True
            self._say(State.TARGET, self._heard("Touch the parameter that a control is to have."))
        self._until_us = now_us + PATIENCE_US

    def touched(self, address: str, now_us: int) -> None:
        """A parameter was set by something else than a MIDI controller."""
        if self._waiting_for_target:
            try:
                self._aim(address, ())
            except UsageError:
                # No control can have it; the next one may do.
                return
            self._waiting_for_target = False
            self._until_us = now_us + PATIENCE_US

    def hear(self, event: ControlEvent) -> None:
        """A control moved while ``listens``."""
        self._gesture.add(event)

    def advance(self, now_us: int) -> None:
        """Conclude what is over by now."""
        due_us = self._gesture.due_us() if self.listens else None
        if due_us is not None and due_us <= now_us:
            self._found(self._gesture.control(), now_us)
        elif self._until_us is not None and self._until_us <= now_us:
            self._give_up("Nothing came for a minute.")

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to do."""
        dues_us = (self._gesture.due_us() if self.listens else None, self._until_us)
        return min((due_us for due_us in dues_us if due_us is not None), default=None)

    def decide(self, *, replace: bool) -> None:
        """Settle a conflict: the new mapping instead of what is there, or beside it.

        Raises:
            UsageError: there is no conflict.
        """
        lesson = self._lesson
        if lesson is None or lesson.control is None:
            raise UsageError("There is no conflict to settle; /al/learn begins.")
        if replace:
            self._write(lesson, lesson.in_way.own)
        else:
            self._write(lesson, copied=lesson.in_way.behind)

    def cancel(self) -> None:
        """Learn nothing.

        Raises:
            UsageError: nothing is being learnt.
        """
        if self._until_us is None:
            raise UsageError("Nothing is being learnt.")
        self._give_up("Nothing was changed.")

    def undo(self) -> None:
        """Take the last change back.

        Raises:
            UsageError: there is none, or the file was changed by something else since.
        """
        self._stop()
        self._map.refresh()
        if not self._history:
            raise UsageError("No mapping was learnt since the start, so there is nothing to undo.")
        before, after = self._history[-1]
        if self._map.text != after:
            raise UsageError("The rig file was changed since by something else; mend it there.")
        self._history.pop()
        remark = self._map.change(before)
        self._say(State.UNDONE, _joined("The last change of the mapping is undone.", remark))

    def forget(self, address: str) -> None:
        """Take every mapping to ``address`` out of the rig file.

        Raises:
            UsageError: it has none there.
        """
        self._stop()
        self._map.refresh()
        lines = [entry.line for entry in self._map.rig.entries if entry.target == address]
        if not lines:
            raise UsageError(f"The rig file maps nothing to {address}.")
        remark = self._change(without(self._map.text, lines))
        text = _joined(f"{address} has no control in the rig file any more.", remark)
        self._tell(Status(State.FORGOTTEN, address, "", text))

    def _aim(self, address: str, arguments: tuple[Value, ...]) -> None:
        row = self._checked(address, arguments)
        self._lesson = _Lesson(address, arguments, row)
        self._gesture = Gesture()
        self._say(State.CONTROL, self._heard("Move the control, an endless encoder both ways, or press the pad."))

    def _heard(self, text: str) -> str:
        """What to do, and what has to be done before if no control can be heard."""
        if not self._deaf():
            return text
        return (
            "No MIDI input is open, so that no control is heard: start play with --midi-in, or give a port of the rig "
            f"file an `in`, and plug the controller in. {text}"
        )

    def _checked(self, address: str, arguments: tuple[Value, ...]) -> Row:
        route = self._router.route(address)
        if isinstance(route, Refusal):
            raise UsageError(f"{address}: {route.reason}")
        if why := self._lacking(address):
            raise UsageError(f"{address}: {why}")
        row = route.row
        if row.kind is Kind.VERB or arguments:
            checked = self._router.dispatch(address, arguments)
            if isinstance(checked, Refusal):
                raise UsageError(f"{address}: {checked.reason}")
        elif _ends(row) is None:
            raise UsageError(f"{address} cannot be moved by one control; say what a press sets it to.")
        return row

    def _found(self, control: Control, now_us: int) -> None:
        """It is clear which control was moved."""
        assert self._lesson is not None
        self._map.refresh()
        same, others = held(control.example, self._map.rig, self._defaults()).split(self._lesson.address)
        self._lesson = self._lesson._replace(control=control, in_way=others)
        if same.words or not others.words:
            # It was learnt before, perhaps beside others: those stay.
            self._write(self._lesson, same.own, others.behind)
            return
        self._until_us = now_us + PATIENCE_US
        self._say(
            State.CONFLICT,
            f"It has {others.words} already: /al/learn/replace puts the new one in its place, /al/learn/both keeps "
            "both.",
        )

    def _write(self, lesson: _Lesson, replaced: Sequence[MapEntry] = (), copied: Sequence[MapEntry] = ()) -> None:
        """Keep what was learnt in place of some entries of the file, and with it what it would silence elsewhere."""
        assert lesson.control is not None
        rig, text = self._map.rig, self._map.text
        table = _table(lesson.address, lesson.arguments, lesson.row, lesson.control, rig)
        for entry in copied:
            text = with_added(text, table_of(entry, rig.takeover, self._router))
        lines = [entry.line for entry in replaced]
        remark = self._change(with_replaced(text, lines, table) if lines else with_added(text, table))
        unsure = "" if lesson.control.encoding.sure else "It was turned one way only: if it jumps, learn it again."
        shared = " and ".join(entry.target for entry in lesson.in_way.shared)
        lost = f"Until now it had {shared} by default, as the other notes still have." if shared else ""
        self._say(State.LEARNED, _joined("Learnt.", lost, unsure, remark))
        self._stop()

    def _change(self, text: str) -> str:
        """Use and keep another text; what to say about that."""
        self._history = [*self._history[1 - MAX_UNDO :], (self._map.text, text)]
        return self._map.change(text)

    def _give_up(self, why: str) -> None:
        self._say(State.CANCELLED, why)
        self._stop()

    def _stop(self) -> None:
        self._lesson, self._until_us, self._waiting_for_target = None, None, False
        self._gesture = Gesture()

    def _say(self, state: State, text: str) -> None:
        address = self._lesson.address if self._lesson is not None else ""
        control = str(self._lesson.control) if self._lesson is not None and self._lesson.control is not None else ""
        self._tell(Status(state, address, control, text))


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _ends(row: Row) -> tuple[float, float] | None:
    """The values at the ends of a control for ``row``; none: one control cannot move it."""
    argument = moved_argument(row, ())
    if row.kind is not Kind.VALUE or argument is None or argument.many or argument.type in {Type.STRING, Type.ANY}:
        return None
    if _has_natural_ends(argument):
        assert argument.low is not None
        assert argument.high is not None
        return argument.low, argument.high
    low, high = _WIDE.get(argument.type, (0.0, 1.0))
    return max(low, argument.low if argument.low is not None else low), min(
        high, argument.high if argument.high is not None else high
    )


def _has_natural_ends(argument: Argument) -> bool:
    if argument.low is None or argument.high is None:
        return False
    return argument.default is not None or (argument.type is Type.INT and argument.high - argument.low <= _WIDEST)


def _table(address: str, arguments: Sequence[Value], row: Row, control: Control, rig: Rig) -> Table:
    """The table of a rig file that leads from a control to an address."""
    event = control.example
    table: Table = {"source": event.source.value, "channel": event.channel}
    if event.source not in NUMBERLESS:
        table["number"] = event.number
    port = next((port for port in rig.ports if port.name == event.port), None)
    if port is not None:
        table["port"] = port.name
    table["target"] = address
    if arguments:
        # OSC's floats have seven digits.
        table["arguments"] = [float(f"{each:.7g}") if isinstance(each, float) else each for each in arguments]
    if row.kind is not Kind.VALUE or arguments:
        return table
    argument, ends = row.arguments[0], _ends(row)
    if ends is not None and argument.default is None:
        table["range"] = list(ends)
    if control.encoding.encoding is not Encoding.ABSOLUTE:
        table["encoder"] = control.encoding.encoding.value
    elif argument.type is Type.BOOL and control.is_button:
        table["button"] = "toggle" if control.lets_go else ""
    elif not control.is_button and not event.steps:
        table["takeover"] = "pickup"
    if port is not None and port.output != NONE:
        table["feedback"] = True
    return table
