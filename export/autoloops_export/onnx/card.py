"""``MODEL_CARD.md``: what a bundle is, what it was made from, and how well it does."""

import textwrap
from dataclasses import dataclass
from typing import Final

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs.registry import DRUMS
from autoloops_export.attributes import AttributeReport
from autoloops_export.data.windows import DatasetManifest
from autoloops_export.evaluation.figures import DrumFigures, LineFigures
from autoloops_export.evaluation.samples import SampleFigures
from autoloops_export.evaluation.times import times_line
from autoloops_export.knobs import KnobReport, Ranking
from autoloops_export.models.config import CONDUCTED
from autoloops_export.models.registry import CheckpointCard
from autoloops_export.onnx.storage import Storage
from autoloops_export.ways import POINTS, Ways

# MusicVAE's per-step accuracy, teacher-forced and sampled, as commonly quoted from its paper (arXiv 1803.05428,
# table 1), by model: for two bars the flat ones, for sixteen the hierarchical ones. It has no bass alone; its melody of
# the same length is the nearest.
MUSICVAE: Final[dict[str, tuple[str, float, float]]] = {
    "melody, 2 bars": ("2-bar melody", 0.986, 0.951),
    "drums, 2 bars": ("2-bar drums", 0.979, 0.917),
    "melody, 16 bars": ("16-bar melody", 0.919, 0.812),
    "drums, 16 bars": ("16-bar drums", 0.928, 0.879),
    "trio melody": ("trio's melody", 0.848, 0.753),
    "trio bass": ("trio's bass", 0.880, 0.773),
    "trio drums": ("trio's drums", 0.912, 0.863),
}
LONG_BARS: Final = 8
WIDTH: Final = 118

LINES = "Plays single lines; it knows no velocity, so the engine adds metric accents."
DRUMS_TOO = "Plays nine drums with velocity and microtiming for every hit; what is struck together is one choice."
ALL_PARTS = (
    "Plays {parts} from one latent point: lines without velocity, to which the engine adds metric accents, and nine "
    "drums\n  with velocity and microtiming for every hit."
)
NOTHING_MEASURED = """## Data

It was exported without data: nothing was measured of its music, and whose music it learnt from is not known here.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What was measured on prepared windows.

    Attributes:
        figures: On the test tunes, from the graphs.
        trained: The same from PyTorch with the weights as trained: what storage costs.
        attributes: What the attribute faders do.
        samples: What made-up loops are like.
        knobs: What the first knobs do, to all parts together.
        data: The prepared windows.
    """

    figures: LineFigures | DrumFigures
    trained: LineFigures | DrumFigures
    attributes: tuple[AttributeReport, ...]
    samples: SampleFigures
    knobs: tuple[KnobReport, ...]
    data: DatasetManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card says beside the manifest.

    Attributes:
        origin: How it was trained; of a model of one's own its ``module:Class``.
        storage: How the graphs keep their weights.
        ranking: How the knobs were chosen.
        decode_ms: Median and 99th percentile of one bar of all parts on one thread, in milliseconds.
        on_data: What was measured on data, by part; None: there were none.
        ways: What ways between loops were compared; None: great circles were taken unasked.
        notes: What people say of it, in Markdown.
    """

    origin: CheckpointCard | str
    storage: Storage
    ranking: Ranking
    decode_ms: tuple[float, float]
    on_data: dict[str, DataFacts] | None
    ways: Ways | None = None
    notes: str = ""


def model_card(manifest: Manifest, facts: CardFacts) -> str:
    """The text of the card, in Markdown."""
    on_data = facts.on_data or {}
    several = len(manifest.outputs) > 1
    texts = [_head(manifest, facts)]
    if on_data:
        texts.append(_measured(manifest, on_data))
    if facts.notes.strip():
        texts.append(f"## Notes\n\n{facts.notes.strip()}\n")
    texts += [_samples(data.samples, part if several else "") for part, data in on_data.items()]
    if facts.ways is not None:
        texts.append(_ways(facts.ways))
    texts.append(_graphs(manifest, facts))
    if on_data:
        texts.append(_knobs(next(iter(on_data.values())).knobs))
    texts += [_attributes(data.attributes, part if several else "") for part, data in on_data.items()]
    texts.append(_data(manifest, next(iter(on_data.values())).data) if on_data else NOTHING_MEASURED)
    return "\n".join(text for text in texts if text)


def _head(manifest: Manifest, facts: CardFacts) -> str:
    names = [output.part for output in manifest.outputs]
    plays = DRUMS_TOO if manifest.outputs[0].codec == DRUMS.name else LINES
    if len(names) > 1:
        plays = ALL_PARTS.format(parts=f"{', '.join(names[:-1])} and {names[-1]}")
    return f"""# {manifest.name}

{manifest.description}

- Loops of {manifest.bars} bars, {manifest.steps_per_bar} steps a bar, 4/4; {manifest.latent_size} latent dimensions.
{_origin(facts.origin)}
{times_line(manifest, *facts.decode_ms)}
- {plays}
"""


def _origin(origin: CheckpointCard | str) -> str:
    if isinstance(origin, str):
        return f"- Made from `{origin}`, a model that is not part of AutoLoops."
    config = origin.config
    text = (
        f"- Encoder: {config.encoder_hidden} units each way; "
        f"decoder: {config.decoder_layers} layers of {config.decoder_hidden}.\n"
        f"- Trained for {origin.seconds / 60:.0f} minutes, {origin.step:,} steps; saw {origin.windows:,} windows."
    )
    if config.kind in CONDUCTED:
        text += (
            f"\n- Hierarchical: a conductor of {config.conductor_hidden} units over bars, a decoder of one bar"
            f"{' for each part' if len(config.parts) > 1 else ''}; {config.bar_latent} latent dimensions for each bar."
        )
    if origin.begin_from:
        bundles = ", ".join(origin.begin_from.values())
        text += f"\n- Before that, its bars began with the encoders and decoders of {bundles}."
    return text


def _measured(manifest: Manifest, on_data: dict[str, DataFacts]) -> str:
    whole = next(iter(on_data.values())).figures
    drum = any(isinstance(data.figures, DrumFigures) for data in on_data.values())
    tables = "\n".join(_accuracy(manifest, part, data) for part, data in on_data.items())
    return f"""## Measured on the test tunes

{whole.loops:,} loops of tunes that training never saw, through the bundle's graphs. Accuracy is the share of steps that
are right{"; of drums a step is right where all nine voices are" if drum else ""}.

{tables}
KL {whole.kl:.1f} nats a loop, in {whole.active_dimensions} active dimensions.

MusicVAE's figures are those commonly quoted from its paper (arXiv 1803.05428, table 1): another test set, about 1.5
million files that are not public, and a model many times larger. They were not measured here.
"""


def _musicvae(manifest: Manifest, part: str) -> tuple[str, float, float]:
    """MusicVAE's nearest model, and its accuracies teacher-forced and sampled."""
    if len(manifest.outputs) > 1:
        return MUSICVAE[f"trio {part}"]
    kind = "drums" if manifest.outputs[0].codec == DRUMS.name else "melody"
    return MUSICVAE[f"{kind}, {16 if manifest.bars > LONG_BARS else 2} bars"]


def _accuracy(manifest: Manifest, part: str, facts: DataFacts) -> str:
    f = facts.figures
    theirs, teacher_forced, sampled = _musicvae(manifest, part)
    what = "hit" if isinstance(f, DrumFigures) else "onset"
    side = "above" if f.free_at_1 >= sampled else "below"
    title = f"### {part}\n\n" if len(manifest.outputs) > 1 else ""
    return f"""{title}| | this model | MusicVAE's {theirs} |
|--|--|--|
| always "no event" (baseline) | {f.no_event:.3f} | |
| the likest training window (baseline) | {facts.samples.nearest_neighbour:.3f} | |
| teacher-forced, posterior sample | {f.teacher_forced:.3f} | {teacher_forced} |
| free-running, temperature 1, posterior sample | {f.free_at_1:.3f} | {sampled} |
| free-running, temperature 0.2, posterior mean | {f.free_at_02:.3f} | |
| {what} F1, temperature 1 / 0.2 | {f.onset_f1_at_1:.3f} / {f.onset_f1_at_02:.3f} | |
{_own_rows(f)}
| reconstruction, nats a loop | {f.reconstruction:.1f} | |

Free-running at temperature 1 it is {abs(f.free_at_1 - sampled):.3f} {side} MusicVAE's.
"""


def _own_rows(figures: LineFigures | DrumFigures) -> str:
    if isinstance(figures, LineFigures):
        pitches = f"{figures.pitch_at_1:.3f} / {figures.pitch_at_02:.3f}"
        return f"| pitch right where both have an onset, 1 / 0.2 | {pitches} | |"
    velocity = f"{figures.velocity_error:.3f} (all hits alike: {figures.flat_velocity_error:.3f})"
    timing = f"{figures.timing_error:.3f} (on the grid: {figures.flat_timing_error:.3f})"
    return (
        f"| velocity off by, 0 to 1, at shared hits | {velocity} | |\n"
        f"| timing off by, half steps (62.5 ms at 120 BPM), at shared hits | {timing} | |"
    )


def _graphs(manifest: Manifest, facts: CardFacts) -> str:
    ranking, parity = facts.ranking, manifest.parity
    assert parity is not None
    worst = max(parity.differences.values())
    return f"""## Graphs

- Weights are kept as {facts.storage} and run as float32.{_storage_cost(facts.on_data)}
- Parity with PyTorch holding the same weights, over {parity.points:,} random points: largest difference of any output
  {worst:.1g} (tolerance {parity.tolerance:g}); of {parity.sampled_tokens:,} sampled tokens
  {len(parity.exceptions)} differ, {parity.unexcused} of them without a near tie.
- Knobs: {_kept(ranking)}

{_exceptions(parity.exceptions)}"""


def _storage_cost(on_data: dict[str, DataFacts] | None) -> str:
    lines = []
    for part, data in (on_data or {}).items():
        f, t = data.figures, data.trained
        lines.append(
            f"  {part}: {t.teacher_forced:.3f} teacher-forced, {t.free_at_1:.3f} at temperature 1 and "
            f"{t.free_at_02:.3f} at 0.2\n"
            f"  ({f.teacher_forced:.3f}, {f.free_at_1:.3f} and {f.free_at_02:.3f} from the graphs)."
        )
    return " With the weights as trained, PyTorch gets\n" + "\n".join(lines) if lines else ""


def _kept(ranking: Ranking) -> str:
    if ranking.principal_change is None:
        return (
            "raw latent axes, most telling first, ranked and calibrated on points of the prior.\n"
            f"  Steps changed per unit, mean of the best thirty: {ranking.axes_change:.2f}."
        )
    words = {
        "principal": "principal directions of held-out loops",
        "axes": "raw latent axes",
        "bars": "principal directions of the bars of held-out loops, the same in every bar",
    }
    bars = "" if ranking.bars_change is None else f", {ranking.bars_change:.2f} along those of bars"
    return (
        f"{words[ranking.kept]}, most telling first.\n  Steps changed per unit, mean of the best thirty: "
        f"{ranking.principal_change:.2f} along principal directions{bars}, "
        f"{ranking.axes_change:.2f} along raw axes."
    )


def _exceptions(exceptions: tuple[str, ...]) -> str:
    if not exceptions:
        return ""
    return "Sampled tokens that differ:\n\n" + "\n".join(f"- {text}" for text in exceptions) + "\n\n"


def _samples(samples: SampleFigures, part: str) -> str:
    rows = "\n".join(
        f"| {name} | {value:.3f} | {samples.midpoint_overlap[name]:.3f} "
        f"| {samples.train_overlap[name]:.3f} | {samples.valid_overlap[name]:.3f} |"
        for name, value in samples.prior_overlap.items()
    )
    return f"""## Made-up loops{f": {part}" if part else ""}

Overlap of distributions with those of test loops, temperature 1 (1: identical). New loops are drawn as `fire new` draws
them. Real loops show how far tunes differ: nothing that was learnt from the training loops alone can be expected to
overlap more with the test tunes than these do.

| | new loops | half-way between two test loops | real: training loops | real: validation loops |
|--|--|--|--|--|
{rows}

- New loops that are a training window: {samples.copies:.1%}; empty ones: {samples.empty:.1%}. Of those half-way:
  {samples.midpoint_copies:.1%} and {samples.midpoint_empty:.1%}.
- On a path of nine points between two test loops {samples.path_change:.1%} of the steps change from point to point;
  {samples.path_monotone:.0%} of the moves do not lead back towards the start.
"""


def _ways(ways: Ways) -> str:
    taken = "along the density" if ways.leads else "on great circles, which change a loop more evenly"
    text = (
        f"Morphs lead {taken}: half-way between two validation loops the least overlap with these is {ways.circle:.3f} "
        f"on great circles and {ways.led:.3f} along the density. The largest change from one to the next of {POINTS} "
        f"points on the way is {ways.circle_leap:.1%} of the steps on great circles and {ways.led_leap:.1%} along the "
        "density."
    )
    return textwrap.fill(text, WIDTH) + "\n"


def _knobs(reports: tuple[KnobReport, ...]) -> str:
    rows = "\n".join(
        f"| {number} | {r.whole:.1f} | {r.dead_zone:.1%} | " + " | ".join(f"{share:.0%}" for share in r.tenths) + " |"
        for number, r in enumerate(reports, 1)
    )
    tenths = " | ".join(f"{i}" for i in range(1, 11))
    return f"""## Knobs

The first {len(reports)}, turned from end to end on test loops at temperature 0: steps of a loop that change on the way,
the longest stretch of the travel over which next to nothing changes (less than a tenth of an even share), and how much
of the change falls on each tenth of the travel (even: 10%).

| knob | change | dead | {tenths} |
|--|--|--|{"--|" * 10}
{rows}
"""


def _attributes(reports: tuple[AttributeReport, ...], part: str) -> str:
    if not reports:
        return ""
    names = [report.name for report in reports]
    rows = "\n".join(
        f"| {r.name} | {r.low:g} to {r.high:g} | {r.along_a_loop:.2f} | {r.over_loops:.2f} | "
        + " | ".join(f"{r.leakage[name]:+.2f}" for name in names)
        + " |"
        for r in reports
    )
    return f"""## Attribute faders{f" of {part}" if part else ""}

Fader 0 to 1 is the 5th to the 95th percentile of held-out loops. Measured open loop, on test loops decoded at their
posterior means: Spearman correlation of fader and attribute as one loop's fader moves (mean over loops) and over all
loops together; then what a full travel changes in every attribute, in shares of that attribute's own range.

| fader | range | along a loop | over loops | {" | ".join(names)} |
|--|--|--|--|{"--|" * len(names)}
{rows}
"""


def _data(manifest: Manifest, data: DatasetManifest) -> str:
    splits = ", ".join(f"{count:,} {name}" for name, count in data.windows.items())
    rows = "\n".join(f"| {s.name} | {s.licence} | {s.attribution} |" for s in manifest.data)
    return f"""## Data

Windows by split: {splits}. Split by tune; training windows that equal a held-out one in any
transposition were dropped.{_made_up(data)}

| corpus | licence | attribution |
|--|--|--|
{rows}
"""


def _made_up(data: DatasetManifest) -> str:
    """How many training windows nobody wrote."""
    made = data.recombined + data.drummed
    if not made:
        return ""
    return f""" Only {data.windows["train"] - made:,} of the training windows are
trios as they were written, of few pieces and overlapping; {data.recombined:,} put a melody over the bass and the drums
of another piece whose own melody plays the same pitch classes bar by bar, and {data.drummed:,} put drums from elsewhere
to pairs of melody and bass, among them songs with the lowest notes of the piano's left hand for a bass. Test and
validation windows are as they were written."""
