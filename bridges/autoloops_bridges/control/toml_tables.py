"""Cuts a TOML file at its table headers, so that a slip in one table does not take the others along. Pure."""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from autoloops_bridges.control.toml_words import misfit, unreadable

# Whole or not: no value in a rig file begins a line with a bracket.
_HEADER: Final = re.compile(r"^[ \t]*\[([^\n]*)", re.MULTILINE)
_WORD: Final = re.compile(r"[\w-]+")
# A header that lost its first bracket; a line that lost its equals sign has more than one word.
_STRAY: Final = re.compile(r"\S?[^\s,]*\]|\W*(?:(?:ports|parts)\.\S*|set|map)\W*")
_LINES_BACK: Final = 100
_AT_LINE: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")

_T = TypeVar("_T")


class BadTableError(Exception):
    """What is wrong with a table, the line where, and the key if it is one."""

    def __init__(self, reason: str, line: int, key: str = "") -> None:
        super().__init__(reason)
        self.line = line
        self.key = key


class TomlTable(NamedTuple):
    """One table as it is written.

    Attributes:
        kind: The first word of its header, all of it if that is broken; empty: what comes before the first header.
        text: Header and all, up to the next one.
        first_line: The line of the header, counted from 1.
    """

    kind: str
    text: str
    first_line: int

    def parse(self) -> dict[str, Any]:
        """What it holds.

        Raises:
            BadTableError: it is no TOML.
        """
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            at = self._broken_at(error)
            line = "".join(self.text.splitlines()[at : at + 1])
            raise BadTableError(unreadable(_AT_LINE.sub("", str(error)), line), self.first_line + at) from None

    def _broken_at(self, error: tomllib.TOMLDecodeError) -> int:
        """How far below the header what is no TOML begins: behind all that can be read."""
        found = _AT_LINE.search(str(error))
        lines = self.text.splitlines(keepends=True)
        noticed = min(int(found[1]), len(lines)) - 1 if found and found[1] else self.text.rstrip().count("\n")
        whole = (
            count for count in range(noticed, max(-1, noticed - _LINES_BACK), -1) if _is_toml("".join(lines[:count]))
        )
        return next(whole, noticed)

    def parted(self) -> "Iterator[TomlTable]":
        """The table, and apart from it what follows a line that may have been a header before it was broken."""
        try:
            self.parse()
        except BadTableError as bad:
            lines, at = self.text.splitlines(keepends=True), bad.line - self.first_line
            stray = lines[at].partition("#")[0].strip() if 0 < at < len(lines) else ""
            if "=" not in stray and _STRAY.fullmatch(stray):
                yield self._replace(text="".join(lines[:at]))
                yield TomlTable(stray, "".join(lines[at:]), bad.line)
                return
        yield self

    def convert(self, raw: object, kind: type[_T]) -> _T:
        """``raw``, a part of what it holds, as ``kind``.

        Raises:
            BadTableError: it does not fit.
        """
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            key, reason = misfit(error, raw, kind)
            raise self.bad(reason, key) from None

    def bad(self, reason: str, key: str = "") -> BadTableError:
        """An error that names the line of ``key``, else that of the header."""
        return BadTableError(reason, self.line_of(key), key)

    def line_of(self, key: str) -> int:
        """The line on which ``key`` is given a value, else that of the header."""
        found = re.search(rf"""^[ \t]*["']?{re.escape(key)}["']?[ \t]*=""", self.text, re.MULTILINE) if key else None
        return self.first_line + (self.text.count("\n", 0, found.start()) if found else 0)


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def tables(text: str) -> Iterator[TomlTable]:
    """All tables of a file, in order; the first is what comes before the first header. A broken header is one too."""
    headers = list(_HEADER.finditer(text))
    starts = [header.start() for header in headers]
    kinds = ["", *(_kind(header[1]) for header in headers)]
    for kind, (start, end) in zip(kinds, pairwise([0, *starts, len(text)]), strict=True):
        yield from TomlTable(kind, text[start:end], text.count("\n", 0, start) + 1).parted()


def _kind(header: str) -> str:
    """The first word of what follows the first bracket of a header."""
    word = _WORD.search(header.partition("#")[0])
    return word[0] if word else "["
