"""Bytes to messages and back: exact both ways, and no bytes whatever raise."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import osc_bundle, osc_message
from pythonosc.osc_message_builder import build_msg

from autoloops_bridges.osc import codec

FLOATS = st.floats(width=32, allow_nan=False)
INTS = st.integers(-(2**31), 2**31 - 1)
WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
ARGUMENTS = st.lists(st.one_of(FLOATS, INTS, WORDS, st.booleans()), max_size=8)


def parsed(data: bytes) -> codec.Message:
    message = codec.parse(data)
    assert isinstance(message, codec.Message), message
    return message


@given(ARGUMENTS)
def test_what_is_encoded_reads_the_same_here_and_in_python_osc(arguments: list[Any]) -> None:
    data = codec.encode("/al/melody/note", arguments)
    assert parsed(data) == codec.Message("/al/melody/note", tuple(arguments))
    assert osc_message.OscMessage(data).params == arguments


@given(ARGUMENTS)
def test_what_python_osc_builds_is_read(arguments: list[Any]) -> None:
    assert parsed(build_msg("/x", arguments).dgram).arguments == tuple(arguments)


def test_booleans_go_out_as_integers_that_every_client_reads() -> None:
    assert codec.encode("/a", (True, False)) == b"/a\x00\x00,ii\x00\x00\x00\x00\x01\x00\x00\x00\x00"


def test_large_integers_go_out_in_64_bits() -> None:
    assert parsed(codec.encode("/a", (2**31,))).arguments == (2**31,)


def test_arrays_are_flattened_however_deep() -> None:
    tags = "," + "[" * 2000 + "i" + "]" * 2000 + "f"
    data = b"/a\x00\x00" + tags.encode() + b"\x00" * (4 - len(tags) % 4) + struct.pack(">if", 7, 0.5)
    assert parsed(data).arguments == (7, 0.5)


def test_bundles_are_read_by_python_osc_and_back() -> None:
    messages = [codec.encode("/a", (1,)), codec.encode("/b", (2.0,))]
    packet = codec.bundle(5 << 32, messages)
    assert codec.split(packet) == [codec.Element(5 << 32, message) for message in messages]
    assert [content.address for content in osc_bundle.OscBundle(packet)] == ["/a", "/b"]


def test_inner_bundles_carry_the_later_tag_and_keep_the_order() -> None:
    a, b, c, d = (codec.encode(f"/{name}") for name in "abcd")
    inner_now = _nest(codec.IMMEDIATELY, b)
    inner_later = _nest(9 << 32, c)
    packet = _nest(5 << 32, a, inner_now, inner_later, d)
    assert codec.split(packet) == [
        codec.Element(5 << 32, a),
        codec.Element(5 << 32, b),
        codec.Element(9 << 32, c),
        codec.Element(5 << 32, d),
    ]


def _nest(tag: int, *elements: bytes) -> bytes:
    return codec.bundle(tag, elements)


@pytest.mark.parametrize(
    "packet",
    [
        b"#bundle\x00",
        b"#bundle\x00" + b"\x00" * 8 + struct.pack(">i", -4),
        b"#bundle\x00" + b"\x00" * 8 + struct.pack(">i", 0) * 1000,
        b"#bundle\x00" + b"\x00" * 8 + struct.pack(">i", 2**31 - 1) + b"/a\x00\x00",
        b"#bundle\x00" + b"\x00" * 8 + b"\x00\x00",
        codec.bundle(1, [b"/a\x00\x00"] * 1025),
        b"/" + b"a" * 9000,
    ],
)
def test_broken_or_excessive_packets_give_a_reason(packet: bytes) -> None:
    assert isinstance(codec.split(packet), codec.Malformed)


def test_bundles_nested_too_deep_give_a_reason() -> None:
    packet = codec.encode("/a")
    for _ in range(codec.MAX_DEPTH + 1):
        packet = codec.bundle(1, [packet])
    assert isinstance(codec.split(packet), codec.Malformed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"/a",
        b"a\x00\x00\x00",
        b"/\xff\x00\x00,\x00\x00\x00",
        b"/a\x00\x00,Q\x00\x00",
        b"/a\x00\x00,,\x00\x00",
    ],
)
def test_broken_messages_give_a_reason(data: bytes) -> None:
    assert isinstance(codec.parse(data), codec.Malformed)


def test_a_message_without_type_tags_has_no_arguments() -> None:
    assert parsed(b"/a\x00\x00").arguments == ()


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_give_a_reason(data: bytes) -> None:
    for packet in (data, b"/al/z\x00\x00\x00," + data, b"#bundle\x00" + data):
        elements = codec.split(packet)
        if not isinstance(elements, codec.Malformed):
            for element in elements:
                assert isinstance(codec.parse(element.data), (codec.Message, codec.Malformed))


@given(ARGUMENTS, st.data())
def test_no_mutation_of_a_good_packet_raises(arguments: list[Any], data: st.DataObject) -> None:
    message = codec.encode("/al/melody/z", arguments)
    packet = bytearray(codec.bundle(1, [message, codec.bundle(7, [message])]))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(packet) - 1))
        packet[at] = data.draw(st.sampled_from([0, 1, 0x2C, 0x5B, 0x5D, 0x62, 0x7F, 0x80, 0xFF]))
    elements = codec.split(bytes(packet[: data.draw(st.integers(0, len(packet)))]))
    if not isinstance(elements, codec.Malformed):
        for element in elements:
            assert isinstance(codec.parse(element.data), (codec.Message, codec.Malformed))


@given(ARGUMENTS)
def test_the_cheap_look_at_a_message_agrees_with_the_parser(arguments: list[Any]) -> None:
    data = codec.encode("/al/melody/z", arguments)
    address = codec.raw_address(data)
    assert address == b"/al/melody/z"
    assert codec.has_arguments(data, len(address)) == bool(arguments)


def test_text_that_is_no_unicode_travels_with_marks_in_its_place() -> None:
    assert codec.parse(codec.encode("/al/error", ("caf\udce9.toml\x00",))) == codec.Message("/al/error", ("caf?.toml",))


def test_a_float_that_only_a_double_holds_travels_as_one() -> None:
    values = (1e300, -1e39, 0.5, float("inf"))
    assert codec.parse(codec.encode("/al/ping", values)) == codec.Message("/al/ping", values)
