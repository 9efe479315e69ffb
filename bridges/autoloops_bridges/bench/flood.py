"""Moves a knob many times a second over OSC; a process of its own, on loopback only.

    python -m autoloops_bridges.bench.flood --port 7400 --rate 20000 --seconds 10

Prints how many messages it sent; the last one sets the knob to 0.75.
"""

import argparse
import select
import signal
import socket
import sys
from typing import Final

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.osc import codec
from autoloops_engine.units import US_PER_S

ADDRESS: Final = "/al/melody/knob/30"
LAST: Final = 0.75
_STEPS: Final = 1_000
_PAUSE_S: Final = 0.001


def flood(port: int, rate: int, seconds: float) -> int:
    """Send, evenly as far as the system allows; how many messages went out."""
    moves = [codec.encode(ADDRESS, (step / _STEPS,)) for step in range(_STEPS)]
    sent = 0
    began_us = monotonic_us()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        while (elapsed_us := monotonic_us() - began_us) < seconds * US_PER_S:
            for _ in range(elapsed_us * rate // US_PER_S - sent):
                sender.send(moves[sent % _STEPS])
                sent += 1
            select.select([], [], [], _PAUSE_S)
        sender.send(codec.encode(ADDRESS, (LAST,)))
    return sent + 1


def main() -> None:
    """Flood as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        sys.stdout.write(f"{flood(asked.port, asked.rate, asked.seconds)}\n")
    except ConnectionError:
        sys.stderr.write("Nothing listens there any more.\n")


if __name__ == "__main__":
    main()
