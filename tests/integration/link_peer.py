"""A peer in an Ableton Link session that is also an OSC listener, in a process of its own.

Its first argument is the tempo to begin with. It reads a command a line and answers each with a line of JSON:

    look                      [peers, tempo, playing, microseconds of the monotonic clock]
    seen                      every change of the first three of these, each with its time
    beats TIME...             our beats at these times
    enable | disable          joins or leaves
    tempo BPM                 proposes a tempo
    start | stop              for everybody who shares the transport
    send PORT ADDRESS ARG...  an OSC message to that port of this machine
    heard                     [time, beat, address, arguments] of what came over OSC, the beat being ours at that time

Times of arrival are the kernel's (SO_TIMESTAMPNS, socket(7)), so that nothing of how this process is scheduled shows.
"""

import json
import os
import select
import socket
import struct
import sys
import time

from link import Link
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

QUANTUM = 4.0
SO_TIMESTAMPNS = 35
LOOK_S = 0.001


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Peer:
    """The place in the session, the socket and what was seen of both."""

    def __init__(self, tempo_bpm: float) -> None:
        self.link = Link(tempo_bpm)
        self.link.startStopSyncEnabled = True
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.seen: list[list[float]] = []
        self.heard: list[list[object]] = []

    def look(self) -> list[float]:
        state = self.link.captureAppSessionState()
        return [self.link.numPeers(), state.tempo(), int(state.isPlaying()), now_us()]

    def watch(self) -> None:
        present = self.look()
        if not self.seen or present[:3] != self.seen[-1][:3]:
            self.seen.append(present)

    def beat(self, at_us: int) -> float:
        link_us = self.link.clock().micros() - now_us() + at_us
        return self.link.captureAppSessionState().beatAtTime(link_us, QUANTUM)

    def tempo(self, tempo_bpm: float) -> None:
        state = self.link.captureAppSessionState()
        state.setTempo(tempo_bpm, self.link.clock().micros())
        self.link.commitAppSessionState(state)

    def play(self, *, playing: bool) -> None:
        state = self.link.captureAppSessionState()
        state.setIsPlaying(playing, self.link.clock().micros())
        self.link.commitAppSessionState(state)

    def send(self, port: str, address: str, *arguments: str) -> None:
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(json.loads(argument))
        self.socket.sendto(builder.build().dgram, ("127.0.0.1", int(port)))

    def receive(self) -> None:
        packet, ancillary, _, _ = self.socket.recvmsg(65536, 64)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        at_us = (seconds * 1_000_000_000 + nanoseconds - time.time_ns() + time.monotonic_ns()) // 1000
        bundled = packet.startswith(b"#bundle")
        for message in OscBundle(packet) if bundled else [OscMessage(packet)]:
            self.heard.append([at_us, self.beat(at_us), message.address, message.params])

    def obey(self, word: str, *arguments: str) -> object:
        match word:
            case "look":
                return self.look()
            case "seen":
                return self.seen
            case "beats":
                return [self.beat(int(at_us)) for at_us in arguments]
            case "heard":
                heard, self.heard = self.heard, []
                return heard
            case "enable" | "disable":
                self.link.enabled = word == "enable"
            case "tempo":
                self.tempo(float(arguments[0]))
            case "start" | "stop":
                self.play(playing=word == "start")
            case "send":
                self.send(*arguments)
        return None


def main() -> None:
    """Obey until standard input ends."""
    peer = Peer(float(sys.argv[1]))
    lines = b""
    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), peer.socket.fileno()], [], [], LOOK_S)
        peer.watch()
        if peer.socket.fileno() in readable:
            peer.receive()
        if sys.stdin.fileno() in readable:
            came = os.read(sys.stdin.fileno(), 65536)
            if not came:
                return
            *whole, lines = (lines + came).split(b"\n")
            for line in whole:
                sys.stdout.write(json.dumps(peer.obey(*line.decode().split())) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
