"""The models of the parts: loaded, warmed up, and how long they take on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
from platformdirs import user_cache_path

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.files import replace_file
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.bundle.installed import split_reference
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.codecs.registry import Codec
from autoloops_engine.inference.budget import DecodeBudget
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.onnx_decoder import OnnxDecoder
from autoloops_engine.inference.warm_up import WARM_UP_DECODES, warm_up
from autoloops_engine.session.casting import cast
from autoloops_engine.session.settings import PartSetup

# With a value from last time it is enough to see that it is not from a slower day.
_WARM_UP_WHEN_CACHED: Final = 5


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """A part with its model.

    Attributes:
        setup: What the session has to know.
        reference: Where its bundle lies, and after ``#`` the output that plays it where there are several.
        model: Runs the graphs; parts with the same bundle share it.
        decoder: Decodes the bars of the part.
        digest: The bundle's identity.
        cached_us: Its decode budget as an earlier run on this machine left it; None: unknown.
        warm_up_us: Durations of the warm-up decodes.
    """

    setup: PartSetup
    reference: str
    model: OnnxDecoder
    decoder: Decoder
    digest: str
    cached_us: int | None
    warm_up_us: tuple[int, ...]

    @property
    def budget_key(self) -> str:
        """What the decode budget is kept under."""
        return _budget_key(self.digest, self.setup.space.output)


def load_parts(options: PlayOptions) -> list[LoadedPart]:
    """Load and warm up the models; parts with the same bundle share one.

    Raises:
        BundleError: a bundle is missing, damaged, too new or unsafe, or has no such output.
        ModelError: a model cannot be run.
    """
    parts: list[LoadedPart] = []
    for name in options.parts:
        port = options.outputs.get(name, "")
        parts.append(load_part(name, options.channels[name], options.models[name], loaded=parts, port=port))
    return parts


def load_part(
    name: str,
    channel: int,
    reference: str,
    *,
    codec: Codec | None = None,
    loaded: Sequence[LoadedPart] = (),
    port: str = "",
) -> LoadedPart:
    """Load and warm up the model of one part.

    Args:
        name: The part.
        channel: Its MIDI channel, 1 to 16.
        reference: Path of the bundle, and after ``#`` the output that is to play.
        codec: What the part spoke before; None: nothing.
        loaded: Parts whose models can be shared.
        port: The port of the rig file that it plays to; empty: that of ``--midi-out``.

    Raises:
        BundleError: the bundle is missing, damaged, too new or unsafe, or has no such output.
        ModelError: the model cannot be run, or answers what its manifest does not promise.
    """
    path, output = split_reference(reference)
    bundle = load_bundle(Path(path))
    model = next((part.model for part in loaded if part.digest == bundle.digest), None) or OnnxDecoder(bundle)
    cast_part = cast(name, channel, model, output=output, codec=codec, family=bundle.digest)
    key = _budget_key(bundle.digest, cast_part.output)
    cached_us = _read_budgets().get(key)
    decodes = WARM_UP_DECODES if cached_us is None else _WARM_UP_WHEN_CACHED
    same = next((part for part in loaded if part.budget_key == key), None)
    durations_us = tuple(warm_up(cast_part.decoder, monotonic_us, decodes)) if same is None else same.warm_up_us
    full = f"{path}#{cast_part.output}" if cast_part.output else path
    setup = replace(cast_part.setup, port=port)
    return LoadedPart(setup, full, model, cast_part.decoder, bundle.digest, cached_us, durations_us)


def decode_budget(parts: list[LoadedPart]) -> DecodeBudget:
    """The budget that these parts start with."""
    budget = DecodeBudget()
    for part in parts:
        budget.add(part.setup.name, cached_us=part.cached_us, warm_up_us=part.warm_up_us)
    return budget


def keep_budget(parts: list[LoadedPart], budget: DecodeBudget) -> None:
    """Keep what was learnt for the next run on this machine; where nothing can be written, nothing is kept."""
    learnt = [(part.budget_key, budget.kept_us(part.setup.name)) for part in parts]
    budgets = _read_budgets() | {digest: kept_us for digest, kept_us in learnt if kept_us is not None}
    path = _budget_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(budgets))
    except OSError:
        return


def _read_budgets() -> dict[str, int]:
    try:
        return msgspec.json.decode(_budget_path().read_bytes(), type=dict[str, int])
    except (OSError, ValueError):
        return {}


def _budget_key(digest: str, output: str) -> str:
    return f"{digest}#{output}" if output else digest


def _budget_path() -> Path:
    return user_cache_path("autoloops") / "decode-budget.json"
