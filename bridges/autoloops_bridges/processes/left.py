"""What a main process leaves to whoever goes on with its session."""

import msgspec
from msgspec import Struct

from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.record.lines import Control
from autoloops_engine.messages import Listener
from autoloops_engine.session.state import SessionState


class Left(Struct, frozen=True):
    """What a main process leaves.

    Attributes:
        session: Everything that was set.
        listeners: Who listens over OSC.
        models: By part, where its bundle lies, and after ``#`` which of its outputs plays.
        rig: The text of the rig file, with what was learnt.
        record: The record of the session; empty: there is none.
        performance: A word that no other performance has.
        digests: By part, what identifies its bundle's files.
    """

    session: SessionState
    listeners: tuple[Listener, ...]
    models: dict[str, str]
    rig: str
    record: str = ""
    performance: str = ""
    digests: dict[str, str] = {}


def read_left(shared: Shared) -> Left | None:
    """What a former main process left; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode(shared.session.read(), type=Left)
    except msgspec.DecodeError:
        return None


def read_noted(shared: Shared) -> list[Control]:
    """The values that were set since the session was written that ``read_left`` answers, in order."""
    noted: list[Control] = []
    for note in shared.journal.read(shared.session.number):
        try:
            noted += msgspec.json.decode(note, type=list[Control])
        except msgspec.DecodeError:
            continue
    return noted
