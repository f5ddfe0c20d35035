"""Tacotron 2's decoder: its parameters, the products that its recurrences need, and teacher forcing.

Under teacher forcing only the attention LSTM with its attention, and the decoder LSTM, are true recurrences
(recurrence.py); all else is computed for all frames at once, before or after them. Free running is in inference.py.

Axes: B batch, N text symbols, T mel frames, M mel bands, H LSTM units, E encoder features, P prenet units.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import Tacotron2Config
from tacotron2.layers import Attention, Prenet, linear
from tacotron2.recurrence import AttentionWeights, PlainRecurrence, fold_location


class Decoder(nn.Module):
    """Prenet, attention LSTM, attention, decoder LSTM and the projections to a frame and to the gate."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.config = config
        inner = config.decoder_rnn_dim + config.encoder_dim
        self.prenet = Prenet(config)
        self.attention_rnn = nn.LSTMCell(config.prenet_dim + config.encoder_dim, config.attention_rnn_dim)
        self.attention_layer = Attention(config)
        self.decoder_rnn = nn.LSTMCell(config.attention_rnn_dim + config.encoder_dim, config.decoder_rnn_dim)
        self.linear_projection = linear(inner, config.n_mels)
        self.gate_layer = linear(inner, 1, gain="sigmoid")

    def prenet_product(self) -> tuple[Tensor, Tensor]:
        """Returns weight (4H, P) and bias (4H,): the prenet's part of the attention LSTM's input, with both biases."""
        rnn = self.attention_rnn
        return rnn.weight_ih[:, :self.config.prenet_dim], rnn.bias_ih + rnn.bias_hh

    def attention_weights(self) -> AttentionWeights:
        """Returns the weights of the attention recurrence, without those of the prenet, in float32."""
        rnn, layer = self.attention_rnn, self.attention_layer
        convolution = layer.location_layer["location_conv"].conv.weight
        dense = layer.location_layer["location_dense"].linear_layer.weight
        with torch.autocast(dense.device.type, enabled=False):
            folded = fold_location(convolution, dense)
        weight = torch.cat((rnn.weight_ih[:, self.config.prenet_dim:], rnn.weight_hh), 1)
        return AttentionWeights(weight, layer.query_layer.linear_layer.weight, folded, layer.v.linear_layer.weight[0])

    def state_product(self) -> tuple[Tensor, Tensor]:
        """Returns weight (4H, E + H) and bias (4H,): the decoder LSTM's input, for [context | hidden state]."""
        rnn, size = self.decoder_rnn, self.config.attention_rnn_dim  # NVIDIA's order is LSTM, context
        return torch.cat((rnn.weight_ih[:, size:], rnn.weight_ih[:, :size]), 1), rnn.bias_ih + rnn.bias_hh

    def output_product(self) -> tuple[Tensor, Tensor]:
        """Returns weight (M + 1, H + E) and bias (M + 1,): the projections to the frame and to the gate in one."""
        mel, gate = self.linear_projection.linear_layer, self.gate_layer.linear_layer
        return torch.cat((mel.weight, gate.weight)), torch.cat((mel.bias, gate.bias))

    def forward(self, memory: Tensor, id_lengths: Tensor, mel: Tensor,
                recurrence: PlainRecurrence) -> tuple[Tensor, Tensor, Tensor]:
        """Predicts each frame from the true frames before it.

        memory (B, N, E); id_lengths (B,) on its device; mel (B, M, T). Returns frames (T, B, M), gate logits (T, B)
        and alignments (T, B, N), all float32.
        """
        frames = mel.permute(2, 0, 1)  # (T, B, M)
        previous = torch.cat((torch.zeros_like(frames[:1]), frames[:-1]))
        gates = F.linear(self.prenet(previous), *self.prenet_product())  # (T, B, 4H)
        p = self.config.attention_dropout
        states, alignments = recurrence.attention(
            gates, memory, self.attention_layer.memory_layer(memory), *self.attention_weights(), id_lengths,
            self._dropout_mask(gates, p), 1 - p)
        gates = F.linear(states, *self.state_product())
        p = self.config.decoder_dropout
        hidden = recurrence.lstm(gates, self.decoder_rnn.weight_hh, self._dropout_mask(gates, p), 1 - p)
        contexts = states[..., :memory.shape[2]]
        outputs = F.linear(torch.cat((hidden, contexts), 2), *self.output_product()).float()
        return outputs[..., :-1], outputs[..., -1], alignments

    def _dropout_mask(self, gates: Tensor, p: float) -> Tensor | None:
        """Returns (T, B, H) uint8, 1 where a unit is kept, for an LSTM with gates (T, B, 4H); None in inference."""
        if not self.training or p == 0:
            return None
        T, B, width = gates.shape
        return torch.empty(T, B, width // 4, dtype=torch.uint8, device=gates.device).bernoulli_(1 - p)
