"""What the tests of the view play and show."""

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.view.rehearsal import Rehearsal
from autoloops_bridges.view.snapshot import ShownBar, ShownNote, ShownPart, Snapshot
from autoloops_engine.latent import latent_space
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import STEP_UB

SETTLED_US = 1_000_000
DECODE_US = 4_000


def rehearsal(*names: str, tempo_bpm: float = 120.0) -> Rehearsal:
    """Parts with a decoder without a model, ready to start."""
    decoder = StubDecoder()
    parts = names or ("melody",)
    channels = {name: at for at, name in enumerate(parts, 1)}
    options = PlayOptions(parts=parts, channels=channels, seed=7, tempo_bpm=tempo_bpm)
    setups = [PartSetup(name, channels[name], latent_space(decoder.manifest), 2) for name in parts]
    ready = Rehearsal(options, setups, dict.fromkeys(parts, decoder), decode_us=DECODE_US)
    ready.run_until(SETTLED_US)
    return ready


def note(step: int, steps: int, pitch: int) -> ShownNote:
    """A note on the grid."""
    return ShownNote(step * STEP_UB, (step + steps) * STEP_UB, pitch)


def part(
    name: str = "melody", *notes: ShownNote, following: tuple[ShownNote, ...] = (), **changes: object
) -> ShownPart:
    """A part that sounds these notes."""
    facts: dict[str, object] = {
        "name": name,
        "channel": 1,
        "muted": False,
        "hold": True,
        "pitched": True,
        "misses": 0,
        "sounding": ShownBar(0, notes, "fresh"),
        "next": ShownBar(1, following),
        "pitches": tuple(sorted({each.pitch for each in (*notes, *following)})),
        "loop_bar": 1,
        "length_bars": 2,
        "linked": False,
    }
    return ShownPart(**{**facts, **changes})  # type: ignore[arg-type]


def shown(*parts: ShownPart, **changes: object) -> Snapshot:
    """A snapshot of these parts."""
    facts: dict[str, object] = {
        "playing": True,
        "tempo_bpm": 120.0,
        "position_ub": 0,
        "sync": "internal",
        "following": "",
        "locked": True,
        "seed": 7,
        "parts": parts,
        "selected": 0,
        "margin_us": 1_990_000,
        "budget_us": 6_300,
        "decode_us": 2_100,
        "misses": 0,
        "fallbacks": 0,
        "late_max_us": 400,
        "osc": "127.0.0.1:7400",
        "listeners": 0,
        "outputs": ("AutoLoops",),
        "inputs": ("AutoLoops",),
        "control": "",
        "remarks": (),
    }
    return Snapshot(**{**facts, **changes})  # type: ignore[arg-type]
