"""Drums with groove: the flat model over joint classes of nine voices, with velocity and microtiming of every hit.

One class of 512 for all voices of a step keeps what is struck together together (MusicVAE's drums). A step's logits are
those of nine independent voices plus a correction for each combination, so that rare combinations profit from what is
known of their voices. Velocities and offsets are read from the decoder's output and from what it has just struck
(GrooVAE: Gillick et al., ICML 2019, section 3; there the hits are independent).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_engine.codecs.drums import CLASSES, VOICES
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.core import CoreDecoder
from autoloops_export.models.flat import FlatVae
from autoloops_export.models.loops import Loops


class GrooveDecoder(CoreDecoder):
    """An autoregressive decoder of drums."""

    bits: Tensor

    def __init__(self, config: ModelConfig, place: int = 0) -> None:
        super().__init__(config, place)
        voices = len(VOICES)
        bits = (torch.arange(CLASSES).unsqueeze(1) >> torch.arange(voices)) & 1
        self.register_buffer("bits", bits.float(), persistent=False)
        self.embed_hits = nn.Linear(voices, config.embedding, bias=False)
        self.to_hits = nn.Linear(config.decoder_hidden, voices, bias=False)
        self.to_touch_hidden = nn.Linear(config.decoder_hidden + voices, config.touch_hidden)
        self.to_touch = nn.Linear(config.touch_hidden, 2 * voices)
        # Combinations begin as what their voices make of them.
        nn.init.zeros_(self.embed.weight)
        nn.init.zeros_(self.to_logits.weight)

    def drum_features(self, loops: Loops) -> Tensor:
        """Hits, velocities and offsets of every voice: float32 [B, T, 27]."""
        if loops.touch is None:
            raise ValueError("Drums need velocities and offsets.")
        return torch.cat([self.hits(loops.tokens), loops.touch[..., 0], loops.touch[..., 1]], dim=2)

    def hits(self, tokens: Tensor) -> Tensor:
        """Which voices tokens [...] strike: 0 or 1, float32 [..., 9]."""
        return F.embedding(tokens, self.bits)

    def token_table(self) -> Tensor:
        """See :meth:`CoreDecoder.token_table`: of a combination and of its voices."""
        table: Tensor = self.embed.weight + self.embed_hits(self.bits)
        return table

    def logits(self, outputs: Tensor) -> Tensor:
        """See :meth:`CoreDecoder.logits`: of a combination and of its voices."""
        logits: Tensor = self.to_logits(outputs) + self.to_hits(outputs) @ self.bits.T
        return logits

    def touch(self, outputs: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Velocities (0 to 1) and offsets (-1 to 1), each [..., 9], of the hits in tokens [...]; 0 elsewhere.

        Args:
            outputs: The decoder's at the same steps, [..., H].
            tokens: What is struck there.
        """
        hits = self.hits(tokens)
        inner = torch.tanh(self.to_touch_hidden(torch.cat([outputs, hits], dim=-1)))
        velocities, offsets = self.to_touch(inner).chunk(2, dim=-1)
        return torch.sigmoid(velocities) * hits, torch.tanh(offsets) * hits

    def extras(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`CoreDecoder.extras`: velocities and offsets of what was struck, [B, 16, 9] each."""
        units = self.config.decoder_hidden
        # The state ends with the last layer's output and its cell.
        return self.touch(states[:, :, -2 * units : -units], tokens)


class GrooveVae(FlatVae, GrooveDecoder):
    """A flat variational autoencoder of drum loops."""

    def features(self, loops: Loops) -> Tensor:
        """See :meth:`GrooveDecoder.drum_features`."""
        return self.drum_features(loops)
