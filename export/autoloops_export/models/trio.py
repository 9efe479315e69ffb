"""The hierarchical model of three parts: one latent, one conductor, and a core decoder for melody, bass and drums each.

After MusicVAE's trio (Roberts et al., ICML 2018, section 4.1): the three parts of a bar are encoded together; given the
bar's embedding the core decoders know nothing of each other. Drums have velocities and microtiming, as in GrooVAE.

Axes as in :mod:`autoloops_export.models.hierarchical`; the last axis of a trio's tokens is the part.
"""

import dataclasses
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_engine.codecs.drums import CLASSES as DRUM_CLASSES
from autoloops_export.models.config import TRIO_PARTS, ModelConfig
from autoloops_export.models.core import CoreDecoder
from autoloops_export.models.groove import GrooveDecoder
from autoloops_export.models.hierarchical import Conducted
from autoloops_export.models.loops import Loops


class TrioVae(Conducted):
    """A variational autoencoder of melody, bass and drums together."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        drums = GrooveDecoder(dataclasses.replace(config, classes=DRUM_CLASSES), 2)
        self.parts = nn.ModuleDict({"melody": CoreDecoder(config, 0), "bass": CoreDecoder(config, 1), "drums": drums})

    def core(self, part: str) -> CoreDecoder:
        """The decoder of a part."""
        return cast("CoreDecoder", self.parts[part])

    def features(self, loops: Loops) -> Tensor:
        """Melody and bass one-hot, then hits, velocities and offsets of the drums: float32 [B, T, 207]."""
        lines = F.one_hot(loops.tokens[..., :2], self.config.classes).flatten(2).float()
        core, drums = self.cores(loops)[-1]
        return torch.cat([lines, cast("GrooveDecoder", core).drum_features(drums)], dim=2)

    def cores(self, loops: Loops) -> list[tuple[CoreDecoder, Loops]]:
        """See :meth:`autoloops_export.models.flat.LoopVae.cores`; the touch goes to the drums."""
        return [
            (self.core(part), Loops(loops.tokens[..., number], loops.touch if part == "drums" else None))
            for number, part in enumerate(TRIO_PARTS)
        ]

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the states of all decoders before each bar [B, N, 3 S] and the bars' embeddings [B, N, E]."""
        embeddings = self.embeddings(z)
        return torch.cat([self.core(part).first_state(embeddings) for part in TRIO_PARTS], dim=2), embeddings
