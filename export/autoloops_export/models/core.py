"""The core decoder of every model: an autoregressive LSTM over steps that is told a point at each of them.

After Roberts et al., "A Hierarchical Latent Vector Model for Learning Long-Term Structure in Music", ICML 2018,
section 3: the point (of a flat model z, of a hierarchical one a bar's embedding) joins the decoder's input at every
step, and the initial state of its layers is tanh of a linear map of it.

Axes: B batch, R rows that each have a point (loops, or their bars), T steps, C classes, P size of a point, H decoder
units, L decoder layers, S = 2 L H.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.sampling import choose


def initialise(*lstms: nn.LSTM) -> None:
    """Orthogonal recurrences, and a forget bias of 1 as in MusicVAE: cells remember from the first step on."""
    for lstm in lstms:
        for name, parameter in lstm.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.data.chunk(4):
                    nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter.data)
            else:
                parameter.data.zero_()
                if name.startswith("bias_ih"):
                    parameter.data.chunk(4)[1].fill_(1.0)


class Configured(nn.Module):
    """What every part of a model has."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config


class CoreDecoder(Configured):
    """An autoregressive decoder of tokens."""

    def __init__(self, config: ModelConfig, place: int = 0) -> None:
        """An untrained decoder of the part at ``place`` among those that share their points."""
        super().__init__(config)
        self.place = place
        self.to_state = nn.Linear(config.point, config.state)
        self.embed = nn.Embedding(config.classes, config.embedding)
        self.decoder = nn.LSTM(
            config.embedding + config.point, config.decoder_hidden, config.decoder_layers, batch_first=True
        )
        self.to_logits = nn.Linear(config.decoder_hidden, config.classes)
        initialise(self.decoder)

    def token_table(self) -> Tensor:
        """What each token, once played, tells the decoder: [C, embedding]."""
        return self.embed.weight

    def logits(self, outputs: Tensor) -> Tensor:
        """The decoder's outputs [..., H] to logits [..., C]."""
        logits: Tensor = self.to_logits(outputs)
        return logits

    def heard(self, points: Tensor) -> Tensor:
        """What of points [..., all parts' shares and the conductor's word] is meant for this part, [..., P]."""
        if len(self.config.parts) == 1:
            return points
        share = self.config.bar_share
        own = points[..., self.place * share : (self.place + 1) * share]
        return torch.cat([own, points[..., len(self.config.parts) * share :]], dim=-1)

    def first_state(self, points: Tensor) -> Tensor:
        """The state before the first step of what points [..., P] begin, [..., S]."""
        return torch.tanh(self.to_state(self.heard(points)))

    def run(self, points: Tensor, previous: Tensor) -> Tensor:
        """The decoder's outputs at every step at once, given the token before each.

        Args:
            points: What the steps are told, [R, P]; R is a multiple of B, and each row begins anew.
            previous: The tokens before each step, int64 [B, T]; 0 before the first.

        Returns:
            Outputs, [B, T, H].
        """
        layers, units = self.config.decoder_layers, self.config.decoder_hidden
        hidden, cell = self.first_state(points).view(-1, layers, 2, units).unbind(2)
        rows, heard = previous.reshape(len(points), -1), self.heard(points).unsqueeze(1)
        inputs = torch.cat([F.embedding(rows, self.token_table()), heard.expand(-1, rows.shape[1], -1)], dim=2)
        carried = (hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous())
        outputs: Tensor = self.decoder(inputs, carried)[0]
        return outputs.reshape(len(previous), -1, units)

    def bar(
        self, state: Tensor, embedding: Tensor, previous: Tensor, temperature: Tensor, noise: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        """Sample one bar step by step, each token chosen by :func:`choose` and fed back into the next step.

        Args:
            state: The decoder's state before the bar, [B, S].
            embedding: Of this bar (flat models: z), [B, E].
            previous: The token before the bar, int64 [B]; 0 at the start of a loop.
            temperature: Not negative, [B].
            noise: [B, 16, C].
            bias: Added to the logits before the temperature, [B, 16, C].

        Returns:
            Tokens int64 [B, 16], the state after each step [B, 16, S], logits before bias and temperature [B, 16, C].
        """
        maps = self._input_maps(embedding)
        answers = []
        for step in range(STEPS_PER_BAR):
            previous, state, scores = self._stepped(maps, state, previous, temperature, noise[:, step], bias[:, step])
            answers.append((previous, state, scores))
        tokens, states, logits = (torch.stack(of_steps, 1) for of_steps in zip(*answers, strict=True))
        return tokens, states, logits, *self.extras(tokens, states)

    def step(
        self, state: Tensor, embedding: Tensor, previous: Tensor, temperature: Tensor, noise: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step of :meth:`bar`, with noise and bias [B, C]: token [B], state [B, S] and logits [B, C]."""
        return self._stepped(self._input_maps(embedding), state, previous, temperature, noise, bias)

    def extras(self, tokens: Tensor, states: Tensor) -> tuple[Tensor, ...]:
        """What a bar answers beside tokens [B, 16], states [B, 16, S] and logits, made of the former: here nothing."""
        return ()

    def _stepped(
        self,
        maps: tuple[Tensor, Tensor],
        state: Tensor,
        previous: Tensor,
        temperature: Tensor,
        noise: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        from_token, from_point = maps
        state, output = self._step(state, F.embedding(previous, from_token) + from_point)
        scores = self.logits(output)
        return choose(scores, bias, temperature, noise), state, scores

    def _input_maps(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer's input gates, split: one row for each token [C, 4H], and the point's part [B, 4H].

        Neither depends on the step, so a bar computes them once.
        """
        weights, biases = self._input_weights(0)
        size = self.config.embedding
        from_token = self.token_table() @ weights[:, :size].T
        from_point = self.heard(embedding) @ weights[:, size:].T + biases
        return from_token, from_point

    def _input_weights(self, layer: int) -> tuple[Tensor, Tensor]:
        """Of a decoder layer's gates: the input weights [4H, inputs] and both biases in one, [4H]."""
        biases = getattr(self.decoder, f"bias_ih_l{layer}") + getattr(self.decoder, f"bias_hh_l{layer}")
        return getattr(self.decoder, f"weight_ih_l{layer}"), biases

    def _step(self, state: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        """One step of all layers: state [B, S] and the first layer's input gates [B, 4H] to state and output."""
        parts = state.chunk(2 * self.config.decoder_layers, dim=1)
        after: list[Tensor] = []
        hidden = gates
        for layer in range(self.config.decoder_layers):
            if layer:
                weights, biases = self._input_weights(layer)
                gates = hidden @ weights.T + biases
            gates = gates + parts[2 * layer] @ getattr(self.decoder, f"weight_hh_l{layer}").T
            keep_in, forget, candidate, keep_out = gates.chunk(4, dim=1)
            cell = torch.sigmoid(forget) * parts[2 * layer + 1] + torch.sigmoid(keep_in) * torch.tanh(candidate)
            hidden = torch.sigmoid(keep_out) * torch.tanh(cell)
            after += [hidden, cell]
        return torch.cat(after, dim=1), hidden
