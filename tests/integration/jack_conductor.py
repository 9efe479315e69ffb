"""A JACK client in a process of its own that conducts the transport and hears the notes that come to ``conductor:in``.

It reads a command a line and answers each with a line of JSON:

    start | stop              lets the transport roll, or stops it
    locate FRAME              takes it there
    lead BPM                  is the timebase master from here on, of that tempo
    release                   is it no more
    look                      [rolling, frame, beats per minute (0: nobody leads), bar, beat, tick]
    heard                     [transport frame, "hex"] of what came since it was last asked for

The frame of a message is that of the transport at the moment for which it was sent.
"""

import json
import sys
from typing import Any

import jack

BBT = 0x10
TICKS = 1920


class Conductor:
    """The client; ``tempo_bpm`` belongs to both threads."""

    def __init__(self) -> None:
        self.client = jack.Client("conductor", no_start_server=True)
        self.port = self.client.midi_inports.register("in")
        self.heard: list[tuple[int, str]] = []
        self.tempo_bpm = 0.0
        self.client.set_process_callback(self.process)
        self.client.activate()

    def process(self, _: int) -> None:
        state, position = self.client.transport_query_struct()
        for offset, data in self.port.incoming_midi_events():
            rolled = offset if state == jack.ROLLING else 0
            self.heard.append((position.frame + rolled, bytes(data).hex()))

    def timebase(self, state: int, length: int, position: Any, new: bool) -> None:
        ticks = position.frame * self.tempo_bpm * TICKS / (60 * position.frame_rate)
        beats, tick = divmod(int(ticks), TICKS)
        position.valid = BBT
        position.bar, position.beat, position.tick = beats // 4 + 1, beats % 4 + 1, tick
        position.bar_start_tick = beats // 4 * 4 * TICKS
        position.beats_per_bar, position.beat_type, position.ticks_per_beat = 4, 4, TICKS
        position.beats_per_minute = self.tempo_bpm

    def look(self) -> list[float]:
        state, position = self.client.transport_query_struct()
        led = bool(position.valid & BBT)
        rolling = int(state == jack.ROLLING)
        tempo_bpm = position.beats_per_minute if led else 0
        return [rolling, position.frame, tempo_bpm, position.bar, position.beat, position.tick]

    def obey(self, word: str, *arguments: str) -> object:
        match word:
            case "start":
                self.client.transport_start()
            case "stop":
                self.client.transport_stop()
            case "locate":
                self.client.transport_frame = int(arguments[0])
            case "lead":
                self.tempo_bpm = float(arguments[0])
                return self.client.set_timebase_callback(self.timebase)
            case "release":
                self.client.release_timebase()
            case "look":
                return self.look()
            case "heard":
                heard, self.heard = self.heard, []
                return heard
        return None


def main() -> None:
    """Obey until standard input ends."""
    jack.set_error_function(lambda _: None)
    conductor = Conductor()
    sys.stdout.write("null\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(conductor.obey(*line.split())) + "\n")
        sys.stdout.flush()
    conductor.client.deactivate()
    conductor.client.close()


if __name__ == "__main__":
    main()
