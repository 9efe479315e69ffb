"""Names of MIDI ports and how a performer's words find them. Pure."""

import re
from collections.abc import Sequence
from typing import Final

# What may stand for a port's name: a port of our own, and no port.
VIRTUAL: Final = "virtual"
NONE: Final = "none"
_ALSA_NUMBERS: Final = re.compile(r"\s+\d+:\d+$")


def stable_name(name: str) -> str:
    """The name without what changes at every plug-in: ALSA appends its client and port numbers."""
    return _ALSA_NUMBERS.sub("", name)


def find_port(names: Sequence[str], wanted: str) -> int | None:
    """The place of the port that ``wanted`` means: the same name if there is one, else the first that contains it.

    Capitals do not matter.
    """
    stable = [stable_name(name).casefold() for name in names]
    word = stable_name(wanted).casefold()
    if word in stable:
        return stable.index(word)
    return next((index for index, name in enumerate(stable) if word in name), None)
