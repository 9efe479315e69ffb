"""What a main process leaves in shared memory, and how its successor takes it up."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from autoloops_bridges.processes.birth import Born
from autoloops_bridges.processes.left import Left, read_left
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.parts import LoadedPart, load_parts
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.record.again import is_repeatable, leaves_something
from autoloops_bridges.record.lines import Control
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import Listener
from autoloops_engine.session.core import Session
from autoloops_engine.units import US_PER_S

_KEEP_US: Final = US_PER_S // 30
# A main process that lives this long is none that its models killed.
_PROVEN_US: Final = 10 * US_PER_S
# A model may end the process without an exception. So many successors try the models of the one that died.
_MAX_TRIES: Final = 2
_notes: Final = msgspec.json.Encoder()


def left_by(
    performance: str,
    session: Session,
    parts: Sequence[LoadedPart],
    listeners: tuple[Listener, ...],
    rig: str,
    record: str,
) -> Left:
    """What a main process with these leaves at this moment."""
    models = {part.setup.name: part.reference for part in parts}
    digests = {part.setup.name: part.digest for part in parts}
    return Left(session.state(), listeners, models, rig, record, performance, digests)


class Keeper:
    """Writes what is left before anybody is answered, so that what was acknowledged outlives its process.

    As a whole when it changed, thirty times a second at most, and at once after what cannot be done again. Values that
    are set in between are only noted: a successor sets them again.
    """

    def __init__(self, shared: Shared, left: Callable[[], Left]) -> None:
        self._shared = shared
        self._left = left
        self._due_us = 0
        self._proven_us: int | None = None
        self._kept = b""
        self._told = False
        self._waiting = False

    @property
    def kept(self) -> bytes:
        """The ``Left`` that was written last, encoded; empty before the first."""
        return self._kept

    def next_deadline_us(self) -> int | None:
        """When what was left for later is to be written; None when nothing was."""
        return self._due_us if self._waiting else None

    def advance(self, now_us: int, controls: Sequence[Control] = (), *, whole: bool = False) -> tuple[str, ...]:
        """Keep what changed; what to tell the performer.

        Args:
            now_us: The present time.
            controls: What was set and done since the last call.
            whole: Something else changed that somebody is about to hear of.
        """
        kept = [control for control in controls if leaves_something(control)]
        noted = not whole and all(map(is_repeatable, kept)) and self._note(kept)
        self._waiting = noted and now_us < self._due_us
        if self._waiting:
            return ()
        self._due_us = now_us + _KEEP_US
        if self._proven_us is None:
            self._proven_us = now_us + _PROVEN_US
        elif now_us >= self._proven_us:
            self._shared.tries = 0
        left = msgspec.json.encode(self._left())
        if left == self._kept and noted:
            return ()
        if self._shared.session.write(left):
            self._kept = left
            self._shared.journal.clear()
            return ()
        if self._told:
            return ()
        self._told = True
        return ("The session is too long to be kept: should the main process die, later changes are lost.",)

    def _note(self, controls: Sequence[Control]) -> bool:
        """Note what was set; False when only the whole session says it."""
        if not controls:
            return True
        return bool(self._kept) and self._shared.journal.note(self._shared.session.number, _notes.encode(controls))


def load_models(born: Born) -> list[LoadedPart]:
    """The models that played before a takeover, else those that the performer asked for.

    The latter also when two main processes in a row died within ten seconds of taking over with other models: a graph
    can abort the process, which no exception tells.

    Raises:
        BundleError: a bundle is missing, damaged, too new or unsafe.
        ModelError: a model cannot be run.
    """
    shared = Shared(Path(born.shared))
    left = read_left(shared) if born.generation > 0 else None
    options = born.options if left is None else _resumed(born.options, left)
    if options == born.options:
        shared.tries = 0
        return load_parts(born.options)
    shared.tries += 1
    if shared.tries > _MAX_TRIES:
        sys.stderr.write("The program died with the models that were loaded last. The models of the start are used.\n")
        return load_parts(born.options)
    try:
        return load_parts(options)
    except Exception as error:
        # A bundle may break a library in any way.
        sys.stderr.write(f"{_sentence(error)} The models of the start are used.\n")
    return load_parts(born.options)


def _resumed(options: PlayOptions, left: Left) -> PlayOptions:
    """The options with the parts that played last; those that came or went have no other place to be known from."""
    came = {name: part.channel for name, part in left.session.parts.items() if name not in options.channels}
    return replace(options, parts=tuple(left.models), models=left.models, channels=options.channels | came)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, AutoLoopsError) else f"A model cannot be used ({error!r})."
