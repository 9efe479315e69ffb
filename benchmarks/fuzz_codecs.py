"""Coverage-guided fuzzing of the codecs: no bytes may raise, and what is sound must come back as it was.

    pip install atheris
    python benchmarks/fuzz_codecs.py -max_total_time=60

Everything behind the script's name goes to libFuzzer.
"""

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports():
    from autoloops_bridges.control.dispatch import Command, Router
    from autoloops_bridges.control.rig_file import read_rig
    from autoloops_bridges.midi.parse import MidiParser
    from autoloops_bridges.osc import codec
    from autoloops_engine.messages import MidiIn

OSC, MIDI_BYTES, MAP = b"\x00", b"\x80", b"\xd0"
SEEDS = (
    OSC + codec.encode("/al/melody/fire", ("vary", "now")),
    OSC + codec.encode("/al/listen", (1, 9000, 50.0)),
    OSC + codec.encode("/al/melody/z", (0.5, -1.0, 2, "3", 2**40)),
    OSC + codec.bundle(1 << 40, [codec.encode("/al/tempo", (120,)), codec.bundle(1, [codec.encode("/al/sync")])]),
    OSC + b"/al/ping\0\0\0\0,idTNs[fb]\0\0" + bytes(40),
    MIDI_BYTES + b"\x90\x3c\x64",
    MIDI_BYTES + b"\xe0\x00\x40",
    MIDI_BYTES + b"\xf0\x7e\x7f\x09\x01\xf7",
    MAP
    + b'defaults = true\n[[map]]\nsource = "cc"\nchannel = 1\nnumber = 20\ntarget = "/al/tempo"\nrange = [90, 60]\n',
    MAP + b'[[map]]\nsource = "note"\ntarget = "/al/melody/fire"\narguments = ["vary", "beat"]\n',
)
ROUTER = Router()
MIDI = MidiParser()


def one_input(data: bytes) -> None:
    """The first byte chooses the codec, the rest is what it reads."""
    choice, rest = data[:1], data[1:]
    if choice < MIDI_BYTES:
        fuzz_osc(rest)
    elif choice < MAP:
        MIDI.parse(MidiIn("fuzz", rest, 0))
    else:
        read_rig(rest.decode("utf-8", "replace"), ("melody",))


def fuzz_osc(packet: bytes) -> None:
    """Split, parse, dispatch, and write again what can be written."""
    elements = codec.split(packet)
    for _, data in [] if isinstance(elements, codec.Malformed) else elements:
        message = codec.parse(data)
        if isinstance(message, codec.Malformed):
            continue
        command = ROUTER.dispatch(message.address, message.arguments)
        if isinstance(command, Command) and command.values:
            again = codec.parse(codec.encode(message.address, command.values))
            assert isinstance(again, codec.Message)
            assert len(again.arguments) == len(command.values)


def main() -> None:
    """Fuzz until told to stop; a crash leaves its input in a file."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
