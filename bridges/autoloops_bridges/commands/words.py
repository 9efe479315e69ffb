"""How words of the command line are read; whatever makes no sense is wrong usage."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import typer

from autoloops_bridges.control.vocabulary import is_part_name
from autoloops_bridges.midi.latency import MAX_LATENCY_MS, MIN_LATENCY_MS
from autoloops_bridges.processes.options import Address

MIDI_SUFFIXES: Final = (".mid", ".midi")


def read_parts(text: str) -> tuple[str, ...]:
    """Part names between commas, each once.

    Raises:
        typer.BadParameter: there is none, one is no name of a part, or one comes twice.
    """
    parts = tuple(word.strip() for word in text.split(","))
    for part in parts:
        _check_part(part)
    if len(set(parts)) < len(parts):
        raise typer.BadParameter(f"A part is named twice in {text!r}.")
    return parts


class ModelWords(NamedTuple):
    """What ``--model`` says.

    Attributes:
        by_part: The bundles of ``PART=BUNDLE``.
        of_all: The bundle of all other parts; empty: none is named.
    """

    by_part: dict[str, str]
    of_all: str


def read_models(words: Iterable[str]) -> ModelWords:
    """The ``PART=BUNDLE`` and ``BUNDLE`` words of ``--model``; of each the last counts.

    Raises:
        typer.BadParameter: a word is of neither form.
    """
    words = list(words)
    whole = [word for word in words if "=" not in word]
    return ModelWords(_read_pairs((word for word in words if "=" in word), "BUNDLE", "--model"), (whole or [""])[-1])


def read_channels(words: Iterable[str]) -> dict[str, int]:
    """The ``PART=N`` words of ``--channel``, N a MIDI channel from 1 to 16.

    Raises:
        typer.BadParameter: a word is not of that form.
    """
    channels = {}
    for part, text in _read_pairs(words, "N", "--channel").items():
        if not text.isdecimal() or not 1 <= int(text) <= 16:
            raise typer.BadParameter(f"MIDI channels are 1 to 16, not {text!r}.", param_hint="--channel")
        channels[part] = int(text)
    return channels


def read_addresses(words: Iterable[str]) -> tuple[Address, ...]:
    """The ``HOST:PORT`` words of ``--osc-send``, an IPv6 host in brackets.

    Raises:
        typer.BadParameter: a word is not of that form.
    """
    addresses = []
    for word in words:
        host, _, port = word.rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
            raise typer.BadParameter(
                f"{word!r} is not of the form HOST:PORT, for example 127.0.0.1:9001.", param_hint="--osc-send"
            )
        addresses.append(Address(host.strip("[]"), int(port)))
    return tuple(addresses)


def read_latencies(words: Iterable[str]) -> dict[str, float]:
    """The ``PORT=MS`` words of ``--latency``; of one port the last counts.

    Raises:
        typer.BadParameter: a word is not of that form.
    """
    latencies_ms = {}
    for word in words:
        port, _, text = word.rpartition("=")
        try:
            latency_ms = float(text)
        except ValueError:
            latency_ms = math.nan
        if not port or not MIN_LATENCY_MS <= latency_ms <= MAX_LATENCY_MS:
            raise typer.BadParameter(
                f"{word!r} is not of the form PORT=MS, with {MIN_LATENCY_MS:g} to {MAX_LATENCY_MS:g} ms.",
                param_hint="--latency",
            )
        latencies_ms[port] = latency_ms
    return latencies_ms


def check_known_parts(named: Iterable[str], parts: tuple[str, ...], option: str) -> None:
    """Refuse options for parts that do not play.

    Raises:
        typer.BadParameter: a part is not among ``parts``.
    """
    for part in named:
        if part not in parts:
            raise typer.BadParameter(f"There is no part {part!r}; add it to --parts.", param_hint=option)


def check_number(value: float | None) -> float | None:
    """The option's number, unless it is none; ranges let not-a-number through in some releases of typer.

    Raises:
        typer.BadParameter: it is infinite or not a number.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to play with.")
    return value


def check_midi_file(path: Path | None) -> Path | None:
    """Where a MIDI file is to be written: what is called otherwise is taken for something else by all who open it.

    Raises:
        typer.BadParameter: the name does not end as that of a MIDI file does.
    """
    if path is not None and path.suffix.lower() not in MIDI_SUFFIXES:
        raise typer.BadParameter(
            f"What is written is a MIDI file, so {path} has to end in {' or '.join(MIDI_SUFFIXES)}."
        )
    return path


def repeat_options(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """The words with ``--option A B`` written as ``--option A --option B``, which is what typer reads."""
    spread: list[str] = []
    option, taken = "", 0
    for word in words:
        if word.startswith("--"):
            option, taken = word if word in options else "", 0
        elif option:
            if taken:
                spread.append(option)
            taken += 1
        spread.append(word)
    return spread


def _read_pairs(words: Iterable[str], what: str, option: str) -> dict[str, str]:
    """``PART=VALUE`` words; of one part the last counts."""
    pairs = {}
    for word in words:
        part, sign, value = word.partition("=")
        if not sign or not value:
            raise typer.BadParameter(f"{word!r} is not of the form PART={what}.", param_hint=option)
        _check_part(part)
        pairs[part] = value
    return pairs


def _check_part(part: str) -> None:
    if not is_part_name(part):
        raise typer.BadParameter(
            f"{part!r} cannot name a part: small letters, digits, - and _, starting with a letter, and no OSC word."
        )
