"""The options of ``autoloops play``, each a type with its range and its help; other commands that have one share it.

The defaults stand with each command.
"""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.words import check_number
from autoloops_bridges.control.vocabulary import MAX_INT
from autoloops_bridges.midi import apis
from autoloops_bridges.processes import options
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

# -- what plays --------------------------------------------------------------------------------------------------------

Parts = Annotated[str, typer.Option(help="Parts to play, between commas. [default: those with a model]")]
Model = Annotated[
    list[str] | None, typer.Option(metavar="[PART=]BUNDLE", help="Model of a part, or of all parts; repeatable.")
]
Channel = Annotated[
    list[str] | None,
    typer.Option(metavar="PART=N", help="MIDI channel; repeatable. [default: melody=1 bass=2 drums=10]"),
]
Seed = Annotated[int | None, typer.Option(min=0, max=MAX_INT, help="Seed of the parts. [default: a new one]")]

# -- time --------------------------------------------------------------------------------------------------------------

Tempo = Annotated[
    float, typer.Option(min=MIN_TEMPO_BPM, max=MAX_TEMPO_BPM, callback=check_number, help="Beats per minute.")
]
Sync = Annotated[
    options.Sync,
    typer.Option(help="Who gives the tempo: a MIDI clock at --midi-in, an Ableton Link session, the JACK transport."),
]
JackTimebase = Annotated[
    bool, typer.Option("--jack-timebase", help="Lead the JACK transport, unless another client does.")
]
Quantum = Annotated[
    int, typer.Option(min=1, max=options.MAX_QUANTUM_BEATS, help="Beats in which a Link session counts its phase.")
]
Bars = Annotated[int | None, typer.Option(min=1, help="End after so many bars.")]
Stopped = Annotated[bool, typer.Option("--stopped", help="Wait for /al/start.")]

# -- OSC ---------------------------------------------------------------------------------------------------------------

OscHost = Annotated[str, typer.Option(help="Address on which to listen; 0.0.0.0: the whole network.")]
OscPort = Annotated[int, typer.Option(min=0, max=65_535, help="UDP port; 0: any free one.")]
OscSend = Annotated[
    list[str] | None, typer.Option(metavar="HOST:PORT", help="Send everything there, without asking; repeatable.")
]

# -- MIDI --------------------------------------------------------------------------------------------------------------

MidiOut = Annotated[str, typer.Option(metavar="NAME|virtual|none", help="Port to play to.")]
MidiIn = Annotated[str, typer.Option(metavar="NAME|virtual|none", help="Port to be controlled from.")]
MidiApi = Annotated[apis.MidiApi | None, typer.Option(help="MIDI system. [default: the first that works]")]
ClockOut = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|virtual|same",
        help="Port to lead by MIDI clock, besides notes; same: the one of --midi-out; repeatable.",
    ),
]
Latency = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PORT=MS", help="Send to this MIDI output so much earlier; repeatable. [default: as calibrated]"
    ),
]

# -- files and the terminal --------------------------------------------------------------------------------------------

Rig = Annotated[
    Path | None,
    typer.Option(
        "--rig",
        "--map",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Rig file: ports, parts, values and the mapping of controllers, in TOML.",
    ),
]
Record = Annotated[bool, typer.Option(help="Keep a record of the session for autoloops replay.")]
Slots = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Where the slots are kept. [default: the user's]"),
]
SlotsRead = Annotated[
    Path | None,
    typer.Option("--slots", metavar="FILE", dir_okay=False, help="The slots to read. [default: the user's]"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the parts and the settings of the session that was played last.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Print line by line, for a log.")]
