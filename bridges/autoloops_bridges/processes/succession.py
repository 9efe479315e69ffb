"""What a main process leaves in shared memory, and how its successor takes it up."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from autoloops_bridges.processes.birth import Born
from autoloops_bridges.processes.parts import LoadedPart, load_parts
from autoloops_bridges.processes.shared import Shared
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import Listener
from autoloops_engine.session.state import SessionState
from autoloops_engine.units import US_PER_S

_KEEP_US: Final = US_PER_S // 30


class Left(Struct, frozen=True):
    """What a main process leaves.

    Attributes:
        session: Everything that was set.
        listeners: Who listens over OSC.
        models: By part, where its bundle lies.
    """

    session: SessionState
    listeners: tuple[Listener, ...]
    models: dict[str, str]


class Keeper:
    """Writes what is left when it changed, thirty times a second at most."""

    def __init__(self, shared: Shared, left: Callable[[], Left]) -> None:
        self._shared = shared
        self._left = left
        self._due_us = 0
        self._kept = b""
        self._told = False
        self._waiting = False

    def next_deadline_us(self) -> int | None:
        """When what was left for later is to be written; None when nothing was."""
        return self._due_us if self._waiting else None

    def advance(self, now_us: int) -> tuple[str, ...]:
        """Write if it is time; what to tell the performer."""
        self._waiting = now_us < self._due_us
        if self._waiting:
            return ()
        self._due_us = now_us + _KEEP_US
        left = msgspec.json.encode(self._left())
        if left == self._kept:
            return ()
        self._kept = left
        if self._shared.session.write(left) or self._told:
            return ()
        self._told = True
        return ("The session is too long to be kept: should the main process die, later changes are lost.",)


def read_left(shared: Shared) -> Left | None:
    """What a former main process left; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode(shared.session.read(), type=Left)
    except msgspec.DecodeError:
        return None


def load_models(born: Born) -> list[LoadedPart]:
    """The models that played before a takeover, else those that the performer asked for.

    Raises:
        BundleError: a bundle is missing, damaged, too new or unsafe.
        ModelError: a model cannot be run.
    """
    left = read_left(Shared(Path(born.shared))) if born.generation > 0 else None
    if left is not None:
        try:
            return load_parts(replace(born.options, models=born.options.models | left.models))
        except AutoLoopsError as error:
            sys.stderr.write(f"{error} The model of the start is used.\n")
    return load_parts(born.options)
