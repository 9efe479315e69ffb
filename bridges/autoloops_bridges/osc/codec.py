"""OSC packets: bytes to messages and back. Pure; malformed bytes give a value, never an exception.

Messages are read by python-osc's parser and written with its builders. Bundles are walked here: the parser loops for
ever over an element of negative size, keeps time tags as floats only, and logs each surprise.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pythonosc import osc_message
from pythonosc.parsing import osc_types

MAX_MESSAGE_BYTES: Final = 8192
MAX_ELEMENTS: Final = 1024
MAX_DEPTH: Final = 8
IMMEDIATELY: Final = 1
_BUNDLE: Final = b"#bundle\x00"
BUNDLE_HEAD_BYTES: Final = 16
# Beyond this (IEEE 754, binary32) a float travels as a double.
_LARGEST_FLOAT: Final = 3.4028234e38
_TYPE_TAGS: Final = frozenset(b"ifdhsbrmtTFN[]")

Argument = int | float | str


class Message(NamedTuple):
    """A message as it came in; arguments of types that no address takes are there as bytes, tuples or none."""

    address: str
    arguments: tuple[object, ...]


class Element(NamedTuple):
    """One message of a packet, not parsed yet, and the time tag it is due at (``IMMEDIATELY`` when untagged)."""

    tag: int
    data: bytes


class Malformed(NamedTuple):
    """Why bytes are no OSC packet."""

    reason: str


def split(packet: bytes) -> list[Element] | Malformed:
    """The messages of ``packet`` in order; those of nested bundles carry the later of the tags around them."""
    elements: list[Element] = []
    waiting = [(IMMEDIATELY, 0, packet)]
    while waiting:
        tag, depth, data = waiting.pop()
        if not data.startswith(_BUNDLE):
            if len(data) > MAX_MESSAGE_BYTES:
                return Malformed(f"a message is longer than {MAX_MESSAGE_BYTES} bytes")
            elements.append(Element(tag, data))
            continue
        inner = _unpack(data)
        if isinstance(inner, Malformed):
            return inner
        if depth == MAX_DEPTH or len(waiting) + len(elements) + len(inner[1]) > MAX_ELEMENTS:
            return Malformed(f"a packet holds more than {MAX_ELEMENTS} messages or bundles {MAX_DEPTH} deep")
        waiting.extend((max(tag, inner[0]), depth + 1, element) for element in reversed(inner[1]))
    return elements


def parse(data: bytes) -> Message | Malformed:
    """The message that ``data`` holds, arrays flattened."""
    end = data.find(b"\x00")
    if end < 0 or not data.startswith(b"/"):
        return Malformed("a message begins with an address such as /al/start")
    tags_at = _padded(end + 1)
    tags = data[tags_at : data.find(b"\x00", tags_at)]
    # What the parser does not know it would log, for each packet of a flood.
    if not _TYPE_TAGS.issuperset(tags[1:]):
        return Malformed(f"the type tags {tags[:20]!r} are not all of i f d h s b r m t T F N [ ]")
    try:
        message = osc_message.OscMessage(data)
    except (osc_message.ParseError, osc_types.ParseError, ValueError, IndexError, OverflowError) as error:
        return Malformed(str(error.args[0]) if error.args else type(error).__name__)
    return Message(message.address, tuple(_flattened(message.params)))


def raw_address(data: bytes) -> bytes:
    """The address bytes of a message that is not parsed yet; all of it if there is no end."""
    return data.partition(b"\x00")[0]


def has_arguments(data: bytes, address_bytes: int) -> bool:
    """Whether a message whose address has ``address_bytes`` bytes seems to carry arguments."""
    tags_at = _padded(address_bytes + 1)
    return data[tags_at : tags_at + 1] == b"," and data[tags_at + 1 : tags_at + 2] not in {b"", b"\x00"}


def encode(address: str, arguments: Sequence[Argument] = ()) -> bytes:
    """The message as bytes; booleans go out as 0 and 1, which every client reads."""
    tags = ","
    body = b""
    for argument in arguments:
        if isinstance(argument, float) and _LARGEST_FLOAT < abs(argument) < math.inf:
            tags += "d"
            body += osc_types.write_double(argument)
        elif isinstance(argument, float):
            tags += "f"
            body += osc_types.write_float(argument)
        elif isinstance(argument, str):
            tags += "s"
            body += osc_types.write_string(_sendable(argument))
        elif argument.bit_length() < 32:
            tags += "i"
            body += osc_types.write_int(argument)
        else:
            tags += "h"
            body += osc_types.write_int64(argument)
    return osc_types.write_string(address) + osc_types.write_string(tags) + body


def _sendable(text: str) -> str:
    """The text without what no OSC string holds: zero, and the odd bytes that a file's name may have."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def bundle(tag: int, messages: Iterable[bytes]) -> bytes:
    """A bundle of encoded messages due at the NTP time ``tag``."""
    parts = [_BUNDLE, struct.pack(">Q", tag)]
    for message in messages:
        parts.append(osc_types.write_int(len(message)))
        parts.append(message)
    return b"".join(parts)


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _unpack(data: bytes) -> tuple[int, list[bytes]] | Malformed:
    """Time tag and elements of one bundle."""
    if len(data) < BUNDLE_HEAD_BYTES:
        return Malformed("a bundle ends before its time tag")
    (tag,) = struct.unpack_from(">Q", data, len(_BUNDLE))
    elements: list[bytes] = []
    at = BUNDLE_HEAD_BYTES
    while at < len(data):
        if at + 4 > len(data):
            return Malformed("a bundle ends inside an element")
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size <= 0 or at + size > len(data):
            return Malformed(f"an element of a bundle claims {size} bytes")
        elements.append(data[at : at + size])
        at += size
    return tag, elements


def _flattened(parameters: list[object]) -> list[object]:
    flat: list[object] = []
    waiting = [iter(parameters)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            flat.append(value)
        else:
            waiting.pop()
    return flat
