"""``autoloops play``: the words of the command line into checked options, and off it goes."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.commands.bundles import asked_parts, choose_bundles, default_parts
from autoloops_bridges.commands.resuming import LastOptions, read_last_options
from autoloops_bridges.commands.words import (
    check_known_parts,
    read_addresses,
    read_channels,
    read_latencies,
    read_models,
    read_parts,
)
from autoloops_bridges.midi.latency import kept_latencies
from autoloops_bridges.midi.names import VIRTUAL
from autoloops_bridges.processes.options import (
    DEFAULT_OSC_PORT,
    DEFAULT_QUANTUM_BEATS,
    PlayOptions,
    assign_channels,
)
from autoloops_bridges.processes.sources import check_source

if TYPE_CHECKING:
    from autoloops_bridges.commands.rig import RigOptions


def play(
    context: typer.Context,
    parts: option.Parts = "",
    model: option.Model = None,
    tempo: option.Tempo = 120.0,
    sync: option.Sync = "internal",
    jack_timebase: option.JackTimebase = False,
    quantum: option.Quantum = DEFAULT_QUANTUM_BEATS,
    seed: option.Seed = None,
    bars: option.Bars = None,
    stopped: option.Stopped = False,
    osc_host: option.OscHost = "127.0.0.1",
    osc_port: option.OscPort = DEFAULT_OSC_PORT,
    osc_send: option.OscSend = None,
    midi_out: option.MidiOut = VIRTUAL,
    midi_in: option.MidiIn = VIRTUAL,
    clock_out: option.ClockOut = None,
    midi_api: option.MidiApi = None,
    channel: option.Channel = None,
    latency: option.Latency = None,
    rig: option.Rig = None,
    record: option.Record = True,
    slots: option.Slots = None,
    resume: option.Resume = False,
    plain: option.Plain = False,
) -> None:
    """Start the engine and play until Ctrl-C."""
    check_source(sync)
    said = {name for name in context.params if _is_said(context, name)}
    last = read_last_options(said) if resume else None
    roles = _cast(parts, model or (), channel or (), rig, last)
    options = PlayOptions(
        parts=roles.parts,
        models=choose_bundles(roles.parts, roles.models),
        tempo_bpm=tempo,
        sync=sync,
        jack_timebase=jack_timebase,
        quantum_beats=quantum,
        seed=seed,
        bars=bars,
        stopped=stopped,
        osc_host=osc_host,
        osc_port=osc_port,
        osc_send=read_addresses(osc_send or ()),
        midi_out=midi_out,
        midi_in=midi_in,
        clock_out=tuple(clock_out or ()),
        midi_api=midi_api,
        channels=assign_channels(roles.parts, roles.channels),
        latencies_ms=kept_latencies().ports | read_latencies(latency or ()),
        record=record,
        slots=_slots_path(slots),
        plain=plain,
    )
    if roles.rig is not None:
        options = roles.rig.complete(options, said if last is None or not last.path else said | {"tempo", "seed"})
    if last is not None:
        options = last.complete(options)
    from autoloops_bridges.processes.launcher import launch

    raise typer.Exit(launch(options))


class _Roles(NamedTuple):
    """Who plays, by the command line first and the rig file second.

    Attributes:
        parts: The parts, at least one.
        models: By part, the bundle that is named for it.
        channels: By part, the MIDI channel that is named for it.
        rig: The rig file, if there is one.
    """

    parts: tuple[str, ...]
    models: dict[str, str]
    channels: dict[str, int]
    rig: "RigOptions | None"


def _cast(
    parts: str, model: Iterable[str], channel: Iterable[str], rig: Path | None, last: LastOptions | None
) -> _Roles:
    names, models = asked_parts(read_parts(parts) if parts else (), read_models(model))
    channels = read_channels(channel)
    if last is not None and last.parts:
        names, models, channels = last.parts, last.models, last.channels
    found = None
    if rig is not None:
        from autoloops_bridges.commands.rig import read_rig_options

        found = read_rig_options(rig, names, models)
        names, channels, models = found.parts, found.channels | channels, found.models | models
    names = names or default_parts()
    check_known_parts(channels, names, "--channel")
    check_known_parts(models, names, "--model")
    return _Roles(names, models, channels, found)


def _slots_path(asked: Path | None) -> str:
    from autoloops_bridges.record.slots_file import check_slots, default_slots_path

    path = asked or default_slots_path()
    check_slots(path)
    return str(path)


def _is_said(context: typer.Context, name: str) -> bool:
    """Whether the command line names this option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
