"""What ``autoloops play --resume`` takes from the session that was played last."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.bundle.installed import find_bundle, installed_bundles, split_reference, usual_bundle
from autoloops_engine.errors import BundleError, UsageError

# The last session says all of this.
_GIVEN: Final = ("parts", "model", "channel", "seed", "tempo")


class LastOptions(Struct, frozen=True):
    """The last session for the command line.

    Attributes:
        path: The file that has it; empty: there is none.
        parts: Who played.
        models: By part, the reference of its bundle.
        channels: By part, its MIDI channel.
        seed: Seed of the parts.
        tempo_bpm: The tempo, 20 to 999.
        remarks: A sentence for each thing that cannot be had again.
    """

    path: str
    parts: tuple[str, ...] = ()
    models: dict[str, str] = {}
    channels: dict[str, int] = {}
    seed: int | None = None
    tempo_bpm: float = 120.0
    remarks: tuple[str, ...] = ()

    def complete(self, options: PlayOptions) -> PlayOptions:
        """The options of a performance that goes on with it."""
        options = replace(options, resume=self.path, remarks=(*options.remarks, *self.remarks))
        return replace(options, tempo_bpm=self.tempo_bpm, seed=self.seed) if self.path else options


def read_last_options(said: Collection[str]) -> LastOptions:
    """What the last session says; of one that is not there, a sentence.

    Args:
        said: The options that the command line names.

    Raises:
        UsageError: the command line names what the last session says.
    """
    from autoloops_bridges.processes.last_session import complete_last, last_session_path

    path = last_session_path()
    last = complete_last(path)
    if last is None:
        return LastOptions("", remarks=("There is no session yet to go on with: a new one begins.",))
    for name in _GIVEN:
        if name in said:
            raise UsageError(f"With --resume the last session says it: leave out --{name}, or --resume.")
    session, remarks = last.left.session, []
    models = {}
    for part, reference in last.left.models.items():
        if part in session.leaving:
            continue
        found, remark = _found(part, reference)
        remarks += [remark] if remark else []
        if found:
            models[part] = found
    channels = {part: session.parts[part].channel for part in models if part in session.parts}
    return LastOptions(
        str(path.absolute()), tuple(models), models, channels, session.seed, session.tempo_bpm, tuple(remarks)
    )


def _found(part: str, reference: str) -> tuple[str, str]:
    """The reference of a bundle that is there, none where there is none; and a sentence if it is another."""
    path, output = split_reference(reference)
    name = Path(path).name
    for known in (path, name):
        try:
            bundle = str(find_bundle(known))
        except BundleError:
            continue
        return (f"{bundle}#{output}" if output else bundle), ""
    usual = usual_bundle(part)
    if usual in installed_bundles():
        return usual, f"{part} begins anew with {usual}: the bundle {path} is gone."
    return "", f"{part} is left out: its bundle {path} is gone."
