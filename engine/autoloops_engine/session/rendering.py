"""From a decoder's steps to the bar that sounds: the part's transposition and velocity come in here."""

from dataclasses import dataclass

from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.constraints.harmony import FREE, Harmony
from autoloops_engine.inference.decoder import Floats
from autoloops_engine.notes import Bar, Note, Tie
from autoloops_engine.session.settings import Settings
from autoloops_engine.units import STEP_UB


@dataclass(frozen=True, slots=True, eq=False)
class BarRecord:
    """A decoded bar, with all that the bar after it or a splice into it starts from.

    Attributes:
        id: The bar's identity towards the player.
        after_id: The bar it was decoded after (0: none).
        loop_bar: Bar of the loop, from 0.
        version: Which state of the controls it was decoded from.
        codec: What the steps mean.
        steps: Sixteen of them.
        states: The decoder's state after each step, float32 [16, S].
        sounding: The pitch, as decoded, that sounds at its start; None when silent.
        transpose: Semitones added to every pitch.
        settings: What it was made from.
        harmony: The scale and chords that it was to keep to.
    """

    id: int
    after_id: int
    loop_bar: int
    version: int
    codec: Codec
    steps: LoopSteps
    states: Floats
    sounding: int | None
    transpose: int
    settings: Settings
    harmony: Harmony = FREE

    def sounding_at(self, step: int) -> int | None:
        """The pitch, as decoded, that sounds going into ``step`` (0 to 16)."""
        return self.codec.sounding_at(self.steps.tokens, step, self.sounding)


def render(record: BarRecord, settings: Settings, transposed_before: int, from_step: int = 0) -> Bar:
    """The bar as the player gets it.

    Args:
        record: What was decoded.
        settings: How loud, and how strongly accented; velocities stay within 1 to 127.
        transposed_before: The transposition of what sounds going in: where it differs, the note that would be tied
            is struck anew at its new pitch.
        from_step: What happens before this step is left out.
    """
    velocity, accent = settings.velocity, settings.accent
    sounding = record.sounding_at(from_step)
    decoded = record.codec.decode_bar(record.steps, sounding, from_step=from_step, accent_depth=accent)
    notes = [_note(_gated(note, settings.gate), record.transpose, velocity) for note in decoded.notes]
    # With a gate nothing sounds on over a bar line.
    going_on = decoded.ties if settings.gate >= 1 else ()
    ties: tuple[Tie, ...] = ()
    if transposed_before == record.transpose:
        ties = tuple(Tie(_pitch(tie.pitch, record.transpose), tie.duration_ub, tie.held) for tie in going_on)
    else:
        struck = record.codec.attack_velocity(from_step, accent)
        notes[:0] = [_struck(tie, from_step, struck, record.transpose, velocity) for tie in going_on]
    return Bar(record.id, record.after_id, tuple(notes), ties)


def _gated(note: Note, gate: float) -> Note:
    """A note cut short; cut or not, it takes at least a micro-beat."""
    if gate >= 1:
        return note
    return Note(note.start_ub, max(1, round(note.duration_ub * gate)), note.pitch, note.velocity)


def _note(note: Note, transpose: int, velocity: float) -> Note:
    scaled = min(127, max(1, round(note.velocity * velocity)))
    return Note(note.start_ub, note.duration_ub, _pitch(note.pitch, transpose), scaled, note.held)


def _struck(tie: Tie, from_step: int, struck: int, transpose: int, velocity: float) -> Note:
    start_ub = from_step * STEP_UB
    attack = Note(start_ub, tie.duration_ub - start_ub, tie.pitch, struck, tie.held)
    return _note(attack, transpose, velocity)


def _pitch(pitch: int, transpose: int) -> int:
    # By octaves back into MIDI's range, so that a melody keeps its notes at any transposition.
    moved = pitch + transpose
    while moved > 127:
        moved -= 12
    while moved < 0:
        moved += 12
    return moved
