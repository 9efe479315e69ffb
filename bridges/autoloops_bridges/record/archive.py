"""What a main process keeps for later: the record of the session, and the slots."""

from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.parts import LoadedPart
from autoloops_bridges.record.lines import VERSION, Control, Done, Line, Opened, RecordedPart, Stocked
from autoloops_bridges.record.slots_file import SequenceFile, SlotsFile, StoredFile
from autoloops_bridges.record.writer import RecordWriter, make_room, new_record, sessions_folder
from autoloops_engine.messages import FromPlayer, Frozen, PartGone, Sounded, TransportState
from autoloops_engine.session.core import Session
from autoloops_engine.session.slots import Slots

_CLOSE_S: Final = 1.0
_Kept = TypeVar("_Kept")


class Archive:
    """Thread: the owner's only. Blocks: as the system's cache does.

    Attributes:
        controls: What was set and done between the last two calls of ``advance``.

    Args:
        options: Of the performance.
        session: Whose controls and slots are kept.
        record: The record to go on with; None: a new one.
        wall_us: The wall clock's time, for the name of a new record.
    """

    def __init__(self, options: PlayOptions, session: Session, record: Path | None, wall_us: int) -> None:
        self.controls: list[Control] = []
        self._session = session
        self._slots = SlotsFile(Path(options.slots)) if options.slots else None
        self._sequence = SequenceFile(Path(options.slots)) if options.slots else None
        self._remarks: list[str] = []
        self._lines: list[Line] = []
        self._controls: list[Control] = []
        self._writer: RecordWriter | None = None
        if options.record:
            folder = sessions_folder()
            if record is None:
                make_room(folder)
            self._writer = RecordWriter(record or new_record(folder, wall_us))
        self._stored: Slots = {}
        if self._slots is not None:
            self._stored, remark = self._slots.read()
            session.restore_slots(self._stored)
            self._remarks += [remark] if remark else []
        if self._sequence is not None:
            sequence, remark = self._sequence.read()
            session.restore_sequence(sequence)
            self._remarks += [remark] if remark else []

    @property
    def path(self) -> Path | None:
        """The record; None: there is none."""
        return None if self._writer is None else self._writer.path

    def opened(self, options: PlayOptions, parts: list[LoadedPart], generation: int, now_us: int, wall_us: int) -> None:
        """The session begins, or goes on with another main process."""
        cast = tuple(map(recorded, parts))
        seed, tempo_bpm = options.seed or 0, options.tempo_bpm
        self._lines.append(Opened(VERSION, version("autoloops"), wall_us, now_us, seed, tempo_bpm, cast, generation))
        if generation == 0 and self._stored:
            self._lines.append(Stocked(Raw(msgspec.json.encode(self._stored))))

    def add(self, done: Done) -> None:
        """Something happened to the session that is no control."""
        self._take_controls()
        self._lines.append(done)

    def heard(self, report: FromPlayer) -> None:
        """The player reported something."""
        if isinstance(report, (Frozen, Sounded, TransportState, PartGone)):
            self._take_controls()
            self._lines.append(report)

    def advance(self) -> list[str]:
        """Write what came since the last call, before anybody is answered; what to tell the performer."""
        self._take_controls()
        self.controls, self._controls = self._controls, []
        lines, self._lines = self._lines, []
        if self._writer is not None:
            self._writer.write(lines)
            remark = self._writer.take_remark()
            self._remarks += [remark] if remark else []
        self._remarks += _kept(self._slots, self._session.take_slots())
        self._remarks += _kept(self._sequence, self._session.take_sequence())
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        """Let the disk have what waits."""
        self.advance()
        if self._writer is not None:
            self._writer.close(_CLOSE_S)
        for file in (self._slots, self._sequence):
            if file is not None:
                file.close(_CLOSE_S)

    def _take_controls(self) -> None:
        """Put what was set and done behind what the session had heard by then."""
        acted = self._session.take_controls()
        controls = [Control(at_us, address_of(what), values, budget_us) for what, values, at_us, budget_us in acted]
        self._controls += controls
        self._lines += controls


def _kept(file: StoredFile[_Kept] | None, changed: _Kept | None) -> list[str]:
    """Writes what changed; what to tell the performer."""
    if file is None:
        return []
    remark = (file.write(changed) if changed is not None else "") or file.take_failure()
    return [remark] if remark else []


def recorded(part: LoadedPart) -> RecordedPart:
    """A part for the record."""
    return RecordedPart(part.setup.name, part.setup.channel, part.setup.model, part.reference, part.digest)
