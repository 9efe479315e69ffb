"""Plays in an Ableton Link session and asks another peer where its beats were.

    python benchmarks/link_onsets.py --bars 64 --joins 50

A peer in a process of its own founds a session at 123.45 BPM, in a network of its own. The engine joins it; its notes
are heard over OSC (stamped by the kernel) and at a JACK server (by their frames), and the peer tells which beat it had
then. After that the session is joined again and again, at another tempo, stopped and playing, and must keep its own.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jack_stream import RATE_HZ, Receiver, cycle_starts_us
from rig import arguments, jack_server, show, spread

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.integration.conftest import network
from tests.integration.linking import Heard, Peer, Rehearsal, send

TEMPO_BPM = 123.45
MS_PER_BEAT = 60_000 / TEMPO_BPM
SIXTEENTH = 0.25


def off_ms(beats: Sequence[float], grid: float) -> list[float]:
    """How far each beat is away from a multiple of ``grid``."""
    return [abs(beat / grid - round(beat / grid)) * grid * MS_PER_BEAT for beat in beats]


def played(rehearsal: Rehearsal, hut: Peer, model: str, bars: int) -> dict[str, dict[str, float | str]]:
    """Play so many bars; the onsets' distance from the peer's sixteenths, in milliseconds."""
    with jack_server(128, RATE_HZ):
        receiver = Receiver()
        options = ["--model", f"melody={model}", "--midi-api", "jack", "--midi-in", "none", "--midi-out", "virtual"]
        with rehearsal.engine(hut, *options, "--stopped", "--tempo", "100") as app:
            hut.until(lambda seen: seen.peers == 1)
            receiver.connect()
            send(hut, app, "/al/start")
            last = 4 * bars + 1
            while not any(heard.address == "/al/beat" and heard.arguments == (last,) for heard in hut.take()):
                # Whoever says nothing for a minute is told nothing any more.
                send(hut, app, "/al/listen", 1)
                time.sleep(0.5)
            send(hut, app, "/al/stop")
            hut.until(lambda seen: not seen.playing)
        receiver.close()
    frames, entered_us = np.array(receiver.clock, dtype=np.float64).T
    at_us = [frame for frame, data in receiver.events if data[0] & 0xF0 == 0x90 and data[2]]
    heard_us = np.interp(at_us, frames, cycle_starts_us(frames, entered_us))
    beats = hut.ask("beats", *(int(each_us) for each_us in heard_us))
    return {
        "OSC notes": {**spread(off_ms(of(hut.heard, "/al/melody/note"), SIXTEENTH))},
        "OSC beats": {**spread(off_ms(of(hut.heard, "/al/beat"), 1))},
        "MIDI over JACK": {**spread(off_ms(beats, SIXTEENTH))},
    }


def of(heard: Sequence[Heard], address: str) -> list[float]:
    """The peer's beats when messages of that address came."""
    return [each.beat for each in heard if each.address == address]


def joined(rehearsal: Rehearsal, hut: Peer, model: str, joins: int) -> dict[str, float | str]:
    """Join so many times; what that did to the session."""
    for number in range(joins):
        mode = ["--stopped"] if number % 2 else []
        with rehearsal.engine(hut, "--tempo", "100", "--model", f"melody={model}", *mode):
            hut.until(lambda seen: seen.peers == 1)
            if number % 2 == 0:
                hut.hear_until(lambda heard: heard.address == "/al/beat")
        hut.until(lambda seen: seen.peers == 0)
    tempos = sorted(hut.tempos())
    return {"joins": float(joins), "tempos of the session": ", ".join(f"{tempo:.2f}" for tempo in tempos)}


def main() -> None:
    """Play, join and judge."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--bars", type=int, default=64)
    parser.add_argument("--joins", type=int, default=10)
    asked = parser.parse_args()
    with network() as inside, Rehearsal(inside) as rehearsal:
        hut = rehearsal.peer(TEMPO_BPM)
        rows = played(rehearsal, hut, asked.model, asked.bars)
        show("Onsets off the peer's grid (ms)", rows, asked.json)
        show("Joining", {"session": joined(rehearsal, hut, asked.model, asked.joins)}, None)


if __name__ == "__main__":
    main()
