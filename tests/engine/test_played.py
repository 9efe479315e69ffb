"""What a decoder answers beside tokens is played along the curves of its bundle."""

import dataclasses

import msgspec
import numpy as np
import pytest

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.manifest import Curve, Manifest
from autoloops_engine.bundle.shapes import misfit
from autoloops_engine.inference.onnx_decoder import OnnxDecoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import prior_sample

DOUBLED: Curve = ((-0.5, -1.0), (0.5, 1.0))
FLAT: Curve = ((0.0, 0.25), (1.0, 0.25))


def with_curves(manifest: Manifest, *curves: Curve) -> Manifest:
    return msgspec.structs.replace(manifest, outputs=(msgspec.structs.replace(manifest.outputs[0], played=curves),))


def test_velocities_and_offsets_follow_their_curves_and_nothing_stays_nothing() -> None:
    bundle = load_bundle(find_bundle("drums-2bar"))
    z = prior_sample(2, bundle.manifest.latent_size).astype(np.float32)
    request = DecodeRequest("drums", 0, z, 0, 1)
    plain, curved = (
        decode(OnnxDecoder(dataclasses.replace(bundle, manifest=manifest)), request)
        for manifest in (with_curves(bundle.manifest), with_curves(bundle.manifest, FLAT, DOUBLED))
    )
    assert curved.tokens == plain.tokens
    (loud, early), (was_loud, was_early) = curved.extras, plain.extras
    assert set(np.unique(loud)) == {0.0, 0.25}
    assert ((loud > 0) == (was_loud > 0)).all()
    np.testing.assert_allclose(early, np.clip(2 * was_early, -1, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("curves", "what"),
    [
        ((DOUBLED,), "1 curves of drums, and groove-512 has 2 extras"),
        ((DOUBLED, ((0.0, 0.0),)), "does not rise"),
        ((DOUBLED, ((0.5, 0.0), (0.5, 1.0))), "does not rise"),
        ((DOUBLED, ((0.0, 0.0), (1.0, 2.0))), "within -1 to 1"),
    ],
)
def test_curves_that_cannot_be_are_named(curves: tuple[Curve, ...], what: str) -> None:
    manifest = load_bundle(find_bundle("drums-2bar")).manifest
    assert misfit(manifest) is None
    assert what in str(misfit(with_curves(manifest, *curves)))
