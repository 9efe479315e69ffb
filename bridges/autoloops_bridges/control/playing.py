"""The lines of the table for playing a part: what it may play, what it stores and recalls, how it moves by itself."""

from typing import Final

from autoloops_bridges.control.rows import PART_WHEN, QUANTISE, Argument, Direction, Kind, Row, Type, value, verb

FULL_SLOTS: Final = Argument("slot", Type.INT, 0, 64, "", 0, many=True)

PLAYING: Final = (
    Row(
        "/al/PART/range",
        Kind.VALUE,
        Direction.BOTH,
        (Argument("low", Type.INT, 0, 127, "MIDI note number", 0), Argument("high", Type.INT, 0, 127, "", 127)),
        "Lowest and highest pitch that sounds; drums have none. A range in which the part, as it is transposed, has no "
        "pitch is refused.",
    ),
    value(
        "/al/PART/rests",
        Argument("step", Type.INT, 0, 16, "sixteenths, from 1", 0, many=True),
        "Steps of every bar that stay silent; 0: none.",
    ),
    value(
        "/al/PART/freeze",
        Argument("step", Type.INT, 0, 1024, "sixteenths, from 1", 0, many=True),
        "Steps of the loop that stay as they sound, whatever else moves; 0: none.",
    ),
    value(
        "/al/PART/edits",
        Argument("steps", Type.INT, 0, 16, "sixteenths in a bar", 16),
        "Change limiter: how many steps of a bar may differ from the last pass; 16: all.",
    ),
    value(
        "/al/PART/voice/NAME",
        Argument("on", Type.BOOL, 0, 1, "", 1),
        "0 leaves a drum voice out: kick, snare, closed-hat, open-hat, low-tom, mid-tom, high-tom, crash, ride.",
    ),
    value(
        "/al/PART/frozen/NAME",
        Argument("on", Type.BOOL, 0, 1, "", 0),
        "1: a drum voice stays as it sounds, with its velocities and its timing.",
    ),
    value(
        "/al/PART/octave",
        Argument("octaves", Type.INT, -4, 4, "octaves", 0),
        "On top of the transposition; drums stay as they are.",
    ),
    value(
        "/al/PART/gate",
        Argument("share", Type.FLOAT, 0.05, 1, "", 1.0),
        "Length of the notes as a share of what was decoded; below 1 no note sounds on over a bar line.",
    ),
    value(
        "/al/PART/channel",
        Argument("channel", Type.INT, 1, 16, "MIDI channel"),
        "Where the part plays to; what sounds ends where it began.",
    ),
    value(
        "/al/PART/port",
        Argument("port", Type.STRING),
        "The port of the rig file that the part plays to; `midi_out`: that of `--midi-out`. What sounds ends where it "
        "began.",
    ),
    value("/al/PART/solo", Argument("solo", Type.BOOL, 0, 1, "", 0), "1: only parts played solo are heard."),
    value(
        "/al/PART/choke",
        Argument("group", Type.INT, 0, 16, "", 0),
        "Choke group: firing a part, or recalling a slot for it, mutes the others of its group; 0: none.",
    ),
    value(
        "/al/PART/quantise",
        QUANTISE,
        "Launch quantisation of the part: where its fires, restarts, slots, captures and the like take effect when no "
        "`when` is given. For the whole rig that is the bar line.",
    ),
    verb("/al/PART/store/I", "Store what the part is set to in slot I, from 1 to 64."),
    verb("/al/PART/slot/I", "Recall slot I for this part.", PART_WHEN),
    verb("/al/PART/clear/I", "Take what slot I holds of this part out of it; undo brings it back."),
    Row(
        "/al/PART/slots",
        Kind.VALUE,
        Direction.OUT,
        (FULL_SLOTS,),
        "The slots that hold something of this part, whatever model it was stored with; 0: none. Sent when that "
        "changes; without arguments it asks.",
    ),
    verb(
        "/al/PART/capture",
        "Take up what was played in last, over MIDI or `/al/hear`: as many bars as the loop has, on the bars where "
        "they were played. With an amount below 1 the loop goes only so far towards it.",
        Argument("amount", Type.FLOAT, 0, 1, "", 1.0, optional=True),
        PART_WHEN,
    ),
    verb(
        "/al/PART/load",
        "Take up the first loop of a MIDI file. A path that does not begin at the root is looked for in the folder "
        "where AutoLoops was started (`autoloops send` means its own). With an amount below 1 the loop goes only so "
        "far towards it.",
        Argument("path", Type.STRING),
        Argument("amount", Type.FLOAT, 0, 1, "", 1.0, optional=True),
        PART_WHEN,
    ),
    verb(
        "/al/PART/back",
        "Play what sounded so many bars ago, note for note, with the controls as they were; moving one goes on from "
        "there.",
        Argument("bars", Type.INT, 0, 1024, "bars"),
        PART_WHEN,
    ),
    verb(
        "/al/PART/keep/I",
        "Store the loop that sounded so many bars ago in slot I.",
        Argument("bars", Type.INT, 0, 1024, "bars", 0, optional=True),
    ),
    verb(
        "/al/PART/glide/I",
        "Move to what slot I holds, over so many bars.",
        Argument("bars", Type.INT, 1, 256, "bars"),
    ),
    value(
        "/al/PART/corners",
        Argument("slot", Type.INT, 0, 64, "", 0, many=True),
        "The two or four slots that the pad lies between; 0: no pad.",
    ),
    Row(
        "/al/PART/pad",
        Kind.VALUE,
        Direction.BOTH,
        (Argument("x", Type.FLOAT, 0, 1, "", 0.0), Argument("y", Type.FLOAT, 0, 1, "", 0.0, optional=True)),
        "Where on the pad: x from the first to the second corner (and the third to the fourth), y from the first pair "
        "to the second.",
    ),
    value(
        "/al/PART/walk",
        Argument("speed", Type.FLOAT, 0, 1, "", 0.0),
        "Random walk around the point, a step each bar; 0: none.",
    ),
    Row(
        "/al/PART/orbit",
        Kind.VALUE,
        Direction.BOTH,
        (
            Argument("radius", Type.FLOAT, 0, 1, "", 0.0),
            Argument("bars", Type.FLOAT, 1, 256, "bars a round", 8.0, optional=True),
        ),
        "Orbit around the point; 0: none.",
    ),
    Row(
        "/al/PART/follow",
        Kind.VALUE,
        Direction.BOTH,
        (
            Argument("action", Type.STRING, default="off", choices=("off", "new", "vary", "again", "next", "random")),
            Argument("passes", Type.INT, 1, 256, "passes of the loop", 1, optional=True),
        ),
        "What the part fires by itself after so many passes; `next` and `random` recall its slots.",
    ),
)

COLLECTING: Final = (
    Row(
        "/al/sequence",
        Kind.VALUE,
        Direction.OUT,
        (Argument("entries", Type.INT, 0, 256),),
        "How many entries the sequence has, which `autoloops sequence` writes as one MIDI file. Sent when that "
        "changes; without arguments it asks.",
    ),
    verb(
        "/al/sequence/add",
        "Append the loops as they sound now, of all parts that are heard or of one, to the sequence.",
        Argument("part", Type.STRING, optional=True),
    ),
    verb(
        "/al/sequence/keep",
        "Append the last so many bars as they sounded, whatever changed in them, of all parts or of one, to the "
        "sequence.",
        Argument("bars", Type.INT, 1, 128, "bars"),
        Argument("part", Type.STRING, optional=True),
    ),
    verb(
        "/al/sequence/remove",
        "Take an entry out of the sequence, by its number; the last one without.",
        Argument("entry", Type.INT, 1, 256, optional=True),
    ),
    verb("/al/sequence/clear", "Take every entry out of the sequence."),
)
