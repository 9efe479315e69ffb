"""The loops of a MIDI file, as the codec of a part reads them."""

from collections.abc import Iterable
from typing import NamedTuple

from autoloops_engine.codecs import drums
from autoloops_engine.codecs.midifile import Song, Track, counted, encode_melody, find_track, in_common_time
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.errors import MusicError


class SongLoops(NamedTuple):
    """The loops of one track.

    Attributes:
        loops: At least one, in order.
        track: Where they come from.
        remarks: One sentence for each thing that was chosen, dropped or changed.
    """

    loops: tuple[LoopSteps, ...]
    track: Track
    remarks: tuple[str, ...]


def loops_of(song: Song, codec: Codec, part: str, bars: int = 2, track: int | None = None) -> SongLoops:
    """Cuts a part of a song into loops of ``bars`` bars.

    Args:
        song: What :func:`autoloops_engine.codecs.midifile.read_midi` answered.
        codec: What the loops are to be written in.
        part: What to look for: ``bass``, or the melody by any other name; a drum codec looks for the drums.
        bars: Bars of a loop, from 1.
        track: The track's place in the file, from 1, instead of the likeliest.

    Raises:
        MusicError: there is no such track, or no drums.
    """
    if codec.name == drums.CODEC_NAME:
        return _drum_loops(song, bars, track)
    encoded = encode_melody(song, bars, track, part)
    return SongLoops(tuple(LoopSteps(window) for window in encoded.windows), encoded.track, encoded.remarks)


def choose_drums(song: Song, index: int | None = None) -> Track:
    """The track on the drum channel with the most notes, or what the track at place ``index`` (from 1) has of drums.

    Raises:
        MusicError: there is none.
    """
    if index is not None:
        find_track(song, index)
        return max((t for t in song.tracks if t.index == index), key=lambda t: (t.is_drums, len(t.notes)))
    kits = [track for track in song.tracks if track.is_drums]
    if not kits:
        raise MusicError("The file has no track on the drum channel (10): name the drums' track, or choose a file.")
    return max(kits, key=lambda track: (len(track.notes), -track.index))


def _drum_loops(song: Song, bars: int, track: int | None) -> SongLoops:
    chosen = choose_drums(song, track)
    remarks = []
    if len(song.tracks) > 1:
        remarks.append(f"Of {len(song.tracks)} tracks, track {chosen.index} is taken as the drums.")
    notes, remark = in_common_time(song.meters, chosen.notes)
    if remark:
        remarks.append(remark)
    try:
        found, report = drums.quantise(notes, bars)
    except ValueError as error:
        raise MusicError(f"Track {chosen.index} holds no note of a drum kit: name another track.") from error
    remarks.extend(_remarks(report, len(found), bars))
    loops = tuple(LoopSteps(loop.tokens, (loop.velocities, loop.offsets)) for loop in found)
    return SongLoops(loops, chosen, tuple(remarks))


def _remarks(report: drums.DrumReport, loops: int, bars: int) -> Iterable[str]:
    if report.first_bar:
        yield f"Left out: {counted(report.first_bar, 'silent bar')} before the first hit."
    if report.foreign:
        yield f"Dropped: {counted(report.foreign, 'note')} beside the kit."
    if report.doubled:
        yield f"Dropped: {counted(report.doubled, 'hit')} under a louder one of the same drum at the same step."
    if report.bars > bars:
        cut = f"{counted(loops, 'loop')} of {counted(bars, 'bar')}"
        yield f"From the first hit on it is {report.bars} bars long: {cut}."
    elif report.bars < bars:
        yield f"It is {counted(report.bars, 'bar')} long: the rest of {bars} bars is silent."
