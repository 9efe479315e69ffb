"""Scale lock, chords, range, rests, frozen steps and voices: what is forbidden is never decoded, at any temperature."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs import drums
from autoloops_engine.codecs.melody import FIRST_ONSET, pitch_of
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec, LoopSteps
from autoloops_engine.constraints.bias import bar_bias, sounding_pitches
from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.constraints.limits import Limits
from autoloops_engine.constraints.scales import SCALES
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import LatentPoint, latent_space, point_at
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Note
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.rendering import BarRecord, render
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.settings import Settings as PartSettings
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import tiny_manifest
from autoloops_engine.units import BAR_UB, STEP_UB

TEMPO_BPM = 120.0
BAR_US = 2_000_000
FROZEN = (0, 1, 2, 3, 8, 15)


@pytest.fixture(scope="module")
def melody() -> Decoder:
    return open_decoder(find_bundle("melody-2bar"))


@pytest.fixture(scope="module")
def groove() -> Decoder:
    return open_decoder(find_bundle("drums-2bar"))


def playing(decoder: Decoder, codec: Codec, *, hold: bool = False) -> Performance:
    setup = PartSetup("part", 1, latent_space(decoder.manifest), 2, 1.0, codec)
    joined = Performance(Session([setup], 5, TEMPO_BPM), {"part": decoder}, TEMPO_BPM)
    joined.session.set(Target("hold", "part"), (int(hold),), 0)
    joined.settle()
    joined.session.act(Target("start"), (), 0)
    return joined


def bars(joined: Performance, count: int) -> list[tuple[int, tuple[Note, ...]]]:
    """The next bars that freeze: song bar and notes."""
    known = len(joined.heard)
    while True:
        frozen = [m for m in joined.heard[known:] if isinstance(m, Frozen)]
        if len(frozen) >= count:
            return [(m.song_bar, m.bar.notes) for m in frozen[:count]]
        joined.run_until(joined.now_us + BAR_US // 4)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("transpose", [0, 5, 48])
def test_every_note_is_in_the_scale_whatever_the_temperature_and_the_transposition(
    melody: Decoder, temperature: float, transpose: int
) -> None:
    joined = playing(melody, MELODY)
    joined.session.set(Target("temperature", "part"), (temperature,), joined.now_us)
    joined.session.set(Target("transpose", "part"), (transpose,), joined.now_us)
    joined.session.set(Target("scale"), ("F#", "dorian"), joined.now_us)
    bars(joined, 2)
    heard = [note.pitch % 12 for _, notes in bars(joined, 12) for note in notes]
    assert heard
    assert set(heard) <= {(6 + degree) % 12 for degree in SCALES["dorian"]}
    assert joined.session.get(Target("scale")) == ("f#", "dorian")


@pytest.mark.parametrize("scale", ["c major", "f# dorian", "eb minor", "b pentatonic"])
def test_two_hundred_bars_of_the_shipped_melodies_are_in_scale_and_their_frozen_steps_identical(
    melody: Decoder, scale: str
) -> None:
    harmony, rng = Harmony().with_scale(scale), np.random.default_rng(7)
    root = ("c", "c#", "d", "eb", "e", "f", "f#", "g", "ab", "a", "bb", "b").index(scale.split()[0])
    pitch_classes = {(root + degree) % 12 for degree in SCALES[scale.split()[1]]}
    limits, outside = Limits(), 0
    for bar in range(50):
        z = rng.standard_normal(melody.manifest.latent_size).astype(np.float32)
        bias = bar_bias(MELODY, limits, harmony, transpose=0, loop_bar=0, song_bar=bar)
        free, locked = (decode(melody, DecodeRequest("melody", 0, z, 0, bar, bias=b)).tokens for b in (None, bias))
        assert {pitch_of(t) % 12 for t in locked if t >= FIRST_ONSET} <= pitch_classes
        outside += sum(pitch_of(t) % 12 not in pitch_classes for t in free if t >= FIRST_ONSET)
        if not limits.freezes:
            kept = locked
            limits = msgspec.structs.replace(
                Limits().keeping([LoopSteps(kept, ()), LoopSteps(kept, ())]), frozen=frozenset(FROZEN)
            )
        assert [locked[step] for step in FROZEN] == [kept[step] for step in FROZEN]
    assert outside > 50


def test_notes_on_a_beat_are_of_the_chord_and_those_between_of_chord_or_scale(melody: Decoder) -> None:
    joined = playing(melody, MELODY)
    joined.session.set(Target("chords"), ("Am7 | Dm7 G7",), joined.now_us)
    joined.session.set(Target("scale"), ("a minor",), joined.now_us)
    bars(joined, 2)
    a_minor, dominant = {9, 11, 0, 2, 4, 5, 7}, {7, 11, 2, 5}
    chords = {(0, 0): {9, 0, 4, 7}, (0, 1): {9, 0, 4, 7}, (1, 0): {2, 5, 9, 0}, (1, 1): dominant}
    strong = 0
    for song_bar, notes in bars(joined, 24):
        for note in notes:
            chord = chords[song_bar % 2, note.start_ub * 2 // BAR_UB]
            on_beat = note.start_ub % (4 * STEP_UB) == 0
            strong += on_beat
            assert note.pitch % 12 in (chord if on_beat else chord | a_minor)
    assert strong


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_is_found_however_it_is_spelt(name: str) -> None:
    for root, spelt in (("f#", "F#"), ("b", "B"), ("bb", "Bb"), ("a", "A"), ("ab", "aB")):
        wanted = Harmony().with_scale(f"{root} {name}")
        assert wanted.scale == f"{root} {name}"
        for words in (
            f"{spelt} {name.title()}",
            f"{spelt}{name}",
            f"{spelt} {name.replace('-', ' ')}",
            f"{name} {root}",
        ):
            assert Harmony().with_scale(words) == wanted


def test_chords_are_read_as_players_write_them() -> None:
    for written, plain in (("E-7", "Em7"), ("Bb-7b5", "Bbm7b5"), ("F#-", "F#m"), ("E-7/G", "Em7/G"), ("C7-5", "C7b5")):
        assert Harmony().with_chords(written).bar(0) == Harmony().with_chords(plain).bar(0)
    again, spelt = Harmony().with_chords("Am7 D7 | % | % | G"), Harmony().with_chords("Am7 D7 | Am7 D7 | Am7 D7 | G")
    assert [again.bar(at) for at in range(5)] == [spelt.bar(at) for at in range(5)]
    assert again.chords == "Am7 D7 | % | % | G"


@pytest.mark.parametrize("words", ["x minor", "a", "minor", "a blue", "a minor minor", ""])
def test_a_scale_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="A scale is a root and a name"):
        Harmony().with_scale(words)


@pytest.mark.parametrize("text", ["Am7 | Qx", "", "|", "% | Am7", "Am7 | % Dm7", "Am7 || Dm", "C " * 300])
def test_chords_that_cannot_be_read_are_refused_and_leave_the_harmony_as_it_was(text: str) -> None:
    harmony = Harmony().with_chords("Am7")
    with pytest.raises(UsageError):
        harmony.with_chords(text)
    assert harmony.chords == "Am7"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=12))
def test_no_text_breaks_the_reading_of_harmonies(text: str) -> None:
    for read in (Harmony().with_scale, Harmony().with_chords):
        try:
            harmony = read(text)
        except UsageError:
            continue
        assert all(allowed is None or allowed <= set(range(12)) for allowed in harmony.bar(3))


@given(
    low=st.integers(0, 127),
    high=st.integers(0, 127),
    rests=st.frozensets(st.integers(0, 15)),
    transpose=st.integers(-48, 48),
    root=st.sampled_from(["c", "f#", "bb"]),
    token=st.integers(2, 89),
)
def test_what_the_bias_allows_is_what_sounds_within_the_limits(
    low: int, high: int, rests: frozenset[int], transpose: int, root: str, token: int
) -> None:
    limits = Limits(low=min(low, high), high=max(low, high), rests=rests)
    harmony = Harmony().with_scale(f"{root} major")
    bias = bar_bias(MELODY, limits, harmony, transpose=transpose, loop_bar=0, song_bar=0)
    assert bias is not None
    part_settings = PartSettings(latent_point(), 1)
    for step in range(16):
        steps = LoopSteps((*([0] * step), token, *([0] * (15 - step))))
        states = np.zeros((16, 1), dtype=np.float32)
        record = BarRecord(1, 0, 0, 0, MELODY, steps, states, None, transpose, part_settings)
        (note,) = render(record, part_settings, transpose).notes
        allowed = harmony.bar(0)[step]
        sounds = limits.low <= note.pitch <= limits.high and allowed is not None and note.pitch % 12 in allowed
        assert (bias[step, token] == 0) == (sounds and step not in rests)
        assert (bias[step] == 0).any()


def latent_point() -> LatentPoint:
    manifest = tiny_manifest()
    return point_at(latent_space(manifest), [0.0] * manifest.latent_size)


def test_rests_are_silent_and_the_range_is_kept(melody: Decoder) -> None:
    joined = playing(melody, MELODY)
    joined.session.set(Target("range", "part"), (60, 72), joined.now_us)
    joined.session.set(Target("rests", "part"), (5, 6, 7, 8), joined.now_us)
    bars(joined, 2)
    heard = [note for _, notes in bars(joined, 16) for note in notes]
    assert heard
    for note in heard:
        assert 60 <= note.pitch <= 72
        last_ub = note.start_ub + note.duration_ub
        assert last_ub <= 4 * STEP_UB or note.start_ub >= 8 * STEP_UB
    with pytest.raises(UsageError, match="lowest to the highest"):
        joined.session.set(Target("range", "part"), (72, 60), joined.now_us)


def test_a_range_in_which_nothing_can_sound_is_refused(melody: Decoder) -> None:
    joined = playing(melody, MELODY)
    with pytest.raises(UsageError, match="its pitches are 21 to 108"):
        joined.session.set(Target("range", "part"), (0, 20), joined.now_us)
    with pytest.raises(UsageError, match="its pitches are 21 to 108"):
        joined.session.set(Target("range", "part"), (109, 127), joined.now_us)
    joined.session.set(Target("octave", "part"), (-1,), joined.now_us)
    joined.session.set(Target("range", "part"), (0, 20), joined.now_us)
    assert joined.session.get(Target("range", "part")) == (0, 20)
    bars(joined, 2)
    heard = [note.pitch for _, notes in bars(joined, 16) for note in notes]
    assert heard
    assert max(heard) <= 20


def test_what_sounds_between_the_lowest_and_the_highest_pitch_has_no_gap() -> None:
    for transpose in range(-96, 97):
        lowest, highest = sounding_pitches(transpose)
        allowed = [
            bar_bias(MELODY, Limits(each, each), Harmony(), transpose=transpose, loop_bar=0, song_bar=0)
            for each in range(128)
        ]
        onsets = [bias is not None and bool((bias[0, FIRST_ONSET:] == 0).any()) for bias in allowed]
        assert onsets == [lowest <= each <= highest for each in range(128)]


def test_drums_have_no_range_and_say_what_they_have_instead(groove: Decoder) -> None:
    joined = playing(groove, DRUMS)
    with pytest.raises(UsageError, match="/al/part/voice/NAME 0 leaves one out"):
        joined.session.set(Target("range", "part"), (40, 50), joined.now_us)
    with pytest.raises(UsageError, match="no range"):
        joined.session.get(Target("range", "part"))
    assert Target("range", "part") not in joined.session.targets()


def test_frozen_steps_stay_identical_whatever_is_fired(melody: Decoder) -> None:
    joined = playing(melody, MELODY, hold=True)
    bars(joined, 4)
    before = {song_bar % 2: notes for song_bar, notes in bars(joined, 2)}
    frozen = (1, 2, 3, 4, 17, 18, 19, 20)
    joined.session.set(Target("freeze", "part"), frozen, joined.now_us)
    changed = False
    for _ in range(6):
        joined.session.act(Target("fire", "part"), ("new", "bar"), joined.now_us)
        bars(joined, 2)
        for song_bar, notes in bars(joined, 2):
            started = [(n.start_ub, n.pitch) for n in notes if n.start_ub < 4 * STEP_UB]
            assert started == [(n.start_ub, n.pitch) for n in before[song_bar % 2] if n.start_ub < 4 * STEP_UB]
            changed |= [n.pitch for n in notes] != [n.pitch for n in before[song_bar % 2]]
    assert changed
    assert joined.session.get(Target("freeze", "part")) == frozen
    joined.session.set(Target("freeze", "part"), (0,), joined.now_us)
    assert joined.session.get(Target("freeze", "part")) == (0,)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("freeze", (33,), "steps from 1 to 32, one or several, or 0 alone"),
        ("rests", (0, 4), "steps from 1 to 16, one or several, or 0 alone"),
        ("rests", (4, 17), "steps from 1 to 16, one or several, or 0 alone"),
        ("corners", (0, 1), "slots from 1 to 64, one or several, or 0 alone"),
    ],
)
def test_what_takes_several_numbers_says_so(melody: Decoder, name: str, values: Values, said: str) -> None:
    joined = playing(melody, MELODY)
    with pytest.raises(UsageError, match=said):
        joined.session.set(Target(name, "part"), values, joined.now_us)


def test_freezing_what_has_not_sounded_is_refused(melody: Decoder) -> None:
    joined = playing(melody, MELODY)
    joined.settle()
    with pytest.raises(UsageError, match="as it sounds"):
        joined.session.set(Target("freeze", "part"), (32,), joined.now_us)


def kicks(notes: tuple[Note, ...]) -> list[Note]:
    return [note for note in notes if note.pitch == drums.PLAYED_PITCHES[0]]


def test_a_frozen_voice_stays_with_its_velocity_and_timing_and_a_muted_one_is_left_out(groove: Decoder) -> None:
    joined = playing(groove, DRUMS, hold=True)
    bars(joined, 4)
    before: dict[int, list[Note]] = {}
    for _ in range(20):
        joined.session.act(Target("fire", "part"), ("new", "bar"), joined.now_us)
        bars(joined, 2)
        before = {song_bar % 2: kicks(notes) for song_bar, notes in bars(joined, 2)}
        if all(before.values()):
            break
    assert all(before.values())
    joined.session.set(Target("frozen", "part", "kick"), (1,), joined.now_us)
    joined.session.set(Target("voice", "part", "closed-hat"), (0,), joined.now_us)
    others = set()
    for _ in range(4):
        joined.session.act(Target("fire", "part"), ("new", "bar"), joined.now_us)
        bars(joined, 2)
        for song_bar, notes in bars(joined, 2):
            assert [(n.start_ub, n.velocity) for n in kicks(notes)] == [
                (n.start_ub, n.velocity) for n in before[song_bar % 2]
            ]
            others |= {note.pitch for note in notes}
    assert drums.PLAYED_PITCHES[2] not in others
    assert len(others) > 1
    assert joined.session.get(Target("voice", "part", "closed-hat")) == (0,)
    with pytest.raises(UsageError, match="its voices are"):
        joined.session.set(Target("voice", "part", "cowbell"), (0,), joined.now_us)


def test_a_melody_has_no_voices(melody: Decoder) -> None:
    with pytest.raises(UsageError, match="only drums have voices"):
        playing(melody, MELODY).session.get(Target("voice", "part", "kick"))


def test_limits_outlive_the_main_process(groove: Decoder) -> None:
    joined = playing(groove, DRUMS, hold=True)
    bars(joined, 4)
    session = joined.session
    session.set(Target("frozen", "part", "kick"), (1,), joined.now_us)
    session.set(Target("edits", "part"), (3,), joined.now_us)
    session.set(Target("scale"), ("c", "major"), joined.now_us)
    session.set(Target("chords"), ("C", "|", "F"), joined.now_us)
    state = msgspec.json.decode(msgspec.json.encode(session.state()), type=type(session.state()))
    setup = PartSetup("part", 1, latent_space(groove.manifest), 2, 1.0, DRUMS)
    successor = Session([setup], 1, TEMPO_BPM, generation=1)
    successor.restore(state)
    # The position is a matter of the present time.
    for target in set(session.targets()) - {Target("position")}:
        assert successor.get(target) == session.get(target), target
    assert successor.state().parts["part"].settings.limits == session.state().parts["part"].settings.limits
