"""The table of addresses: the single source for OSC dispatch, MIDI mapping targets and the reference page.

In a template ``PART`` stands for the name of a part, ``I`` for a number counted from 1, ``NAME`` for the name of an
attribute, ``N`` for a number of packets. A *value* with arguments sets, without arguments asks; a *verb* acts; a
*stream* is what AutoLoops sends by itself.
"""

import re
from typing import Final

from autoloops_bridges.control.playing import COLLECTING, FULL_SLOTS, PLAYING
from autoloops_bridges.control.rows import PART_WHEN, WHEN, Argument, Direction, Kind, Row, Type, stream, value, verb
from autoloops_engine.constraints.scales import SCALES
from autoloops_engine.time.gearing import MULTIPLES
from autoloops_engine.time.swing import MOST_PERCENT, STRAIGHT_PERCENT
from autoloops_engine.units import (
    MAX_COORDINATE,
    MAX_NUDGE_MS,
    MAX_OFFSET_MS,
    MAX_POSITION_BEATS,
    MAX_RAMP_BEATS,
    MAX_TEMPO_BPM,
    MIN_TEMPO_BPM,
)

# A longer one would not leave room for a bar in a packet, nor for its row in the live view.
MAX_PART_NAME: Final = 32
PART_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
MAX_INT: Final = 2**31 - 1
MAX_LOOKAHEAD_MS: Final = 100.0

_GRID = Argument("grid", Type.INT, 8, 16, optional=True)
_PITCH = Argument("pitch", Type.INT, 0, 127, "MIDI note number")
_VELOCITY = Argument("velocity", Type.INT, 1, 127, "MIDI velocity")
_BEATS = Argument("beats", Type.FLOAT, 0, None, "beats")
_BAR_ARGUMENTS = (
    Argument("number", Type.INT, 1, None, "bars, from 1"),
    Argument("start_beat", Type.FLOAT, 0, None, "beats from bar 1"),
    _PITCH,
    Argument("start", Type.FLOAT, None, None, "beats from bar 1"),
    _BEATS,
    _VELOCITY,
    Argument("mute", Type.BOOL, 0, 1),
)


_WHOLE: Final = (
    verb("/al/start", "Play from bar 1."),
    verb("/al/continue", "Play on from here."),
    verb("/al/stop", "Stop here and end every note."),
    verb("/al/panic", "End every note on every channel, sounding or not, and play on."),
    Row(
        "/al/tempo",
        Kind.VALUE,
        Direction.BOTH,
        (
            Argument("bpm", Type.FLOAT, MIN_TEMPO_BPM, MAX_TEMPO_BPM, "BPM", 120.0),
            Argument("beats", Type.FLOAT, 0, MAX_RAMP_BEATS, "beats", optional=True),
        ),
        "The tempo, changed without a jump of the position: at once, or evenly so that it is reached so many beats "
        "later (`/al/tempo 128 8`). A ramp counts beats, so it stands still while the song does; another tempo ends "
        "it. Answered and echoed without `beats`.",
    ),
    value(
        "/al/position",
        Argument("beats", Type.FLOAT, 0, MAX_POSITION_BEATS, "beats"),
        "Where the song is, in beats from bar 1 = 0; setting it goes there, while playing too.",
    ),
    verb(
        "/al/tap",
        "Tap tempo: the third tap and each one after it set the tempo. A pause begins a new count; a tap left out, a "
        "slip and the bounce of a pad do no harm.",
    ),
    verb(
        "/al/nudge",
        "Everything sounds so much later from here on (negative: earlier), reached little by little so that nothing "
        "is heard to jump; nudges add up. Whoever follows a master stays that far off it.",
        Argument("ms", Type.FLOAT, -MAX_NUDGE_MS, MAX_NUDGE_MS, "ms"),
    ),
    Row(
        "/al/swing",
        Kind.VALUE,
        Direction.BOTH,
        (Argument("percent", Type.FLOAT, STRAIGHT_PERCENT, MOST_PERCENT, "%", STRAIGHT_PERCENT), _GRID),
        "Swing of every part that has none of its own: where the second of two notes falls, from 50 (straight) over "
        "66.7 (triplets) to 75, for eighths (grid 8) or sixteenths (16); while playing from the next beat on. "
        "`/al/PART/bar` tells what is written, straight; `/al/PART/note` comes when it sounds.",
    ),
    Row(
        "/al/parts",
        Kind.VALUE,
        Direction.OUT,
        (Argument("part", Type.STRING, many=True),),
        "The names of the parts, in order. Sent when one comes or goes; without arguments it asks.",
    ),
    verb(
        "/al/parts/add",
        "A part joins in while the others play: its name, its bundle (name or path, and after `#` the output that is "
        "to play), its MIDI channel and the port of the rig file that it plays to. What is left out is as the rig "
        "file has it for a part of that name, else as `autoloops play --parts` would. It plays from the bar line on "
        "that its first bar can be ready for, once its model is loaded; `/al/parts` tells.",
        Argument("name", Type.STRING, names_part=True),
        Argument("bundle", Type.STRING, optional=True),
        Argument("channel", Type.INT, 1, 16, "MIDI channel", optional=True),
        Argument("port", Type.STRING, optional=True),
    ),
    verb(
        "/al/ping",
        "Answered by `/al/pong` with the same arguments.",
        Argument("x", Type.ANY, optional=True, many=True),
    ),
    verb(
        "/al/listen",
        "1: state changes, beats, bars and notes go to the sender's host at `port`, and so do answers and errors; "
        "ends after 60 s without any packet from that host. 0: no more. With a look-ahead the notes come that much "
        "earlier, in bundles tagged with the intended onset, for receivers that honour time tags.",
        Argument("on", Type.BOOL, 0, 1),
        Argument("port", Type.INT, 1, 65535, "", "the sender's port", optional=True),
        Argument("lookahead_ms", Type.FLOAT, 0, MAX_LOOKAHEAD_MS, "ms", 0.0, optional=True),
    ),
    verb("/al/sync", "All present values, each on its own address."),
    value(
        "/al/ear",
        Argument("on", Type.BOOL, 0, 1, "", 0),
        "1: notes that come in over MIDI are played in, for `/al/PART/capture`, where no mapping of the rig file takes "
        "them; 0: they fire parts.",
    ),
    verb(
        "/al/hear",
        "A key of an instrument goes down, or up with velocity 0: for `/al/PART/capture`.",
        Argument("pitch", Type.INT, 0, 127, "MIDI note number"),
        Argument("velocity", Type.INT, 0, 127, "MIDI velocity"),
    ),
    verb(
        "/al/store/I",
        "Store what every part is set to in slot I, from 1 to 64, with scale, chords, swing, mutes, motion and tempo.",
    ),
    verb(
        "/al/undo", "Take back the last change of a control, a fire, a slot or a limit; one step for a whole movement."
    ),
    verb("/al/redo", "Do again what was undone."),
    verb(
        "/al/back",
        "Every part plays what it played so many bars ago, note for note.",
        Argument("bars", Type.INT, 0, 1024, "bars"),
        WHEN,
    ),
    verb(
        "/al/keep/I",
        "Store the loop of every part as it sounded so many bars ago in slot I.",
        Argument("bars", Type.INT, 0, 1024, "bars", 0, optional=True),
    ),
    *COLLECTING,
    verb(
        "/al/slot/I",
        "Recall slot I for every part that it holds, and how the rig stood, if it was stored as a whole.",
        WHEN,
    ),
    verb("/al/clear/I", "Empty slot I of everything that it holds; undo brings it back."),
    Row(
        "/al/slots",
        Kind.VALUE,
        Direction.OUT,
        (FULL_SLOTS,),
        "The slots that hold something, of whatever part; 0: none. Sent when that changes; without arguments it asks.",
    ),
    value(
        "/al/scale",
        Argument("words", Type.STRING, default="off", many=True),
        "Scale lock: a root and a name, as in `a minor` or `F# dorian`, or `off`. Every note of melody and bass is "
        f"chosen from it by the model itself. The names: {', '.join(f'`{name}`' for name in SCALES)}.",
    ),
    value(
        "/al/chords",
        Argument("words", Type.STRING, default="off", many=True),
        "Chord progression, as in `Am7 | Dm7 G7`, or `off`: chords of a bar share it evenly, `%` alone is the bar "
        "before again, `N.C.` no chord, and it begins again when it is through. Notes on a beat are chord tones; those "
        "between may be of the scale too, if one is set.",
    ),
    value(
        "/al/sync/multiple",
        Argument("multiple", Type.FLOAT, min(MULTIPLES), max(MULTIPLES), "", 1.0),
        "0.5, 1 or 2 times the tempo of the master, or of ourselves with `--sync internal`; while playing from the "
        "next bar line of both on, so that bar lines go on falling together.",
    ),
)

_LEARN: Final = (
    verb(
        "/al/learn",
        "MIDI learn: the control that is moved next gets this address, with these arguments if a press is to set or do "
        "something; without an address, the parameter that is set next over OSC. Each step is told by "
        "`/al/learn/status`.",
        Argument("address", Type.STRING, optional=True),
        Argument("argument", Type.ANY, optional=True, many=True),
    ),
    verb("/al/learn/replace", "After a conflict: the new mapping takes the place of the one that is there."),
    verb("/al/learn/both", "After a conflict: the control keeps what it has and gets the new one too."),
    verb("/al/learn/cancel", "Learn nothing."),
    verb("/al/learn/undo", "Takes the last change of the mapping back."),
    verb(
        "/al/learn/forget",
        "Takes every mapping to this address out of the rig file.",
        Argument("address", Type.STRING),
    ),
    stream(
        "/al/learn/status",
        "How far MIDI learn is.",
        Argument(
            "state",
            Type.STRING,
            choices=("target", "control", "conflict", "learned", "undone", "forgotten", "cancelled", "failed"),
        ),
        Argument("address", Type.STRING),
        Argument("control", Type.STRING),
        Argument("text", Type.STRING),
    ),
)

_PART: Final = (
    value(
        "/al/PART/z",
        Argument("coordinate", Type.FLOAT, -MAX_COORDINATE, MAX_COORDINATE, many=True),
        "The whole latent point: setting it brings knobs and attributes to rest; asked, it answers the sum of base "
        "point, knobs, attributes and motion.",
    ),
    value(
        "/al/PART/z/I",
        Argument("coordinate", Type.FLOAT, -MAX_COORDINATE, MAX_COORDINATE),
        "The I-th coordinate of the base point, raw, from 1; knobs and attributes stay where they are.",
    ),
    value(
        "/al/PART/knob/I",
        Argument("position", Type.FLOAT, 0, 1, "", 0.5),
        "The I-th most telling direction, from 1, calibrated so that equal turns change the loop equally.",
    ),
    value("/al/PART/attr/NAME", Argument("position", Type.FLOAT, 0, 1, "", 0.5), "Fader of a musical attribute."),
    value(
        "/al/PART/temperature",
        Argument("temperature", Type.FLOAT, 0, 4, "", 1.0),
        "How freely notes are drawn; 0: always the likeliest.",
    ),
    value("/al/PART/seed", Argument("seed", Type.INT, 0, MAX_INT), "Start of the random numbers of this part."),
    value(
        "/al/PART/hold",
        Argument("hold", Type.BOOL, 0, 1, "", 1),
        "1: the loop repeats as it is; 0: it varies in every pass.",
    ),
    value("/al/PART/mute", Argument("mute", Type.BOOL, 0, 1, "", 0), "1: silent, at once; the loop runs on."),
    value(
        "/al/PART/transpose",
        Argument("semitones", Type.INT, -48, 48, "semitones", 0),
        "Moves every pitch; drums stay as they are.",
    ),
    value("/al/PART/velocity", Argument("factor", Type.FLOAT, 0, 2, "", 1.0), "Multiplies every velocity."),
    value(
        "/al/PART/accent",
        Argument("depth", Type.FLOAT, 0, 2, "", 1.0),
        "Depth of the metric accents that melody and bass get, as their models know no velocity; 0: all alike. Drums "
        "have their own dynamics.",
    ),
    value(
        "/al/PART/model",
        Argument("bundle", Type.STRING),
        "The model by the name or path of its bundle. Another one is loaded while the music plays and heard from a bar "
        "line on, beginning where the loop was; one that cannot be used is an `/al/error`, and the old one plays on.",
    ),
    *PLAYING,
    value(
        "/al/PART/link",
        Argument("part", Type.STRING, many=True),
        "The parts that share the latent point of this one: whoever moves it moves it for all, while each keeps its "
        "own seed, temperature and the rest. Parts with the same model can share one; those that one bundle plays "
        "together do from the beginning. `none`: a point of its own again.",
    ),
    value("/al/PART/length", Argument("bars", Type.INT, 1, 64, "bars"), "Length of the loop."),
    Row(
        "/al/PART/swing",
        Kind.VALUE,
        Direction.BOTH,
        (Argument("percent", Type.FLOAT, 0, MOST_PERCENT, "%"), _GRID),
        "Swing of this part, as `/al/swing`; below 50: that of the whole rig again.",
    ),
    value(
        "/al/PART/offset",
        Argument("ms", Type.FLOAT, -MAX_OFFSET_MS, MAX_OFFSET_MS, "ms", 0.0),
        "How much later the part plays than the song (negative: earlier); while playing it gets there little by "
        "little.",
    ),
    verb(
        "/al/PART/fire",
        "Launch: `new` a new point and seed, `vary` one near by, `again` the same from its start.",
        Argument("what", Type.STRING, default="new", choices=("new", "vary", "again"), optional=True),
        PART_WHEN,
    ),
    verb(
        "/al/PART/remove",
        "The part leaves, at the next launch point, and at once while nothing plays: "
        "its notes end there, the others play on, and its addresses answer no more.",
        PART_WHEN,
    ),
    verb("/al/PART/restart", "Bar 1 of the loop falls on the launch point.", PART_WHEN),
)

_OUT: Final = (
    stream("/al/pong", "The answer to `/al/ping`.", Argument("x", Type.ANY, optional=True, many=True)),
    Row(
        "/al/playing",
        Kind.VALUE,
        Direction.OUT,
        (Argument("playing", Type.BOOL, 0, 1),),
        "1: time runs; 0: stopped. Sent at every change; without arguments it asks.",
    ),
    Row(
        "/al/stats",
        Kind.VALUE,
        Direction.OUT,
        (Argument("name", Type.STRING), Argument("value", Type.FLOAT)),
        "What was counted since the start, in one packet, when it is asked for without arguments: bars, misses, "
        "lateness and decode times in ms, OSC and MIDI messages, what was refused or dropped, what waits in queues. "
        "Whole numbers come as integers; names may be added.",
        repeated=0,
    ),
    Row(
        "/al/sync/state",
        Kind.VALUE,
        Direction.OUT,
        (
            Argument("source", Type.STRING),
            Argument("tempo", Type.FLOAT, None, None, "BPM"),
            Argument("phase_ms", Type.FLOAT, None, None, "ms"),
            Argument("jitter_ms", Type.FLOAT, 0, None, "ms"),
            Argument("locked", Type.BOOL, 0, 1),
            Argument("peers", Type.INT, 0, None),
        ),
        "How following goes: who gives the tempo, the master's tempo, how far we are ahead of it, how much it jitters, "
        "whether we are locked to it, and how many others are there. Sent when it changes; without arguments it asks.",
    ),
    stream("/al/beat", "A beat begins.", Argument("n", Type.INT, 1, None, "beats, from 1")),
    stream("/al/bar", "A bar begins.", Argument("n", Type.INT, 1, None, "bars, from 1")),
    stream(
        "/al/PART/note",
        "A note begins, in a bundle tagged with the intended onset; `beats` is the length known now, at most up to "
        "the bar line.",
        _PITCH,
        _VELOCITY,
        _BEATS,
    ),
    stream("/al/PART/tie", "The note goes on without a new attack, for so many beats more.", _PITCH, _BEATS),
    stream("/al/PART/off", "The note ends earlier than announced (stop, mute, swap, panic).", _PITCH),
    stream(
        "/al/PART/bar",
        "A bar ahead of its sounding, when it is frozen; one group of five for each note that begins in it. A number "
        "sent before replaces that bar from the present position on. Notes tied over from the bar before come as "
        "`/al/PART/tie` at the bar line.",
        *_BAR_ARGUMENTS,
        repeated=2,
    ),
    stream(
        "/al/PART/bar/I/N",
        "A bar too long for one packet of 1.4 kB comes in N packets, I from 1 to N, each with the same number and "
        "start_beat and the next notes.",
        *_BAR_ARGUMENTS,
        repeated=2,
    ),
    stream(
        "/al/error",
        "Something sent could not be done.",
        Argument("address", Type.STRING),
        Argument("reason", Type.STRING),
    ),
)

TABLE: Final[tuple[Row, ...]] = (*_WHOLE, *_LEARN, *_PART, *_OUT)

# Words of addresses to come are kept free beside those in use, so that no rig breaks when they arrive.
_TO_COME: Final = "back chords clock keep link map model morph none part redo replay scale slot solo undo"
RESERVED: Final = frozenset({row.segments[0] for row in TABLE} - {"PART"} | set(_TO_COME.split()))


def is_part_name(name: str) -> bool:
    """Whether ``name`` can be that of a part: a lower-case word that the table does not use itself."""
    return len(name) <= MAX_PART_NAME and PART_NAME.fullmatch(name) is not None and name not in RESERVED
