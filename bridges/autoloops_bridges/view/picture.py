"""The picture of the live view in the README: ``python -m autoloops_bridges.view.picture FILE.svg``.

It is what the view draws in a real performance of the bundled models, played without a clock so that the picture is the
same each time; the ports are those of a machine with MIDI.
"""

import html
import io
import re
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from autoloops_bridges.commands.bundles import choose_bundles, default_parts
from autoloops_bridges.commands.casts import open_cast
from autoloops_bridges.processes.options import PlayOptions, assign_channels
from autoloops_bridges.view.rehearsal import Rehearsal
from autoloops_bridges.view.render import render
from autoloops_engine.messages import PortsState
from autoloops_engine.units import BAR_UB, STEP_UB

WIDTH: Final = 80
HEIGHT: Final = 24
_SEED: Final = 4
_DECODE_US: Final = 2_100
_SETTLED_US: Final = 1_000_000
_PORT: Final = "AutoLoops"
# Where the performer varies the first part, and where the picture is taken.
_VARIED_UB: Final = 5 * BAR_UB
_TAKEN_UB: Final = 6 * BAR_UB + 6 * STEP_UB
# Black, red, green, yellow, blue, magenta, cyan, white.
_NORMAL: Final = "3a3e47 e06c75 7ec684 e5c062 5c94e6 c678dd 56c8d6 c8ccd4"
_BRIGHT: Final = "707682 f0828a 96dc9c f5d278 78aaf5 d791eb 78dce8 ffffff"
_TEXT: Final = re.compile(r'(<text [^>]*?x=")([\d.]+)(" y="[\d.]+" textLength=")([\d.]+)("[^>]*>)([^<]*)</text>')
_FONTS: Final = "DejaVu Sans Mono, Menlo, Consolas"


def rehearsed() -> Rehearsal:
    """The performance at the moment of the picture.

    Raises:
        BundleError: a bundled model is damaged.
        ModelError: a model cannot be run.
    """
    parts = default_parts()
    channels = assign_channels(parts, {})
    cast = open_cast(choose_bundles(parts, {}), channels)
    options = PlayOptions(parts=parts, channels=channels, seed=_SEED)
    rehearsal = Rehearsal(
        options,
        [part.setup for part in cast],
        {part.setup.name: part.decoder for part in cast},
        decode_us=_DECODE_US,
    )
    rehearsal.watch.heard(PortsState((_PORT,), (_PORT,), ()))
    rehearsal.watch.remark(f"Try: autoloops send /al/{parts[0]}/fire")
    rehearsal.run_until(_SETTLED_US)
    rehearsal.press(" ")
    rehearsal.run_until(2 * _SETTLED_US)
    rehearsal.run_to(_VARIED_UB)
    rehearsal.press("v")
    rehearsal.run_to(_TAKEN_UB)
    return rehearsal


def picture(rehearsal: Rehearsal) -> str:
    """The view at this moment as SVG."""
    theme = TerminalTheme((24, 26, 31), (222, 224, 228), _colours(_NORMAL), _colours(_BRIGHT))
    console = Console(file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT, force_terminal=True)
    console.print(render(rehearsal.shown(), WIDTH, HEIGHT))
    svg = console.export_svg(title="autoloops play", theme=theme, unique_id="live")
    # The fonts of whoever looks at it: a picture loads nothing.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", _FONTS)
    return _TEXT.sub(_without_edges, svg)


def _without_edges(text: re.Match[str]) -> str:
    """A piece of text without the blanks around it, which some programs leave out and then draw the rest amiss."""
    before, x, between, length, after, escaped = text.groups()
    words = html.unescape(escaped)
    kept = words.strip()
    if not kept:
        return ""
    column = float(length) / len(words)
    left = float(x) + column * (len(words) - len(words.lstrip()))
    inner = html.escape(kept).replace("\xa0", "&#160;")
    return f"{before}{left:g}{between}{column * len(kept):g}{after}{inner}</text>"


def _colours(words: str) -> list[tuple[int, int, int]]:
    return [(word[0], word[1], word[2]) for word in map(bytes.fromhex, words.split())]


def main() -> int:
    """Write the picture."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture(rehearsed()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
