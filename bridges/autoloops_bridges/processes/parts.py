"""The models of the parts: loaded, warmed up, and how long they take on this machine."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
from platformdirs import user_cache_path

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.inference.budget import DecodeBudget
from autoloops_engine.inference.onnx_decoder import OnnxDecoder
from autoloops_engine.inference.warm_up import WARM_UP_DECODES, warm_up
from autoloops_engine.latent import latent_space
from autoloops_engine.session.settings import PartSetup

# With a value from last time it is enough to see that it is not from a slower day.
_WARM_UP_WHEN_CACHED: Final = 5


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """A part with its model.

    Attributes:
        setup: What the session has to know.
        path: Where its bundle lies.
        decoder: Runs the model.
        digest: The bundle's identity.
        cached_us: Its decode budget as an earlier run on this machine left it; None: unknown.
        warm_up_us: Durations of the warm-up decodes.
    """

    setup: PartSetup
    path: str
    decoder: OnnxDecoder
    digest: str
    cached_us: int | None
    warm_up_us: tuple[int, ...]


def load_parts(options: PlayOptions) -> list[LoadedPart]:
    """Load and warm up the models; parts with the same bundle share one.

    Raises:
        BundleError: a bundle is missing, damaged, too new or unsafe.
        ModelError: a model cannot be run.
    """
    parts: dict[str, LoadedPart] = {}
    for name in options.parts:
        path = options.models[name]
        same = next((parts[other] for other in parts if options.models[other] == path), None)
        channel = options.channels[name]
        parts[name] = load_part(name, channel, path) if same is None else _shared(same, name, channel)
    return list(parts.values())


def load_part(name: str, channel: int, path: str) -> LoadedPart:
    """Load and warm up the model of one part.

    Raises:
        BundleError: the bundle is missing, damaged, too new or unsafe.
        ModelError: the model cannot be run, or answers what its manifest does not promise.
    """
    bundle = load_bundle(Path(path))
    decoder = OnnxDecoder(bundle)
    cached_us = _read_budgets().get(bundle.digest)
    decodes = WARM_UP_DECODES if cached_us is None else _WARM_UP_WHEN_CACHED
    durations_us = tuple(warm_up(decoder, monotonic_us, decodes))
    manifest = decoder.manifest
    setup = PartSetup(
        name,
        channel,
        latent_space(manifest),
        manifest.bars,
        manifest.sampling.temperature,
        codec_named(manifest.outputs[0].codec),
        manifest.name,
    )
    return LoadedPart(setup, path, decoder, bundle.digest, cached_us, durations_us)


def _shared(part: LoadedPart, name: str, channel: int) -> LoadedPart:
    return replace(part, setup=replace(part.setup, name=name, channel=channel))


def decode_budget(parts: list[LoadedPart]) -> DecodeBudget:
    """The budget that these parts start with."""
    budget = DecodeBudget()
    for part in parts:
        budget.add(part.setup.name, cached_us=part.cached_us, warm_up_us=part.warm_up_us)
    return budget


def keep_budget(parts: list[LoadedPart], budget: DecodeBudget) -> None:
    """Keep what was learnt for the next run on this machine; where nothing can be written, nothing is kept."""
    learnt = [(part.digest, budget.kept_us(part.setup.name)) for part in parts]
    budgets = _read_budgets() | {digest: kept_us for digest, kept_us in learnt if kept_us is not None}
    path = _budget_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(budgets))
        Path(scratch).replace(path)
    except OSError:
        return


def _read_budgets() -> dict[str, int]:
    try:
        return msgspec.json.decode(_budget_path().read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def _budget_path() -> Path:
    return user_cache_path("autoloops") / "decode-budget.json"
