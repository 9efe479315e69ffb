"""How a main process goes on with the session that was played last."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from autoloops_bridges.processes.last_session import LastSession, read_last
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.parts import LoadedPart
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.lines import Resumed as Line
from autoloops_engine.session.core import Session
from autoloops_engine.session.state import SessionState


class Resumed(NamedTuple):
    """A session that is gone on with.

    Attributes:
        plays: Whether it was playing.
        line: For the record.
        remarks: A sentence for each part that begins anew.
    """

    plays: bool
    line: Line
    remarks: tuple[str, ...]


def resume(session: Session, options: PlayOptions, parts: Sequence[LoadedPart], now_us: int) -> Resumed | None:
    """Set everything to what it was in the last session; None: a new one is asked for."""
    last = read_last(Path(options.resume)) if options.resume else None
    if last is None:
        return None
    state, remarks = _fitting(last, parts, {pair.name for pair in options.ports})
    session.resume(state)
    for control in last.noted:
        do_again(session, control, now_us)
    transport = last.left.session.transport
    return Resumed(transport is not None and transport.playing, Line(now_us, Raw(msgspec.json.encode(state))), remarks)


def _fitting(
    last: LastSession, parts: Sequence[LoadedPart], ports: Collection[str]
) -> tuple[SessionState, tuple[str, ...]]:
    """What of the last session fits the bundles and the ports that there are, and a sentence for each part that not."""
    state = last.left.session
    remarks = []
    kept = {}
    for part in parts:
        name, model = part.setup.name, part.setup.model
        if name not in state.parts:
            continue
        if last.left.digests.get(name) != part.digest:
            remarks.append(f"{name} begins anew: its bundle {model} is not the one that was played.")
            continue
        was = state.parts[name]
        kept[name] = was if was.port in ports else replace(was, port="")
    return replace(state, parts=kept), tuple(remarks)
