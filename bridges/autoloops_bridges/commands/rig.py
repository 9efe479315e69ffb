"""What a rig file adds to the options of ``autoloops play``. What the command line says goes before it."""

from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from autoloops_bridges.commands.bundles import default_parts
from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.midi.latency import kept_latencies
from autoloops_bridges.processes.options import PlayOptions, PortPair
from autoloops_bridges.processes.sources import check_source
from autoloops_engine.bundle.installed import installed_bundles, usual_bundle
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.reference import look_up
from autoloops_engine.errors import BundleError, PortError

# Options that a rig file may give as well, beside ``sync``.
FROM_FILE: Final = ("tempo", "seed", "midi_out", "midi_in", "midi_api", "clock_out")


class RigOptions(NamedTuple):
    """A rig file for the command line.

    Attributes:
        path: Where the file lies.
        text: The file.
        rig: What it says.
        parts: The parts to play.
        models: By part, the bundle that it names.
        channels: By part, the MIDI channel that it names.
        remarks: A sentence for each thing in it that cannot be had.
    """

    path: Path
    text: str
    rig: Rig
    parts: tuple[str, ...]
    models: dict[str, str]
    channels: dict[str, int]
    remarks: tuple[str, ...]

    def complete(self, options: PlayOptions, said: Collection[str]) -> PlayOptions:
        """The options with all that the rig file adds.

        Args:
            options: What the command line says, with the parts, models and channels of the rig file.
            said: The options that the command line names; they go before the file.
        """
        rig = self.rig
        remarks = list(self.remarks)
        sync = options.sync if "sync" in said or not rig.sync else rig.sync
        try:
            check_source(sync)
        except PortError as error:
            remarks.append(f"The tempo is AutoLoops' own: {error}")
            sync = "internal"
        asked = {
            "tempo_bpm": None if "tempo" in said else rig.tempo_bpm,
            **{name: None if name in said else getattr(rig, name) for name in FROM_FILE if name != "tempo"},
        }
        kept_ms = kept_latencies().ports
        typed_ms = {port: ms for port, ms in options.latencies_ms.items() if kept_ms.get(port) != ms}
        return replace(
            options,
            **{name: value for name, value in asked.items() if value is not None},
            sync=sync,
            latencies_ms=kept_ms | rig.latencies_ms | typed_ms,
            rig_file=str(self.path.absolute()),
            rig=self.text,
            ports=tuple(PortPair(port.name, port.input, port.output) for port in rig.ports),
            outputs={name: part.output for name, part in rig.parts.items() if part.output},
            drum_maps={name: dict(part.drum_map) for name, part in rig.parts.items() if part.drum_map},
            remarks=tuple(remarks),
        )


def read_rig_options(path: Path, parts: tuple[str, ...], asked_models: Collection[str]) -> RigOptions:
    """What the rig file at ``path`` says; where it cannot be read or had, why, and the usual instead.

    Args:
        path: The file.
        parts: The parts that the command line names; empty: it names none.
        asked_models: The parts whose models the command line names.
    """
    remarks: list[str] = []
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remarks.append(f"The rig file {path} cannot be read ({error}); AutoLoops plays without it.")
    rig = read_rig(text, None, preset_text)
    models: dict[str, str] = {}
    playable = []
    for name, part in rig.parts.items():
        if part.model and name not in asked_models:
            try:
                load_bundle(look_up(part.model).path)
            except BundleError as error:
                remarks.append(f"{path.name}: Line {part.line}: {error}")
            else:
                models[name] = part.model
        if part.waits and name not in parts:
            continue
        if name in models or name in asked_models or usual_bundle(name) in installed_bundles():
            playable.append(name)
        elif not parts:
            remarks.append(f"{path.name}: Line {part.line}: the part {name} is left out for want of a model.")
    names = parts or tuple(playable) or default_parts()
    channels = {name: part.channel for name, part in rig.parts.items() if part.channel and name in names}
    models = {name: model for name, model in models.items() if name in names}
    return RigOptions(path, text, rig, names, models, channels, tuple(remarks))
