"""Reads a rig file: TOML, described in ``docs/mapping.md``. A mistake is reported with its line. Pure."""

from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router
from autoloops_bridges.control.map_table import Channel, Known, entry_of, target_of
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.rig import Rig, RigPart, RigPort, RigValue
from autoloops_bridges.control.takeover import Takeover
from autoloops_bridges.control.toml_tables import BadTableError, TomlTable, tables
from autoloops_bridges.control.vocabulary import MAX_INT, is_part_name
from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.midi.latency import MAX_LATENCY_MS, MIN_LATENCY_MS
from autoloops_bridges.midi.names import NONE
from autoloops_engine.codecs.drums import PLAYED_PITCHES, VOICES
from autoloops_engine.session.surface import MIDI_OUT, Target
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

_T = TypeVar("_T")

PORT, PART, VALUES, MAP = "ports", "parts", "set", "map"
Presets = Callable[[str], str | None]
DRUMS: Final = {voice.replace(" ", "-"): pitch for voice, pitch in zip(VOICES, PLAYED_PITCHES, strict=True)}
_KINDS: Final = "[ports.NAME], [parts.NAME], [set] and [[map]]"


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    defaults: bool = True
    takeover: Literal["jump", "pickup", "scale"] = "jump"
    tempo: Annotated[float, msgspec.Meta(ge=MIN_TEMPO_BPM, le=MAX_TEMPO_BPM)] | None = None
    sync: Literal["", "internal", "midi", "link", "jack"] = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)] | None = None
    midi_out: str | None = None
    midi_in: str | None = None
    midi_api: MidiApi | None = None
    clock_out: tuple[str, ...] | None = None
    latency: dict[str, Annotated[float, msgspec.Meta(ge=MIN_LATENCY_MS, le=MAX_LATENCY_MS)]] = {}


class _PortTable(msgspec.Struct, forbid_unknown_fields=True):
    input: str = msgspec.field(default=NONE, name="in")
    output: str = msgspec.field(default=NONE, name="out")
    preset: str = ""


class _PartTable(msgspec.Struct, forbid_unknown_fields=True):
    model: str = ""
    channel: Channel | None = None
    output: str = ""
    waits: bool = False
    drum_map: dict[str, Annotated[int, msgspec.Meta(ge=0, le=127)]] = {}


def _no_presets(name: str) -> str | None:
    return None


class _Reader:
    """Goes through the tables; what is wrong with one is noted, and the next one comes.

    Args:
        text: The file.
        parts: See ``read_rig``.
        presets: See ``read_rig``.
    """

    def __init__(self, text: str, parts: Collection[str] | None, presets: Presets) -> None:
        self._tables = list(tables(text))
        self._parts = parts
        self._presets = presets
        self._router = Router()
        self._problems: list[tuple[int, str]] = []

    def read(self) -> Rig:
        """Everything; what is wrong is among the problems."""
        head = next(self._each("", self._head), _Head())
        takeover = Takeover(head.takeover)
        ports = self._distinct(self._each(PORT, self._port))
        outputs = [port.name for port in ports if port.output != NONE]
        found = dict(self._each(PART, lambda table: self._part(table, outputs)))
        parts = self._parts if self._parts is not None or not found else tuple(found)
        if parts is not None:
            # What it says of a part that does not play this time is no mistake.
            parts = tuple(dict.fromkeys([*parts, *found]))
        known = Known(parts, [port.name for port in ports], outputs, takeover)
        values = [value for each in self._each(VALUES, lambda table: self._values(table, parts)) for value in each]
        entries = list(self._each(MAP, lambda table: self._entry(table, known)))
        presets = list(self._preset_entries(ports, known))
        for table in self._tables:
            if table.kind not in {"", PORT, PART, VALUES, MAP}:
                self._problems.append((table.first_line, f"there is no table {table.kind!r}; there are {_KINDS}"))
        problems = tuple(f"Line {line}: {reason}." for line, reason in sorted(self._problems))
        return Rig(
            ports=tuple(ports),
            parts=found,
            tempo_bpm=head.tempo,
            sync=head.sync,
            seed=head.seed,
            midi_out=head.midi_out,
            midi_in=head.midi_in,
            midi_api=head.midi_api,
            clock_out=head.clock_out,
            latencies_ms=dict(head.latency),
            values=tuple(value for value in values if self._plays(value.command.target)),
            entries=tuple(entry for entry in entries if self._leads_somewhere(entry)),
            presets=tuple(entry for entry in presets if self._leads_somewhere(entry)),
            defaults=head.defaults,
            takeover=takeover,
            problems=problems,
        )

    def _plays(self, target: Target) -> bool:
        return not target.part or self._parts is None or target.part in self._parts

    def _leads_somewhere(self, entry: MapEntry) -> bool:
        route = self._router.route(entry.target)
        return not isinstance(route, Refusal) and self._plays(route.target)

    def _each(self, kind: str, read: Callable[[TomlTable], _T]) -> Iterator[_T]:
        for table in self._tables:
            if table.kind == kind:
                try:
                    yield read(table)
                except BadTableError as bad:
                    self._problems.append((bad.line, str(bad).rstrip(".")))

    def _head(self, table: TomlTable) -> _Head:
        raw = table.parse()
        while True:
            try:
                return table.convert(raw, _Head)
            except BadTableError as bad:
                if raw.pop(bad.key, None) is None:
                    raise
                # The other lines count.
                self._problems.append((bad.line, str(bad).rstrip(".")))

    def _named(self, table: TomlTable) -> tuple[str, object]:
        """The name in the header of a table, and what the table holds."""
        inner = table.parse()[table.kind]
        if not isinstance(inner, dict) or len(inner) != 1:
            raise table.bad(f"it needs one name, as in [{table.kind}.NAME]")
        ((name, raw),) = inner.items()
        return str(name), raw

    def _port(self, table: TomlTable) -> tuple[TomlTable, RigPort]:
        name, raw = self._named(table)
        written = table.convert(raw, _PortTable)
        if name == MIDI_OUT:
            raise table.bad(f"{MIDI_OUT!r} is the port of --midi-out; take another name")
        if written.preset and self._presets(written.preset) is None:
            raise table.bad(f"there is no preset {written.preset!r}; `autoloops presets` lists them", "preset")
        return table, RigPort(name, written.input or NONE, written.output or NONE, written.preset)

    def _distinct(self, found: Iterator[tuple[TomlTable, RigPort]]) -> list[RigPort]:
        ports: list[RigPort] = []
        for table, port in found:
            if other := next((p.name for p in ports if p.name.casefold() == port.name.casefold()), None):
                reason = f"there is a port {other!r} already, and capitals do not count; take another name"
                self._problems.append((table.first_line, reason))
            else:
                ports.append(port)
        return ports

    def _part(self, table: TomlTable, outputs: Collection[str]) -> tuple[str, RigPart]:
        name, raw = self._named(table)
        if not is_part_name(name):
            raise table.bad(f"{name!r} cannot be the name of a part")
        written = table.convert(raw, _PartTable)
        output = written.output if written.output in outputs else ""
        if written.output and not output:
            # It plays all the same, to the usual port: perhaps only the table of that one is broken.
            reason = f"the output of a part is a port with an `out`, and {written.output!r} is none"
            self._problems.append((table.line_of("output"), reason))
        unknown = [drum for drum in written.drum_map if drum not in DRUMS]
        if unknown:
            raise table.bad(f"there is no drum {unknown[0]!r}; there are {', '.join(DRUMS)}", "drum_map")
        drum_map = tuple((DRUMS[drum], note) for drum, note in written.drum_map.items())
        return name, RigPart(written.model, written.channel, output, written.waits, drum_map, table.line_of("model"))

    def _values(self, table: TomlTable, parts: Collection[str] | None) -> list[RigValue]:
        found = []
        values = table.parse()[VALUES]
        if not isinstance(values, dict):
            raise table.bad(f"its header is [{VALUES}]")
        for address, raw in values.items():
            try:
                found.append(RigValue(self._value(table, address, raw, parts), table.line_of(address)))
            except BadTableError as bad:
                self._problems.append((bad.line, str(bad).rstrip(".")))
        return found

    def _value(self, table: TomlTable, address: str, raw: object, parts: Collection[str] | None) -> Command:
        target_of(table, address, address, parts, self._router)
        command = self._router.dispatch(address, raw if isinstance(raw, list) else [raw])
        if isinstance(command, Refusal):
            raise table.bad(f"{address}: {command.reason.rstrip('.')}", address)
        if command.action is not Action.SET:
            raise table.bad(f"{address} is no value that could be set at the start", address)
        return command

    def _entry(self, table: TomlTable, known: Known) -> MapEntry:
        raw = _mapping(table)
        try:
            return entry_of(table, raw, known, self._router)
        except BadTableError as bad:
            if bad.key != "feedback":
                raise
            # The control works all the same: perhaps only the table of the port with its light is broken.
            self._problems.append((bad.line, str(bad).rstrip(".")))
            return entry_of(table, {**raw, "feedback": False}, known, self._router)

    def _preset_entries(self, ports: list[RigPort], known: Known) -> Iterator[MapEntry]:
        for port in ports:
            for table in tables((self._presets(port.preset) if port.preset else "") or ""):
                if table.kind == MAP:
                    raw = {**_mapping(table), "port": port.name}
                    if port.output == NONE:
                        raw.pop("feedback", None)
                    try:
                        yield entry_of(table, raw, known, self._router)
                    except BadTableError:
                        # It is for a part that does not play here.
                        continue


def _mapping(table: TomlTable) -> dict[str, object]:
    """What one ``[[map]]`` holds.

    Raises:
        BadTableError: it is written otherwise.
    """
    match table.parse()[MAP]:
        case [dict(raw)]:
            return raw
    raise table.bad(f"its header is [[{MAP}]]")


def read_rig(text: str, parts: Collection[str] | None, presets: Presets = _no_presets) -> Rig:
    """What a rig file says; a mistake is reported with its line, and the rest still works.

    Args:
        text: The file.
        parts: The names of the parts that play; none: those that the file names, else any.
        presets: Answers the text of a preset by its name; none: there is no such preset.
    """
    return _Reader(text, parts, presets).read()
