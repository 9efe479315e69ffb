"""A JACK client in a process of its own that records what comes to ``receiver:in``.

Says ``ready`` when it listens; at end of input it prints what it heard as one line of JSON:
``{"xruns": n, "heard": [[frame, "hex", time], ...]}``, the time in microseconds of the monotonic clock. A line of input
makes it print the number of messages so far, and of the notes that sound.
"""

import gc
import json
import sys
import time

import jack


def main() -> None:
    """Listen until standard input ends."""
    heard: list[tuple[int, str, int]] = []
    sounding: set[tuple[int, int]] = set()
    xruns = 0
    # A server that dies is part of the play.
    jack.set_error_function(lambda _: None)
    client = jack.Client("receiver", no_start_server=True)
    port = client.midi_inports.register("in")

    def process(_: int) -> None:
        first = client.last_frame_time
        entered_us = time.monotonic_ns() // 1000
        for offset, data in port.incoming_midi_events():
            at_us = entered_us + offset * 1_000_000 // client.samplerate
            message = bytes(data)
            heard.append((first + offset, message.hex(), at_us))
            if message[0] & 0xE0 == 0x80:
                is_on = message[0] & 0x10 and message[2]
                (sounding.add if is_on else sounding.discard)((message[0] & 0x0F, message[1]))

    def xrun(_: float) -> None:
        nonlocal xruns
        xruns += 1

    client.set_process_callback(process)
    client.set_xrun_callback(xrun)
    gc.disable()
    with client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(f"{len(heard)} {len(sounding)}\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"xruns": xruns, "heard": heard}) + "\n")


if __name__ == "__main__":
    main()
