"""The live view: what stands where, at every size of the terminal."""

import pytest
from rich.cells import cell_len
from tests.bridges.view.staging import note, part, shown

from autoloops_bridges.view.digits import large
from autoloops_bridges.view.render import rows
from autoloops_bridges.view.roll import Lanes, column_of, draw
from autoloops_bridges.view.snapshot import ShownPart, Snapshot
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT

WIDTH, HEIGHT = 80, 24
# A margin of 1, 10 columns for names, 4 for pitches.
ROLL_AT = 15
ROLL_COLUMNS = 32
REMARK = "No JACK server runs, so ALSA is used; start jackd first to be accurate to the sample."


def screen(snapshot: Snapshot, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    return [row.plain for row in rows(snapshot, width, height)]


def crowd(count: int) -> Snapshot:
    return shown(*(part(f"part{at}", note(at, 2, 50 + at)) for at in range(count)), remarks=(REMARK,))


class TestSize:
    @pytest.mark.parametrize("width", [20, 40, 47, 60, 79, 80, 100, 131, 200])
    @pytest.mark.parametrize("height", [3, 8, 16, 24, 50])
    @pytest.mark.parametrize("parts", [1, 3, 16])
    def test_the_terminal_is_filled_exactly(self, width: int, height: int, parts: int) -> None:
        drawn = rows(crowd(parts), width, height)
        assert len(drawn) == height
        assert {cell_len(row.plain) for row in drawn} == {width}

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_every_part_and_every_fact_is_there_on_an_ordinary_terminal(self, count: int) -> None:
        lines = screen(crowd(count))
        text = "\n".join(lines)
        for at in range(count):
            assert f"{at + 1} part{at}" in text
        for word in (
            "playing",
            "misses",
            "margin 1.99 s",
            "2.1/6.3 ms",
            "control",
            "127.0.0.1:7400",
            "No JACK",
            "quit",
        ):
            assert word in text
        assert not any("…" in line for line in lines if not line.startswith(" notice"))

    def test_the_counters_outlast_the_keys_on_a_low_terminal(self) -> None:
        text = "\n".join(screen(crowd(1), 80, 6))
        assert "misses" in text
        assert "quit" not in text

    def test_on_a_narrow_terminal_only_the_sounding_bar_is_drawn(self) -> None:
        assert any("next" in line for line in screen(crowd(1), 60))
        assert not any("next" in line for line in screen(crowd(1), 40))

    def test_a_part_that_does_not_fit_is_reached_by_selecting_it(self) -> None:
        many = {"width": 80, "height": 6}
        assert "part15" not in "\n".join(screen(crowd(16), **many))
        selected = shown(*crowd(16).parts, selected=15)
        assert "part15" in "\n".join(screen(selected, **many))

    def test_a_roll_does_not_move_when_counters_grow(self) -> None:
        few = shown(part(), misses=0, fallbacks=0, margin_us=None)
        many = shown(part(), misses=12, fallbacks=34, margin_us=1_234_567)
        assert [line.index("late") for line in screen(few) if "late" in line] == [
            line.index("late") for line in screen(many) if "late" in line
        ]


class TestTransport:
    @pytest.mark.parametrize(
        ("position_ub", "text"), [(0, "1.1"), (BAR_UB - 1, "1.4"), (16 * BAR_UB + UB_PER_BEAT, "17.2")]
    )
    def test_bar_and_beat_count_from_one(self, position_ub: int, text: str) -> None:
        lines = screen(shown(part(), position_ub=position_ub))
        for line, expected in zip(lines, large(text), strict=False):
            assert line.startswith(f" {expected.rstrip()}")
        assert f" {text} " in screen(shown(part(), position_ub=position_ub), 50)[0]

    def test_the_beat_that_sounds_is_filled(self) -> None:
        text = "\n".join(screen(shown(part(), position_ub=2 * UB_PER_BEAT)))
        assert "○ ○ ● ○" in text

    def test_a_transport_that_stands_still_says_so_without_colour_and_without_a_playhead(self) -> None:
        text = "\n".join(screen(shown(part(), playing=False, position_ub=BAR_UB)))
        assert "■ stopped" in text
        assert "▼" not in text
        assert "│" not in text


class TestRolls:
    def roll(self, snapshot: Snapshot, at: int = ROLL_AT) -> list[str]:
        """The rows of the only part's roll, from the one below the ruler on."""
        lines = screen(snapshot)
        first = next(row for row, line in enumerate(lines) if "bar " in line) + 1
        last = next(row for row, line in enumerate(lines) if "misses" in line)
        return [line[at : at + ROLL_COLUMNS] for line in lines[first:last]]

    def test_a_note_begins_in_the_column_of_its_step(self) -> None:
        # Two columns a step, of which the last of a note stays free.
        drawn = self.roll(shown(part("melody", note(0, 1, 60), note(6, 4, 72)), playing=False))
        row = next(line for line in drawn if line[12:14].strip("· "))
        assert [at for at, character in enumerate(row) if character in "▀▄█"] == list(range(12, 19))

    def test_higher_pitches_stand_higher(self) -> None:
        drawn = self.roll(shown(part("melody", note(0, 1, 60), note(4, 1, 64), note(8, 1, 72)), playing=False))
        heights = [next(row for row, line in enumerate(drawn) if line[at] in "▀▄█") for at in (0, 8, 16)]
        assert heights == sorted(heights, reverse=True)
        assert len(set(heights)) == 3

    def test_the_next_bar_stands_beside_the_sounding_one(self) -> None:
        snapshot = shown(part("melody", note(0, 1, 60), following=(note(15, 1, 60),)), playing=False)
        assert any(line[0] in "▀▄█" for line in self.roll(snapshot))
        assert any(line[30] in "▀▄█" for line in self.roll(snapshot, ROLL_AT + ROLL_COLUMNS + 1))

    @pytest.mark.parametrize("step", [0, 5, 15])
    def test_the_playhead_is_a_line_under_its_mark_in_the_column_of_the_position(self, step: int) -> None:
        lines = screen(shown(part("melody"), position_ub=7 * BAR_UB + step * STEP_UB))
        ruler = next(line for line in lines if "bar 8" in line or "▼" in line)
        assert ruler.index("▼") == ROLL_AT + 2 * step
        below = lines[lines.index(ruler) + 1]
        assert below.index("│") == ROLL_AT + 2 * step

    def test_the_highest_and_the_lowest_pitch_are_named(self) -> None:
        text = "\n".join(screen(shown(part("melody", note(0, 1, 60), note(4, 1, 79)))))
        assert " C4 " in text
        assert " G5 " in text

    def test_instruments_have_no_pitch_names(self) -> None:
        text = "\n".join(screen(shown(part("drums", note(0, 1, 36), note(4, 1, 38), pitched=False))))
        assert " C2 " not in text

    def test_what_happened_to_a_part_is_said_in_words(self) -> None:
        troubled = part(muted=True, misses=3, hold=False)
        text = "\n".join(screen(shown(troubled)))
        for word in ("MUTED", "missed 3", "varies"):
            assert word in text

    def test_where_in_its_loop_a_part_is_and_that_it_shares_a_point_is_said_in_words(self) -> None:
        text = "\n".join(screen(shown(part(loop_bar=14, length_bars=16, linked=True), part("lead"))))
        assert "14 of 16" in text
        assert "1 of 2" in text
        assert text.count("linked") == 1

    def test_a_single_row_still_tells_a_muted_part(self) -> None:
        parts = [part(f"part{at}", muted=at == 2) for at in range(4)]
        text = "\n".join(screen(shown(*parts), 80, 6))
        assert "M part2" in text
        assert "M part1" not in text

    def test_the_selected_part_is_marked(self) -> None:
        text = "\n".join(screen(shown(part("melody"), part("bass"), selected=1)))
        assert "▸2 bass" in text
        assert "▸1" not in text


class TestLanes:
    def test_all_pitches_fit_into_any_height(self) -> None:
        for levels in (2, 4, 7, 24, 200):
            lanes = Lanes((36, 40, 84), levels, pitched=True)
            heights = [lanes.levels(pitch) for pitch in (36, 40, 84)]
            assert all(0 <= level < levels for each in heights for level in each)
            assert [each[0] for each in heights] == sorted(each[0] for each in heights)

    def test_instruments_share_the_height_evenly_and_never_touch(self) -> None:
        lanes = Lanes((36, 38, 49), 9, pitched=False)
        used = [set(lanes.levels(pitch)) for pitch in (36, 38, 49)]
        assert used == [{0, 1}, {3, 4}, {6, 7}]

    def test_a_note_outside_its_bar_is_drawn_at_the_edge(self) -> None:
        early = note(0, 1, 60)._replace(start_ub=-STEP_UB // 2)
        (row,) = draw([early], Lanes((60,), 2, pitched=True), 1, 16, None)
        assert row[0].note
        assert not any(cell.note for cell in row[1:])

    def test_the_last_moment_of_a_bar_is_its_last_column(self) -> None:
        assert column_of(BAR_UB - 1, 32) == 31
        assert column_of(BAR_UB, 32) == 0


def test_an_empty_part_is_drawn_empty() -> None:
    silent: ShownPart = part(sounding=None, next=None, pitches=())
    assert not any(character in "▀█" for line in screen(shown(silent, playing=False))[4:] for character in line)


@pytest.mark.parametrize("height", [1, 8, 24, 60])
def test_a_stage_without_a_part_is_drawn_empty(height: int) -> None:
    drawn = screen(shown(), height=height)
    assert len(drawn) == height
