"""A snapshot as rows of text that fill a terminal of any size. Pure.

From the top: the transport, the ruler, each part with the bar that sounds and the next one, counters, ports, the last
control, what the performer was told, the keys. What matters least goes first where there is little room. Everything
that a colour says is said by a character too.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group
from rich.text import Text

from autoloops_bridges.printable import printable
from autoloops_bridges.processes.report import pitch_name
from autoloops_bridges.view.digits import ROWS as DIGIT_ROWS
from autoloops_bridges.view.digits import large
from autoloops_bridges.view.roll import Cell, Lanes, column_of, draw
from autoloops_bridges.view.snapshot import ShownBar, ShownPart, Snapshot
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, STEPS_PER_BAR, UB_PER_BEAT, US_PER_MS, US_PER_S

MIN_WIDTH: Final = 20
# Rolls of whole steps only, so that all steps are equally long; beyond some size they tell nothing new.
_MAX_STEP_COLUMNS: Final = 6
_LABEL: Final = 10
_AXIS: Final = 4
_MARGIN: Final = 1
_BAR_LINE: Final = "║"
_MAX_PART_ROWS: Final = 28
# Each part is to have so many rows before what the performer is told gets more than one.
_GOOD_PART_ROWS: Final = 7
_MAX_TOLD_ROWS: Final = 3
# Rows below the parts with their distance, but for what the performer is told; columns for the name of what they say.
_FACTS: Final = 5
_FACT: Final = 9
_LARGE_FROM: Final = (60, 20)
# Large characters for bar and beat: 999.4, and room for a bar more than that.
_POSITION: Final = 6

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
    ("+ - t", "tempo"),
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
    top = [*(_large_transport(shown, layout.width) if roomy else _transport(shown)), *_following(shown)]
    top.append(_ruler(shown, layout))
    told = height - len(top) - _FACTS - (_GOOD_PART_ROWS + 1) * len(shown.parts)
    bottom = list(_bottom(shown, width, min(_MAX_TOLD_ROWS, max(1, told))))
    # The keys are wanted least by who knows them, the counters most.
    while len(top) + len(bottom) + 2 * len(shown.parts) > height and bottom:
        bottom.pop()
    middle = _parts(shown, layout, max(0, height - len(top) - len(bottom)))
    drawn = [*top, *middle, *bottom][:height]
    for row in drawn:
        row.plain = printable(row.plain)
        row.no_wrap = True
        row.truncate(width, overflow="ellipsis", pad=True)
    return drawn


class _Layout:
    """Where the columns of the rolls are."""

    def __init__(self, width: int) -> None:
        self.rolls = 2
        room = width - _MARGIN - _LABEL - _AXIS
        step_columns = (room - len(_BAR_LINE)) // (2 * STEPS_PER_BAR)
        if step_columns < 1:
            self.rolls, step_columns = 1, room // STEPS_PER_BAR
        self.columns = STEPS_PER_BAR * max(1, min(_MAX_STEP_COLUMNS, step_columns))
        left = _MARGIN + _LABEL + _AXIS
        self.width = min(width, left + self.rolls * self.columns + (self.rolls - 1) * len(_BAR_LINE))


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
    row.append(f"{round(shown.tempo_bpm, 1):g} BPM", "bold").append(f"  {_beats(shown)}")
    return [row.append(f"  sync {shown.sync}", _DIM)]


def _large_transport(shown: Snapshot, width: int) -> list[Text]:
    bar, beat = _position(shown)
    position, tempo = large(f"{bar}.{beat}".ljust(_POSITION)), large(f"{shown.tempo_bpm:>5.1f}")
    facts = [_state(shown), Text(_beats(shown), "bold"), Text(f"sync {shown.sync}", _DIM)]
    units = ("", "", "BPM")
    drawn = []
    for row in range(DIGIT_ROWS):
        text = Text(" " * _MARGIN).append(position[row], "bold").append("  ").append_text(facts[row])
        text.append(" " * max(1, width - text.cell_len - len(tempo[row]) - 4))
        drawn.append(text.append(tempo[row], "bold").append(f" {units[row]:<3}", _DIM))
    return drawn


def _following(shown: Snapshot) -> Iterator[Text]:
    if shown.following:
        yield Text(" " * _MARGIN).append(shown.following, _DIM if shown.locked else _WARNING)


def _ruler(shown: Snapshot, layout: _Layout) -> Text:
    row = Text(" " * (_MARGIN + _LABEL + _AXIS))
    bar, _ = _position(shown)
    head = column_of(shown.position_ub, layout.columns) if shown.playing else None
    row.append_text(_bar_ruler(f"bar {bar}", layout.columns, head))
    if layout.rolls == 2:
        title = f"next {bar + 1 if shown.playing else 1}"
        row.append(_BAR_LINE, _DIM).append_text(_bar_ruler(title, layout.columns, None))
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
    if not count:
        return [Text() for _ in range(room)]
    gaps = count - 1 if room >= 4 * count - 1 else 0
    each = min(_MAX_PART_ROWS, (room - gaps) // count)
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
            text.append(_BAR_LINE, _DIM).append_text(following[row])
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
    states.append(Text(f"  {part.loop_bar} of {part.length_bars}", _DIM))
    states += [Text("  holds" if part.hold else "  varies", _DIM), Text(f"  ch {part.channel}", _DIM)]
    if part.linked:
        states.append(Text("  linked", _DIM))
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
            axis[height - 1 - lanes.levels(pitch)[-1] // 2] = pitch_name(pitch)
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


def _bottom(shown: Snapshot, width: int, told_rows: int) -> Iterator[Text]:
    """The rows below the parts, the most wanted first, but for a distance where there is room."""
    if told_rows > 1:
        yield Text()
    yield _counters(shown)
    yield _fact("control", shown.control or "none yet")
    yield _fact("ports", _ports(shown))
    yield from _told(shown, width, told_rows)
    yield _keys(width)


def _told(shown: Snapshot, width: int, count: int) -> list[Text]:
    """The latest remarks, wrapped, as many rows of them as there is room for."""
    lines: list[str] = []
    for remark in reversed(shown.remarks):
        wrapped = textwrap.wrap(remark, max(MIN_WIDTH, width - _MARGIN - _FACT)) if count > 1 else [remark]
        if lines and len(lines) + len(wrapped) > count:
            break
        lines = [*wrapped, *lines]
    lines = [*lines[:count], *[""] * (count - len(lines))]
    return [_fact("notice" if at == 0 else "", line) for at, line in enumerate(lines)]


def _counters(shown: Snapshot) -> Text:
    """The counters, each in a place of its own, the most telling first."""
    row = Text(" " * _MARGIN).append(f"{'misses':<{_FACT}}", _DIM).append_text(_count(shown.misses))
    row.append(" fallbacks ", _DIM).append_text(_count(shown.fallbacks))
    late = f"{shown.late_max_us / US_PER_MS:.1f} ms"
    margin = "-" if shown.margin_us is None else f"{shown.margin_us / US_PER_S:.2f} s"
    decode = "-" if shown.decode_us is None else f"{shown.decode_us / US_PER_MS:.1f}"
    row.append("  late ", _DIM).append(f"{late:<7}").append("  margin ", _DIM).append(f"{margin:<6}")
    return row.append("  decode ", _DIM).append(f"{decode}/{shown.budget_us / US_PER_MS:.1f} ms")


def _count(count: int) -> Text:
    return Text(f"{count:<2}", _WARNING if count else "")


def _ports(shown: Snapshot) -> str:
    midi_out, midi_in = ", ".join(shown.outputs) or "none", ", ".join(shown.inputs) or "none"
    return f"OSC {shown.osc} ({shown.listeners} listening)  MIDI out {midi_out}  in {midi_in}"


def _fact(name: str, value: str) -> Text:
    return Text(" " * _MARGIN).append(f"{name:<{_FACT}}", _DIM).append(value)


def _keys(width: int) -> Text:
    whole = Text(" " * _MARGIN)
    for key, what in _KEYS:
        whole.append(key, "bold").append(f" {what}  ", _DIM)
    whole.rstrip()
    if whole.cell_len <= width:
        return whole
    return Text(" " * _MARGIN + "  ".join(key for key, _ in _KEYS), "bold")
