"""Input that nobody should send: random, mutated and malicious OSC packets and MIDI bytes, the same for each seed."""

import random
import struct
from collections.abc import Iterator

from autoloops_bridges.osc import codec

FLOATS = (0.0, 0.5, 1.0, -1.0, 1e30, -1e30, float("nan"), float("inf"), float("-inf"), 1e-45)
INTS = (0, 1, -1, 2, 7, 127, 128, 2**31 - 1, -(2**31), 2**40, -(2**62))
WORDS = (
    "",
    "1",
    "true",
    "new",
    "vary",
    "again",
    "now",
    "bar",
    "loop",
    "nan",
    "1e999",
    "x" * 300,
    "\u266a",
    "/al/tempo",
)
# All that can be said but /al/stop, so that silence is never asked for.
ADDRESSES = (
    *("/al/start", "/al/continue", "/al/panic", "/al/tempo", "/al/ping", "/al/listen", "/al/sync", "/al/playing"),
    *("/al/stats", "/al/beat", "/al/error", "/al/nope", "/al", "/", "/al//z", "/al/melody"),
    *(f"/al/melody/{name}" for name in ("z", "z/1", "z/4", "z/5", "z/0", "knob/1", "knob/30", "knob/9999", "attr/x")),
    *(f"/al/melody/{name}" for name in ("temperature", "seed", "hold", "mute", "transpose", "velocity", "length")),
    *(f"/al/melody/{name}" for name in ("fire", "restart", "note", "bar", "nope")),
    *("/al/bass/z", "/al/stop/z", "/al/MELODY/z", "/al/melody/z/1/2", "/al/melody/knob/-1", "/al/melody/knob/01"),
)
TAGS = (0, 1, 2, 1 << 32, (1 << 63) - 1, (1 << 64) - 1)
STATUS = (
    0x80,
    0x90,
    0xA0,
    0xB0,
    0xC0,
    0xD0,
    0xE0,
    0xF0,
    0xF1,
    0xF2,
    0xF3,
    0xF4,
    0xF6,
    0xF7,
    0xF8,
    0xFA,
    0xFC,
    0xFE,
    0xFF,
)


def osc_packets(count: int, seed: int) -> Iterator[bytes]:
    """So many packets, a fifth of them sound."""
    dice = random.Random(seed)
    kept = [codec.encode("/al/ping", (1,))]
    for _ in range(count):
        kind = dice.randrange(5)
        if kind == 0:
            packet = dice.randbytes(dice.choice((0, 1, 3, 4, 7, 8, 16, 40, 200)))
        elif kind == 1:
            packet = _bundle(dice, depth=dice.randrange(12))
        else:
            packet = _message(dice)
            if kind >= 3:
                packet = _mutated(dice, packet, dice.choice(kept))
        if len(kept) < 500:
            kept.append(packet)
        yield packet


def midi_messages(total_bytes: int, seed: int) -> Iterator[bytes]:
    """Pieces of so many bytes together, as a driver may hand them over, or never should."""
    dice = random.Random(seed)
    sent = 0
    while sent < total_bytes:
        kind = dice.randrange(16)
        if kind < 4:
            piece = dice.randbytes(dice.randrange(1, 8))
        elif kind == 4:
            piece = (
                b"\xf0" + dice.randbytes(dice.choice((0, 1, 10, 100, 1000))) + dice.choice((b"\xf7", b"", b"\xf8\xf7"))
            )
        else:
            piece = bytes((dice.choice(STATUS) | dice.randrange(16) * (kind > 9), *_data(dice)))
            if dice.random() < 0.1:
                # A clock byte inside a message, and running status behind it.
                piece = piece[:1] + b"\xf8" + piece[1:] + piece[1:]
        sent += len(piece)
        yield piece


def _data(dice: random.Random) -> bytes:
    return bytes(dice.randrange(128) for _ in range(dice.randrange(4)))


def _message(dice: random.Random) -> bytes:
    arguments = [dice.choice((FLOATS, INTS, WORDS)) for _ in range(dice.choice((0, 0, 1, 1, 1, 2, 4, 40)))]
    tags, body = ",", b""
    for group in arguments:
        tag = dice.choice("TFNI[]") if dice.random() < 0.1 else ""
        value = dice.choice(group)
        if tag:
            tags += tag
        elif dice.random() < 0.05:
            size = dice.choice((0, 1, 5, -1, 2**31 - 1))
            tags, body = tags + "b", body + struct.pack(">i", size) + dice.randbytes(max(0, min(size, 8)))
        elif isinstance(value, float):
            tags, body = tags + "d", body + struct.pack(">d", value)
        elif isinstance(value, str):
            text = value.encode() + b"\0"
            tags, body = tags + "s", body + text + bytes(-len(text) % 4)
        else:
            tags, body = tags + "h", body + struct.pack(">q", value)
    head = b"".join(
        text + bytes(-len(text) % 4) for text in (dice.choice(ADDRESSES).encode() + b"\0", tags.encode() + b"\0")
    )
    return head + body


def _bundle(dice: random.Random, depth: int) -> bytes:
    tag = dice.choice(TAGS) if dice.random() < 0.7 else dice.getrandbits(64)
    inner = _bundle(dice, depth - 1) if depth else _message(dice)
    parts = [inner, *(_message(dice) for _ in range(dice.randrange(3)))]
    sizes = [len(part) if dice.random() < 0.95 else dice.choice((0, -4, 2**31 - 1, 3)) for part in parts]
    body = b"".join(struct.pack(">i", size) + part for size, part in zip(sizes, parts, strict=True))
    return b"#bundle\0" + struct.pack(">Q", tag) + body


def _mutated(dice: random.Random, packet: bytes, other: bytes) -> bytes:
    """``packet`` with some bits turned, bytes lost or doubled, or the tail of another."""
    data = bytearray(packet)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                del data[at : at + dice.randrange(1, 9)]
            case 2:
                data[at:at] = data[at : at + dice.randrange(1, 9)]
            case _:
                data[at:] = other[dice.randrange(len(other) + 1) :]
    return bytes(data)
