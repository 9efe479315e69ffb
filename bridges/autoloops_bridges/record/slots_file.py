"""Slots from one performance to the next: one file, replaced as a whole whenever something is stored."""

import contextlib
import os
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from autoloops_engine.session.slots import Slots


def default_slots_path() -> Path:
    """Where this user's slots lie."""
    return user_state_path("autoloops") / "slots.json"


def read_slots(path: Path) -> tuple[Slots, str]:
    """What was stored, and a sentence if it cannot be read; a file that is not there holds nothing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Slots), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        aside = path.with_suffix(".unreadable.json")
        try:
            # What cannot be read is not overwritten.
            path.replace(aside)
        except OSError:
            aside = path
        return {}, f"The slots in {path} cannot be read ({error}): they are left in {aside}, and all slots are empty."


def write_slots(path: Path, slots: Slots) -> str:
    """Replace the file; a sentence if that fails."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(slots))
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        return f"The slots cannot be written to {path} ({error.strerror or error}): they last until the end only."
    return ""
