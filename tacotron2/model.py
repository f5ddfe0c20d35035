"""Tacotron 2 (Shen et al. 2018, arXiv 1712.05884) with the layers and parameter names of NVIDIA's implementation.

Axes: B batch, N text symbols, T mel frames, M mel bands, H LSTM units, E encoder features (512). Mel: natural log.

Under teacher forcing only the attention LSTM with its attention, and the decoder LSTM, are true recurrences
(recurrence.py); all else is done for all frames at once, before or after them. Free running is in inference.py.
"""
import math
from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hparams import Tacotron2Config, TextConfig
from tacotron2.inference import Tacotron2Inference, infer
from tacotron2.recurrence import PLAIN, AttentionWeights, PlainRecurrence, fold_location


class Tacotron2Output(NamedTuple):
    """What a teacher-forced reading gives; values on padding are 0 but for gate_logits."""
    mel: Tensor  # (B, M, T) float32, before the postnet
    mel_postnet: Tensor  # (B, M, T) float32
    gate_logits: Tensor  # (B, T) float32, positive where the reading should stop
    alignments: Tensor  # (B, T, N) float32, each real frame sums to 1
    encoder_outputs: Tensor  # (B, N, E) float32
    id_mask: Tensor  # (B, N) bool, True on real symbols
    mel_mask: Tensor  # (B, T) bool, True on real frames


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Mask (B, size) from lengths (B,), on their device: True where the position is below the row's length."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def _linear(inputs: int, outputs: int, bias: bool = True, gain: str = "linear") -> nn.Sequential:
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain(gain))
    return nn.Sequential(OrderedDict(linear_layer=layer))


def _convolution(inputs: int, outputs: int, kernel_size: int, bias: bool = True, gain: str = "linear") -> nn.Sequential:
    layer = nn.Conv1d(inputs, outputs, kernel_size, padding=kernel_size // 2, bias=bias)
    nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain(gain))
    return nn.Sequential(OrderedDict(conv=layer))


def _convolution_stack(sizes: list[int], kernel_size: int, gains: list[str]) -> nn.ModuleList:
    return nn.ModuleList([nn.Sequential(_convolution(inputs, outputs, kernel_size, gain=gain), nn.BatchNorm1d(outputs))
                          for inputs, outputs, gain in zip(sizes, sizes[1:], gains)])


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda x: x}


def _run_stack(layers: nn.ModuleList, gains: list[str], x: Tensor, mask: Tensor) -> Tensor:
    """Convolutions, batch norm, activations and dropout (0.5 in training) on x (B, D, length).

    Padding (mask (B, length) False) is zeroed before every layer, just as a row alone is bordered by zeros: otherwise
    a row's result would depend on how far its batch is padded. (In training it does a little, as in NVIDIA's: the
    statistics of batch norm count padding, of which batches of like length hold little.)
    """
    padding = ~mask[:, None]
    x = x.masked_fill(padding, 0)
    for layer, gain in zip(layers, gains):
        x = F.dropout(ACTIVATIONS[gain](layer(x)), 0.5, layers.training).masked_fill(padding, 0)
    return x


class Encoder(nn.Module):
    """Convolutions and a bidirectional LSTM over the embedded symbols."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.gains = ["relu"] * config.encoder_n_convolutions
        sizes = [config.embedding_dim] * (config.encoder_n_convolutions + 1)
        self.convolutions = _convolution_stack(sizes, config.encoder_kernel_size, self.gains)
        self.lstm = nn.LSTM(config.embedding_dim, config.encoder_dim // 2, batch_first=True, bidirectional=True)

    def forward(self, embedded: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """embedded (B, N, D), lengths (B,), mask (B, N) -> (B, N, E) float32, 0 on padding."""
        x = _run_stack(self.convolutions, self.gains, embedded.transpose(1, 2), mask).transpose(1, 2)  # (B, N, D)
        lengths = lengths.cpu()
        order = lengths.argsort(descending=True, stable=True)  # by hand, as torch's own sorting waits for the device
        back = order.argsort().to(x.device, non_blocking=True)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()[order.to(x.device, non_blocking=True)]
            packed, _ = self.lstm(pack_padded_sequence(x, lengths[order], batch_first=True))
        return pad_packed_sequence(packed, batch_first=True, total_length=mask.shape[1])[0][back]


class Prenet(nn.Module):
    """Two linear layers with ReLU and a dropout of one half that stays on when the network is used."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        sizes = [config.n_mels, config.prenet_dim, config.prenet_dim]
        self.layers = nn.ModuleList([_linear(i, o, bias=False) for i, o in zip(sizes, sizes[1:])])

    def forward(self, frames: Tensor, keep: Tensor | None = None) -> Tensor:
        """frames (..., M) -> (..., P).

        keep: (2, ..., P) with 2 where a layer's unit is kept and 0 where it is dropped; None: by torch's own random
        numbers.
        """
        for index, layer in enumerate(self.layers):
            frames = F.relu(layer(frames))
            frames = F.dropout(frames, 0.5, training=True) if keep is None else frames * keep[index]
        return frames


class Attention(nn.Module):
    """Parameters of the location-sensitive attention (Chorowski et al. 2015, arXiv 1506.07503)."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        size, filters = config.attention_dim, config.location_n_filters
        self.query_layer = _linear(config.attention_rnn_dim, size, bias=False, gain="tanh")
        self.memory_layer = _linear(config.encoder_dim, size, bias=False, gain="tanh")
        self.v = _linear(size, 1, bias=False)
        self.location_layer = nn.ModuleDict({
            "location_conv": _convolution(2, filters, config.location_kernel_size, bias=False),
            "location_dense": _linear(filters, size, bias=False, gain="tanh")})


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
        self.linear_projection = _linear(inner, config.n_mels)
        self.gate_layer = _linear(inner, 1, gain="sigmoid")

    def prenet_product(self) -> tuple[Tensor, Tensor]:
        """(weight (4H, P), bias (4H,)): the prenet's part of the attention LSTM's input product, with all biases."""
        rnn = self.attention_rnn
        return rnn.weight_ih[:, :self.config.prenet_dim], rnn.bias_ih + rnn.bias_hh

    def attention_weights(self) -> AttentionWeights:
        """The rest of what the attention recurrence multiplies by, in float32."""
        rnn, layer = self.attention_rnn, self.attention_layer
        convolution = layer.location_layer["location_conv"].conv.weight
        dense = layer.location_layer["location_dense"].linear_layer.weight
        with torch.autocast(dense.device.type, enabled=False):
            folded = fold_location(convolution, dense)
        weight = torch.cat((rnn.weight_ih[:, self.config.prenet_dim:], rnn.weight_hh), 1)
        return AttentionWeights(weight, layer.query_layer.linear_layer.weight, folded, layer.v.linear_layer.weight[0])

    def state_product(self) -> tuple[Tensor, Tensor]:
        """(weight (4H, E + H), bias): the decoder LSTM's input product, for [context | attention hidden] states."""
        rnn, size = self.decoder_rnn, self.config.attention_rnn_dim  # NVIDIA's order is hidden, context
        return torch.cat((rnn.weight_ih[:, size:], rnn.weight_ih[:, :size]), 1), rnn.bias_ih + rnn.bias_hh

    def output_product(self) -> tuple[Tensor, Tensor]:
        """(weight (M + 1, H + E), bias): the frame's and the gate's projection in one."""
        mel, gate = self.linear_projection.linear_layer, self.gate_layer.linear_layer
        return torch.cat((mel.weight, gate.weight)), torch.cat((mel.bias, gate.bias))

    def forward(self, memory: Tensor, id_lengths: Tensor, mel: Tensor,
                recurrence: PlainRecurrence) -> tuple[Tensor, Tensor, Tensor]:
        """Teacher-forced: each frame is told from the true frames before it.

        memory (B, N, E); id_lengths (B,) on its device; mel (B, M, T). Returns frames (T, B, M), gate logits (T, B)
        and alignments (T, B, N), all float32.
        """
        frames = mel.permute(2, 0, 1)  # (T, B, M)
        previous = torch.cat((torch.zeros_like(frames[:1]), frames[:-1]))
        gates = F.linear(self.prenet(previous), *self.prenet_product())  # (T, B, 4H)
        p = self.config.attention_dropout
        states, alignments = recurrence.attention(
            gates, memory, self.attention_layer.memory_layer(memory), *self.attention_weights(), id_lengths,
            self._keep(gates, p), 1 - p)
        gates = F.linear(states, *self.state_product())
        p = self.config.decoder_dropout
        hidden = recurrence.lstm(gates, self.decoder_rnn.weight_hh, self._keep(gates, p), 1 - p)
        contexts = states[..., :memory.shape[2]]
        outputs = F.linear(torch.cat((hidden, contexts), 2), *self.output_product()).float()
        return outputs[..., :-1], outputs[..., -1], alignments

    def _keep(self, gates: Tensor, p: float) -> Tensor | None:
        """A dropout mask (T, B, H) uint8 for an LSTM with gates (T, B, 4H), or None outside training."""
        if not self.training or p == 0:
            return None
        T, B, width = gates.shape
        return torch.empty(T, B, width // 4, dtype=torch.uint8, device=gates.device).bernoulli_(1 - p)


class Postnet(nn.Module):
    """Convolutions that tell what is to be added to a whole mel."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        inner = config.postnet_n_convolutions - 1
        self.gains = ["tanh"] * inner + ["linear"]
        self.convolutions = _convolution_stack([config.n_mels] + [config.postnet_dim] * inner + [config.n_mels],
                                               config.postnet_kernel_size, self.gains)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel (B, M, T), mask (B, T) -> (B, M, T) float32 to add to it, 0 on padding."""
        return _run_stack(self.convolutions, self.gains, mel, mask).float()


class Tacotron2(nn.Module):
    """The teacher. `config` holds its sizes, `text` how the text that it reads becomes ids."""

    def __init__(self, config: Tacotron2Config, text: TextConfig = TextConfig()) -> None:
        super().__init__()
        self.config = config
        self.text = text
        self.embedding = nn.Embedding(config.n_symbols, config.embedding_dim)
        bound = math.sqrt(6 / (config.n_symbols + config.embedding_dim))
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.postnet = Postnet(config)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """ids (B, N) int64, id_lengths (B,) -> encoder outputs (B, N, E) float32, 0 on padding, and mask (B, N)."""
        mask = length_mask(id_lengths.to(ids.device, non_blocking=True), ids.shape[1])
        return self.encoder(self.embedding(ids), id_lengths, mask), mask

    def forward(self, ids: Tensor, id_lengths: Tensor, mel: Tensor, mel_lengths: Tensor,
                recurrence: PlainRecurrence = PLAIN) -> Tacotron2Output:
        """Teacher-forced reading of a padded batch.

        ids (B, N) int64; id_lengths (B,) int64, at least 1; mel (B, M, T) float32; mel_lengths (B,) int64. The
        lengths may stay on the CPU, which spares a wait for the device. recurrence: PLAIN or its fused counterpart.
        The prenet's dropout is on even in eval mode, from torch's random numbers.
        """
        memory, id_mask = self.encode(ids, id_lengths)
        mel_mask = length_mask(mel_lengths.to(mel.device, non_blocking=True), mel.shape[2])
        frames, gate_logits, alignments = self.decoder(memory, id_lengths.to(ids.device, non_blocking=True), mel,
                                                       recurrence)
        frames = frames.permute(1, 2, 0).masked_fill(~mel_mask[:, None], 0)  # (B, M, T)
        alignments = alignments.transpose(0, 1).masked_fill(~mel_mask[:, :, None], 0)  # (B, T, N)
        return Tacotron2Output(frames, frames + self.postnet(frames, mel_mask), gate_logits.t(), alignments, memory,
                               id_mask, mel_mask)

    def infer(self, ids: Tensor, id_lengths: Tensor, generators: list[torch.Generator], max_steps: int = 1000,
              gate_threshold: float = 0.5) -> Tacotron2Inference:
        """Free-running reading, see inference.infer."""
        return infer(self, ids, id_lengths, generators, max_steps, gate_threshold)
