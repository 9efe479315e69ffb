"""Whether a rig file says what can be done, as far as that shows before the models are loaded."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from autoloops_bridges.commands.bundles import default_parts
from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import Rig, RigPart
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.control.rig_trial import Snag, led_nowhere, set_values
from autoloops_bridges.doctor.finding import Finding, fail, ok, warn
from autoloops_bridges.doctor.probes import Probes
from autoloops_bridges.processes.newcomers import NewcomerSurface
from autoloops_bridges.processes.options import PortPair, assign_channels
from autoloops_engine.bundle.installed import usual_bundle
from autoloops_engine.bundle.reference import output_named
from autoloops_engine.errors import BundleError
from autoloops_engine.inference.views import output_for
from autoloops_engine.session.casting import set_up
from autoloops_engine.session.core import Session
from autoloops_engine.session.settings import PartSetup

_ANY_TEMPO_BPM: Final = 120.0
# What can be set depends on the slots that are kept from one session to the next.
_BY_SLOTS: Final = frozenset({"corners"})


def check_rig(probes: Probes, path: Path, asked: Collection[str]) -> Finding:
    """A rig file can be read and says what can be done.

    Args:
        probes: How to look.
        path: The file.
        asked: The parts that play; empty: those that it names, else the usual ones.
    """
    name = f"rig {path.name}"
    try:
        text = probes.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return fail(name, f"{path} cannot be read ({why}).", "Check its name, its rights and that it is UTF-8.")
    written = tuple(read_rig(text, None, preset_text).parts)
    names = tuple(dict.fromkeys([*(asked or written or default_parts()), *written]))
    found = read_rig(text, names, preset_text)
    snags = sorted(_tried(probes, found, names))
    told = " ".join([*found.problems, *map(str, snags)])
    if found.problems or not all(snag.at_present for snag in snags):
        return fail(name, told, "Correct these lines; the rest works.")
    if snags:
        return warn(name, told, "These controls do nothing until a part has what they are mapped to.")
    count = len(found.entries)
    return ok(name, f"{count} {'entry' if count == 1 else 'entries'}.")


def _tried(probes: Probes, rig: Rig, names: tuple[str, ...]) -> list[Snag]:
    """What a session with all parts, those that wait too, has to say about the values and controls."""
    setups, snags = _cast(probes, rig, names)
    if not setups:
        return snags
    ports = [PortPair(port.name, port.input, port.output) for port in rig.ports]
    surface = NewcomerSurface(Session(setups, 0, _ANY_TEMPO_BPM), ports, lambda: rig.parts)
    # Of a part without a model nothing can be tried.
    absent = set(names) - set(surface.parts())
    targets = ((value, value.command.target) for value in rig.values)
    values = [value for value, target in targets if target.part not in absent and target.name not in _BY_SLOTS]
    return [*snags, *set_values(values, surface, 0), *led_nowhere(rig.entries, surface)]


def _cast(probes: Probes, rig: Rig, names: tuple[str, ...]) -> tuple[list[PartSetup], list[Snag]]:
    """The parts whose models there are, and what is said of the others."""
    setups, snags = [], []
    channels = assign_channels(names, {name: part.channel for name, part in rig.parts.items() if part.channel})
    for name in names:
        part = rig.parts.get(name, RigPart())
        try:
            path, manifest, output = probes.look_up(part.model or usual_bundle(name))
            probes.load_bundle(path)
        except BundleError as error:
            if part.line:
                snags.append(Snag(part.line, str(error)))
        else:
            chosen = output_named(manifest, output) if output else output_for(manifest, name)
            setups.append(set_up(name, channels[name], manifest, chosen, str(path)))
    return setups, snags
