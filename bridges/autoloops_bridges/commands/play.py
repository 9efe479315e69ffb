"""``autoloops play``: the words of the command line into checked options, and off it goes."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.bundles import asked_parts, choose_bundles, default_parts
from autoloops_bridges.commands.words import (
    check_known_parts,
    check_number,
    read_addresses,
    read_channels,
    read_latencies,
    read_models,
    read_parts,
)
from autoloops_bridges.control.vocabulary import MAX_INT
from autoloops_bridges.midi.latency import kept_latencies
from autoloops_bridges.midi.names import VIRTUAL
from autoloops_bridges.processes.options import (
    DEFAULT_OSC_PORT,
    DEFAULT_QUANTUM_BEATS,
    MAX_QUANTUM_BEATS,
    MidiApi,
    PlayOptions,
    Sync,
    assign_channels,
)
from autoloops_bridges.processes.sources import check_source
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM


def play(
    context: typer.Context,
    parts: Annotated[str, typer.Option(help="Parts to play, between commas. [default: those with a model]")] = "",
    model: Annotated[
        list[str] | None, typer.Option(metavar="[PART=]BUNDLE", help="Model of a part, or of all parts; repeatable.")
    ] = None,
    tempo: Annotated[
        float, typer.Option(min=MIN_TEMPO_BPM, max=MAX_TEMPO_BPM, callback=check_number, help="Beats per minute.")
    ] = 120.0,
    sync: Annotated[
        Sync,
        typer.Option(
            help="Who gives the tempo: a MIDI clock at --midi-in, an Ableton Link session, the JACK transport."
        ),
    ] = "internal",
    jack_timebase: Annotated[
        bool, typer.Option("--jack-timebase", help="Lead the JACK transport, unless another client does.")
    ] = False,
    quantum: Annotated[
        int, typer.Option(min=1, max=MAX_QUANTUM_BEATS, help="Beats in which a Link session counts its phase.")
    ] = DEFAULT_QUANTUM_BEATS,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_INT, help="Seed of the parts. [default: a new one]")
    ] = None,
    bars: Annotated[int | None, typer.Option(min=1, help="End after so many bars.")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="Wait for /al/start.")] = False,
    osc_host: Annotated[
        str, typer.Option(help="Address on which to listen; 0.0.0.0: the whole network.")
    ] = "127.0.0.1",
    osc_port: Annotated[int, typer.Option(min=0, max=65_535, help="UDP port; 0: any free one.")] = DEFAULT_OSC_PORT,
    osc_send: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="Send everything there, without asking; repeatable.")
    ] = None,
    midi_out: Annotated[str, typer.Option(metavar="NAME|virtual|none", help="Port to play to.")] = VIRTUAL,
    midi_in: Annotated[str, typer.Option(metavar="NAME|virtual|none", help="Port to be controlled from.")] = VIRTUAL,
    clock_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|virtual|same",
            help="Port to lead by MIDI clock, besides notes; same: the one of --midi-out; repeatable.",
        ),
    ] = None,
    midi_api: Annotated[MidiApi | None, typer.Option(help="MIDI system. [default: the first that works]")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=N", help="MIDI channel; repeatable. [default: melody=1 bass=2 drums=10]"),
    ] = None,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PORT=MS", help="Send to this MIDI output so much earlier; repeatable. [default: as calibrated]"
        ),
    ] = None,
    rig: Annotated[
        Path | None,
        typer.Option(
            "--rig",
            "--map",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Rig file: ports, parts, values and the mapping of controllers, in TOML.",
        ),
    ] = None,
    record: Annotated[bool, typer.Option(help="Keep a record of the session for autoloops replay.")] = True,
    slots: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Where the slots are kept. [default: the user's]"),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print line by line, for a log.")] = False,
) -> None:
    """Start the engine and play until Ctrl-C."""
    check_source(sync)
    names, models = asked_parts(read_parts(parts) if parts else (), read_models(model or ()))
    channels = read_channels(channel or ())
    found = None
    if rig is not None:
        from autoloops_bridges.commands.rig import read_rig_options

        found = read_rig_options(rig, names, models)
        names, channels, models = found.parts, found.channels | channels, found.models | models
    names = names or default_parts()
    check_known_parts(channels, names, "--channel")
    check_known_parts(models, names, "--model")
    from autoloops_bridges.record.slots_file import default_slots_path

    options = PlayOptions(
        parts=names,
        models=choose_bundles(names, models),
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
        channels=assign_channels(names, channels),
        latencies_ms=kept_latencies().ports | read_latencies(latency or ()),
        record=record,
        slots=str(slots or default_slots_path()),
        plain=plain,
    )
    if found is not None:
        options = found.complete(options, said={name for name in context.params if _is_said(context, name)})
    from autoloops_bridges.processes.launcher import launch

    raise typer.Exit(launch(options))


def _is_said(context: typer.Context, name: str) -> bool:
    """Whether the command line names this option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
