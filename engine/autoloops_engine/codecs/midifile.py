"""Standard MIDI files: reading any of them, and finding the melody or the bass in one.

Positions are micro-beats (quarter notes) from the start of the file, so tempo changes move nothing; files
that count in SMPTE frames are read at 120 BPM, which is what they mean when nothing else is said.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import mido
from mido.midifiles.meta import KeySignatureError, MetaSpec_key_signature, add_meta_spec

from autoloops_engine.codecs.melody import Quantised, RawNote, quantise
from autoloops_engine.errors import MusicError
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, UB_PER_BEAT

DEFAULT_TEMPO_BPM: Final = 120.0
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
DRUM_CHANNEL: Final = 9
BASS_PROGRAMS: Final = range(32, 40)
MONOPHONIC_SHARE: Final = 0.9
# What mido and the codecs below it raise on rubbish; it documents none of it.
_UNREADABLE = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error)


class _LenientKeySignature(MetaSpec_key_signature):  # type: ignore[misc]
    """Reads an impossible key as C: mido would refuse the whole file, and keys change no note."""

    type = "key_signature"

    def decode(self, message: mido.MetaMessage, data: bytes) -> None:
        try:
            super().decode(message, data)
        except (KeySignatureError, LookupError):
            message.key = "C"


add_meta_spec(_LenientKeySignature)


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature from a position (micro-beats) on."""

    start_ub: int
    numerator: int
    denominator: int

    @property
    def bar_ub(self) -> int:
        """Length of a bar in micro-beats."""
        return 4 * UB_PER_BEAT * self.numerator // self.denominator

    @property
    def is_common(self) -> bool:
        """Whether its bars are four beats long: 4/4, 2/2, 8/8."""
        return self.bar_ub == BAR_UB and self.denominator in (2, 4, 8)


@dataclass(frozen=True, slots=True)
class Track:
    """The notes of one channel of one track.

    Attributes:
        name: The track's name; may be empty.
        index: The track's place in the file, from 1.
        channel: MIDI channel, from 1.
        program: General MIDI program at the first note, from 0.
        notes: By onset; never empty.
    """

    name: str
    index: int
    channel: int
    program: int
    notes: tuple[RawNote, ...]

    @property
    def is_drums(self) -> bool:
        """Whether it plays the General MIDI drum channel."""
        return self.channel == DRUM_CHANNEL + 1

    @property
    def mean_pitch(self) -> float:
        """Mean MIDI pitch of its notes."""
        return sum(note.pitch for note in self.notes) / len(self.notes)

    @property
    def single_share(self) -> float:
        """Share of onsets at which one note starts alone."""
        counts: dict[int, int] = {}
        for note in self.notes:
            counts[note.start_ub] = counts.get(note.start_ub, 0) + 1
        return sum(count == 1 for count in counts.values()) / len(counts)


@dataclass(frozen=True, slots=True)
class Song:
    """What a MIDI file holds, as far as loops need it.

    Attributes:
        tracks: Every channel of every track that has notes; never empty.
        tempo_bpm: The first tempo, or 120.
        meters: Time signatures by position; the first starts at 0.
    """

    tracks: tuple[Track, ...]
    tempo_bpm: float
    meters: tuple[Meter, ...]


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """Token windows of a MIDI file's melody.

    Attributes:
        windows: At least one, in order; the first is what ``autoloops encode`` uses.
        track: The track they come from.
        remarks: One sentence for each thing that was chosen, dropped or changed.
    """

    windows: tuple[tuple[int, ...], ...]
    track: Track
    remarks: tuple[str, ...]


def read_midi(source: Path | bytes) -> Song:
    """Reads a MIDI file.

    Args:
        source: The file, or its content.

    Raises:
        MusicError: it cannot be read, is no MIDI file, is larger than 16 MiB or holds no note.
    """
    name = source.name if isinstance(source, Path) else "The MIDI data"
    try:
        content = source if isinstance(source, bytes) else _bounded(source)
        file = mido.MidiFile(file=io.BytesIO(content), clip=True)
        song = _song(file)
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise MusicError(
            f"{name} cannot be read as a MIDI file ({reason}); choose a Standard MIDI File (.mid)."
        ) from error
    if not song.tracks:
        raise MusicError(f"{name} holds no note; choose a MIDI file with a melody in it.")
    return song


def choose_melody(song: Song) -> Track:
    """The track most likely to carry the tune.

    Among tracks with at least 90 % single-note onsets that are neither drums nor a bass program, the one
    with the highest mean pitch; failing such, the same among pitched tracks of any kind, then any track.
    """
    pitched = [t for t in song.tracks if not t.is_drums]
    leads = [t for t in pitched if t.program not in BASS_PROGRAMS and t.single_share >= MONOPHONIC_SHARE]
    basses = [t for t in pitched if t.single_share >= MONOPHONIC_SHARE]
    return max(leads or basses or pitched or song.tracks, key=lambda t: (t.mean_pitch, -t.index))


def choose_bass(song: Song) -> Track:
    """The track most likely to carry the bass: of those with a bass program, failing such of all, the lowest."""
    pitched = [t for t in song.tracks if not t.is_drums]
    basses = [t for t in pitched if t.program in BASS_PROGRAMS]
    return min(basses or pitched or song.tracks, key=lambda t: (t.mean_pitch, t.index))


def encode_melody(song: Song, bars: int = 2, track: int | None = None, part: str = "melody") -> EncodedFile:
    """Cuts a song's melody, or its bass, into token windows of ``bars`` bars; never fails for a song.

    Bars are counted from the first stretch in 4/4 that has notes of the track; without one, in fours from
    the time signature of the first note.

    Args:
        song: What :func:`read_midi` answered.
        bars: Bars of a window, from 1.
        track: The track's place in the file, from 1, instead of :func:`choose_melody` or :func:`choose_bass`.
        part: ``bass`` looks for the bass, anything else for the melody.

    Raises:
        MusicError: there is no such track.
    """
    choose = choose_bass if part == "bass" else choose_melody
    chosen = choose(song) if track is None else find_track(song, track)
    remarks = []
    if len(song.tracks) > 1:
        called = f" ({chosen.name})" if chosen.name else ""
        remarks.append(f"Of {len(song.tracks)} tracks, track {chosen.index}{called} is taken as the {part}.")
    if chosen.is_drums:
        remarks.append("There is only a drum track: its note numbers are read as pitches.")
    notes, remark = in_common_time(song.meters, chosen.notes)
    if remark:
        remarks.append(remark)
    quantised = quantise(notes, bars)
    remarks.extend(_remarks(quantised, bars))
    return EncodedFile(quantised.windows, chosen, tuple(remarks))


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("it is larger than 16 MiB")
    return content


def _song(file: mido.MidiFile) -> Song:
    ub_per_tick = _ub_per_tick(file.ticks_per_beat)
    tempo_us: list[tuple[int, int]] = []
    meters: list[Meter] = []
    tracks: list[Track] = []
    for index, track in enumerate(file.tracks, 1):
        tick = 0
        reader = _TrackReader(index)
        for message in track:
            tick += message.time
            at_ub = round(tick * ub_per_tick)
            if message.type == "set_tempo":
                tempo_us.append((at_ub, message.tempo))
            elif message.type == "time_signature":
                meters.append(Meter(at_ub, message.numerator, message.denominator))
            else:
                reader.take(message, at_ub)
        tracks.extend(reader.finish(round(tick * ub_per_tick)))
    first_us = min(tempo_us)[1] if tempo_us else 0
    tempo_bpm = 60e6 / first_us if first_us > 0 else DEFAULT_TEMPO_BPM
    return Song(tuple(tracks), tempo_bpm, _meters(meters))


def _ub_per_tick(division: int) -> float:
    """Micro-beats of a tick; ``division`` is the header's, negative or above 32767 for SMPTE."""
    division &= 0xFFFF
    if division & 0x8000:
        frames_per_s, ticks_per_frame = 256 - (division >> 8), division & 0xFF
        ticks_per_s = frames_per_s * ticks_per_frame
        if ticks_per_s == 0:
            raise ValueError("its time division is zero")
        return DEFAULT_TEMPO_BPM / 60 * UB_PER_BEAT / ticks_per_s
    if division == 0:
        raise ValueError("its time division is zero")
    return UB_PER_BEAT / division


class _TrackReader:
    """Pairs the note-ons and note-offs of one track, channel by channel."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._name = ""
        self._program: dict[int, int] = {}
        self._first_program: dict[int, int] = {}
        self._open: dict[tuple[int, int], tuple[int, int]] = {}
        self._notes: dict[int, list[RawNote]] = {}

    def take(self, message: mido.Message | mido.MetaMessage, at_ub: int) -> None:
        kind = message.type
        if kind == "track_name":
            self._name = self._name or str(message.name).strip()
        elif kind == "program_change":
            self._program[message.channel] = message.program
        elif kind in ("note_on", "note_off"):
            self._end(message.channel, message.note, at_ub)
            if kind == "note_on" and message.velocity > 0:
                self._first_program.setdefault(message.channel, self._program.get(message.channel, 0))
                self._open[message.channel, message.note] = at_ub, message.velocity

    def finish(self, end_ub: int) -> Iterable[Track]:
        for channel, pitch in list(self._open):
            self._end(channel, pitch, end_ub)
        for channel, notes in sorted(self._notes.items()):
            program = self._first_program[channel]
            yield Track(self._name, self._index, channel + 1, program, tuple(sorted(notes)))

    def _end(self, channel: int, pitch: int, at_ub: int) -> None:
        opened = self._open.pop((channel, pitch), None)
        if opened is not None:
            start_ub, velocity = opened
            self._notes.setdefault(channel, []).append(RawNote(start_ub, at_ub - start_ub, pitch, velocity))


def _meters(found: Sequence[Meter]) -> tuple[Meter, ...]:
    """Time signatures by position, the last at each, with 4/4 meant where none is given."""
    at: dict[int, Meter] = {0: Meter(0, BEATS_PER_BAR, 4)}
    for meter in found:
        if meter.bar_ub > 0:
            at[meter.start_ub] = meter
    return tuple(at[start_ub] for start_ub in sorted(at))


def find_track(song: Song, index: int) -> Track:
    """The track at place ``index`` (from 1) of the file; of its channels the pitched one that lies highest.

    Raises:
        MusicError: there is none, or it holds no note.
    """
    of_track = [t for t in song.tracks if t.index == index]
    if not of_track:
        known = ", ".join(sorted({str(t.index) for t in song.tracks}))
        raise MusicError(f"Track {index} holds no note; the tracks with notes are {known}.")
    return max(of_track, key=lambda t: (not t.is_drums, t.mean_pitch))


class Stretch(NamedTuple):
    """A part of a song whose bars have four beats, or are counted so.

    Attributes:
        start_ub: Where it starts: a bar line.
        end_ub: Where it ends; None: with the song.
        remark: What to say about it; None: nothing.
    """

    start_ub: int
    end_ub: int | None
    remark: str | None

    def inside(self, notes: Sequence[RawNote]) -> list[RawNote]:
        """The notes that start in it, counted from its start."""
        found = [n for n in notes if n.start_ub >= self.start_ub and (self.end_ub is None or n.start_ub < self.end_ub)]
        return [note._replace(start_ub=note.start_ub - self.start_ub) for note in found]


def common_stretch(meters: Sequence[Meter], notes: Sequence[RawNote]) -> Stretch:
    """The first stretch in 4/4 that has notes; without one, from the time signature of the first note on."""
    ends = [*(meter.start_ub for meter in meters[1:]), None]
    for meter, end_ub in zip(meters, ends, strict=True):
        stretch = Stretch(meter.start_ub, end_ub, None)
        inside = stretch.inside(notes)
        if inside and meter.is_common:
            if len(inside) == len(notes):
                return stretch
            outside = counted(len(notes) - len(inside), "note")
            return stretch._replace(remark=f"Left out: {outside} outside the first stretch in 4/4.")
    first_ub = notes[0].start_ub
    meter = [m for m in meters if m.start_ub <= first_ub][-1]
    remark = f"The meter is {meter.numerator}/{meter.denominator}, not 4/4: its bars are counted in fours."
    return Stretch(meter.start_ub, None, remark)


def in_common_time(meters: Sequence[Meter], notes: Sequence[RawNote]) -> tuple[list[RawNote], str | None]:
    """The notes from where four-beat bars can be counted, moved there, and what to say about it."""
    stretch = common_stretch(meters, notes)
    return stretch.inside(notes), stretch.remark


def _remarks(quantised: Quantised, bars: int) -> Iterable[str]:
    report = quantised.report
    if report.first_bar:
        yield f"Left out: {counted(report.first_bar, 'silent bar')} before the first note."
    if report.chords:
        yield f"Dropped: {counted(report.chords, 'note')} below a higher one at the same step."
    if report.shortened:
        yield f"Shortened: {counted(report.shortened, 'note')} that sounded into the next."
    if report.folded:
        yield f"Moved by octaves: {counted(report.folded, 'note')} outside A0 to C8."
    if report.bars > bars:
        loops = counted(len(quantised.windows), "loop")
        yield f"From the first note on it is {report.bars} bars long: {loops} of {counted(bars, 'bar')}."
    elif report.bars < bars:
        yield f"It is {counted(report.bars, 'bar')} long: the rest of {bars} bars is what its last note leaves."


def counted(count: int, noun: str) -> str:
    """``1 note``, ``2 notes``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
