"""A snapshot as rows of text that fill a terminal of any size. Pure.

From the top: the transport, the ruler, each part with the bar that sounds and the next one, counters, ports, the last
control, what the performer was told, the keys. What matters least goes first where there is little room. Everything
that a colour says is said by a character too.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from autoloops_bridges.processes.report import pitch_name
from autoloops_bridges.view.digits import ROWS as DIGIT_ROWS
from autoloops_bridges.view.digits import large
from autoloops_bridges.view.roll import Cell, Lanes, column_of, draw
from autoloops_bridges.view.snapshot import ShownBar, ShownPart, Snapshot
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, STEPS_PER_BAR, UB_PER_BEAT, US_PER_MS, US_PER_S

MIN_WIDTH: Final = 20
# Rolls of whole steps only, so that beats stand below each other; more than four columns a step tell nothing new.
_MAX_STEP_COLUMNS: Final = 4
_LABEL: Final = 10
_AXIS: Final = 4
_MARGIN: Final = 1
_GAP: Final = 2
_MAX_PART_ROWS: Final = 14
_LARGE_FROM: Final = (60, 20)

_DIM: Final = "bright_black"
_SOUNDING: Final = "cyan"
_STRUCK: Final = "bold bright_white"
_NEXT: Final = "blue"
_WARNING: Final = "bold yellow"
_KEYS: Final = (
    ("space", "start/stop"),
    ("f", "new"),
    ("v", "vary"),
    ("m", "mute"),
    ("1-9", "part"),
    ("+ -", "tempo"),
    ("p", "panic"),
    ("q", "quit"),
)


def render(shown: Snapshot, width: int, height: int) -> Group:
    """The whole view: exactly ``height`` rows, each ``width`` columns wide."""
    return Group(*rows(shown, width, height))


def rows(shown: Snapshot, width: int, height: int) -> list[Text]:
    """The same, row by row, from the top."""
    layout = _Layout(width)
    roomy = width >= _LARGE_FROM[0] and height >= _LARGE_FROM[1]
    top = [*(_large_transport(shown, width) if roomy else _transport(shown)), _ruler(shown, layout)]
    bottom = list(_bottom(shown, width))
    # The keys are wanted least by who knows them, the counters most.
    while len(top) + len(bottom) + 2 * len(shown.parts) > height and bottom:
        bottom.pop()
    middle = _parts(shown, layout, max(0, height - len(top) - len(bottom)))
    drawn = [*top, *middle, *bottom][:height]
    for row in drawn:
        row.no_wrap = True
        row.truncate(width, overflow="ellipsis", pad=True)
    return drawn


class _Layout:
    """Where the columns of the rolls are."""

    def __init__(self, width: int) -> None:
        self.rolls = 2
        room = width - _MARGIN - _LABEL - _AXIS
        step_columns = (room - _GAP) // (2 * STEPS_PER_BAR)
        if step_columns < 1:
            self.rolls, step_columns = 1, room // STEPS_PER_BAR
        self.columns = STEPS_PER_BAR * max(1, min(_MAX_STEP_COLUMNS, step_columns))


# -- transport -------------------------------------------------------------------------------------------------------


def _position(shown: Snapshot) -> tuple[int, int]:
    bar, rest_ub = divmod(shown.position_ub, BAR_UB)
    return bar + 1, rest_ub // UB_PER_BEAT + 1


def _state(shown: Snapshot) -> Text:
    return Text("▶ playing", "bold green") if shown.playing else Text("■ stopped", _WARNING)


def _beats(shown: Snapshot) -> str:
    _, beat = _position(shown)
    return " ".join("●" if shown.playing and at == beat else "○" for at in range(1, BEATS_PER_BAR + 1))


def _transport(shown: Snapshot) -> list[Text]:
    bar, beat = _position(shown)
    row = Text(" ").append_text(_state(shown))
    row.append(f"  {bar:>4}.{beat}  ", "bold")
    row.append(f"{shown.tempo_bpm:g} BPM".replace(".0 ", " "), "bold").append(f"  {_beats(shown)}")
    return [row.append(f"  sync {shown.sync}", _DIM)]


def _large_transport(shown: Snapshot, width: int) -> list[Text]:
    bar, beat = _position(shown)
    position, tempo = large(f"{bar:>4}.{beat}"), large(f"{shown.tempo_bpm:>5.1f}")
    facts = [_state(shown), Text(_beats(shown), "bold"), Text(f"sync {shown.sync}", _DIM)]
    units = ("", "", "BPM")
    drawn = []
    for row in range(DIGIT_ROWS):
        text = Text(" " * _MARGIN).append(position[row], "bold").append("    ").append_text(facts[row])
        text.append(" " * max(1, width - text.cell_len - len(tempo[row]) - 5))
        drawn.append(text.append(tempo[row], "bold").append(f" {units[row]:<3} ", _DIM))
    return drawn


def _ruler(shown: Snapshot, layout: _Layout) -> Text:
    row = Text(" " * (_MARGIN + _LABEL + _AXIS))
    bar, _ = _position(shown)
    row.append_text(_bar_ruler(f"bar {bar}", layout.columns, column_of(shown.position_ub, layout.columns)))
    if layout.rolls == 2:
        title = f"next: {bar + 1 if shown.playing else 1}"
        row.append(" " * _GAP).append_text(_bar_ruler(title, layout.columns, None))
    return row


def _bar_ruler(title: str, columns: int, head: int | None) -> Text:
    beat = columns // BEATS_PER_BAR
    line = [("┬" if at % beat == 0 else "─") for at in range(columns)]
    line[-len(title) - 2 : -1] = f" {title}"
    text = Text("".join(line), _DIM)
    if head is not None:
        text = text[:head].append("▼", _STRUCK).append_text(text[head + 1 :])
    return text


# -- parts -----------------------------------------------------------------------------------------------------------


def _parts(shown: Snapshot, layout: _Layout, room: int) -> list[Text]:
    count = len(shown.parts)
    gaps = count - 1 if room >= 4 * count - 1 else 0
    each = min(_MAX_PART_ROWS, (room - gaps) // count) if count else 0
    fitting = count
    if each < 1:
        each, fitting = 1, room
    # Those that do not fit are reached by selecting them.
    first = max(0, min(shown.selected - fitting + 1, count - fitting))
    drawn: list[Text] = []
    for at in range(first, first + fitting):
        drawn += _part(shown, at, layout, each)
        if gaps and at < first + fitting - 1:
            drawn.append(Text())
    drawn += [Text() for _ in range(room - len(drawn))]
    return drawn


def _part(shown: Snapshot, at: int, layout: _Layout, height: int) -> Iterator[Text]:
    part = shown.parts[at]
    lanes = Lanes(part.pitches, 2 * height, pitched=part.pitched)
    head = column_of(shown.position_ub, layout.columns) if shown.playing else None
    style = _DIM if part.muted else _SOUNDING
    sounding = _roll(part.sounding, lanes, height, layout.columns, head, style)
    following = _roll(part.next, lanes, height, layout.columns, None, _DIM if part.muted else _NEXT)
    labels = _labels(part, at, at == shown.selected, height)
    axis = _axis(part, lanes, height)
    for row in range(height):
        text = Text(" " * _MARGIN).append_text(labels[row]).append(f"{axis[row]:>{_AXIS - 1}} ", _DIM)
        text.append_text(sounding[row])
        if layout.rolls == 2:
            text.append(" " * _GAP).append_text(following[row])
        yield text


def _labels(part: ShownPart, at: int, selected: bool, height: int) -> list[Text]:
    """The name first, then what fits, most telling first; in a single row the state stands before the name."""
    name = Text(f"{'▸' if selected else ' '}{at + 1} {part.name}", "bold" if selected else "")
    states = []
    if part.muted:
        states.append(Text("  MUTED", _WARNING))
    origin = part.sounding.origin if part.sounding is not None else ""
    if origin in {"last", "again", "empty"}:
        states.append(Text(f"  {origin}", _WARNING))
    if part.misses:
        states.append(Text(f"  missed {part.misses}", _WARNING))
    states += [Text("  holds" if part.hold else "  varies", _DIM), Text(f"  ch {part.channel}", _DIM)]
    if height == 1 and part.muted:
        name = Text(f"{'▸' if selected else ' '}M {part.name}", _WARNING)
    labels = [name, *states][:height]
    labels += [Text() for _ in range(height - len(labels))]
    for label in labels:
        label.truncate(_LABEL, overflow="ellipsis", pad=True)
    return labels


def _axis(part: ShownPart, lanes: Lanes, height: int) -> list[str]:
    """The names of the highest and the lowest pitch, where they are drawn; instruments have none."""
    axis = [""] * height
    if part.pitched and lanes.low is not None and lanes.high is not None:
        for pitch in (lanes.low, lanes.high):
            axis[height - 1 - lanes.level(pitch) // 2] = pitch_name(pitch)
    return axis


def _roll(bar: ShownBar | None, lanes: Lanes, height: int, columns: int, head: int | None, style: str) -> list[Text]:
    cells = draw(bar.notes if bar is not None else (), lanes, height, columns, head)
    return [_styled(row, style) for row in cells]


def _styled(cells: Sequence[Cell], style: str) -> Text:
    """The cells of a row, neighbours of one style together."""
    text = Text()
    run, run_style = "", ""
    for cell in cells:
        cell_style = (_STRUCK if cell.head else style) if cell.note else _DIM
        if cell_style != run_style:
            text.append(run, run_style)
            run, run_style = "", cell_style
        run += cell.text
    return text.append(run, run_style)


# -- below -----------------------------------------------------------------------------------------------------------


def _bottom(shown: Snapshot, width: int) -> Iterator[Text]:
    """The rows below the parts, the most wanted first."""
    yield _counters(shown)
    yield _fact("control", shown.control or "none yet")
    yield _fact("ports", _ports(shown))
    yield _fact("told", shown.remarks[-1] if shown.remarks else "")
    yield _keys(width)


def _counters(shown: Snapshot) -> Text:
    row = Text(" " * _MARGIN)
    ahead = "-" if shown.ahead_us is None else f"{shown.ahead_us / US_PER_S:.2f} s"
    decode = "-" if shown.decode_us is None else f"{shown.decode_us / US_PER_MS:.1f}"
    row.append("ahead ", _DIM).append(f"{ahead:<7}").append(" decode ", _DIM)
    row.append(f"{f'{decode} of {shown.budget_us / US_PER_MS:.1f} ms':<16}")
    counts = (("misses", shown.misses), ("fallbacks", shown.fallbacks), ("lost", shown.lost))
    for name, count in counts:
        row.append(f" {name} ", _DIM).append(f"{count:<3}", _WARNING if count else "")
    return row.append(" late ", _DIM).append(f"{shown.late_max_us / US_PER_MS:.1f} ms")


def _ports(shown: Snapshot) -> str:
    midi_out, midi_in = ", ".join(shown.outputs) or "none", ", ".join(shown.inputs) or "none"
    return f"OSC {shown.osc} ({shown.listeners} listening)  MIDI out {midi_out}  in {midi_in}"


def _fact(name: str, value: str) -> Text:
    return Text(" " * _MARGIN).append(f"{name:<8} ", _DIM).append(value)


def _keys(width: int) -> Text:
    whole = Text(" " * _MARGIN)
    for key, what in _KEYS:
        whole.append(key, "bold").append(f" {what}  ", _DIM)
    whole.rstrip()
    if whole.cell_len <= width:
        return whole
    return Text(" " * _MARGIN + "  ".join(key for key, _ in _KEYS), "bold")
