"""Layers of Tacotron 2 that work on all positions at once: encoder, prenet, attention parameters and postnet.

Names of parameters are those of NVIDIA's implementation. Axes: B batch, N text symbols, T mel frames, M mel bands,
D channels, E encoder features, P prenet units.
"""
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hparams import Tacotron2Config

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda x: x}


def sequence_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Returns (B, max_length) bool on the device of `lengths` (B,): True for positions below the row's length."""
    return torch.arange(max_length, device=lengths.device)[None] < lengths[:, None]


def linear(inputs: int, outputs: int, bias: bool = True, gain: str = "linear") -> nn.Sequential:
    """Returns a linear layer with Xavier weights for the activation `gain`, its parameters under `linear_layer`."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain(gain))
    return nn.Sequential(OrderedDict(linear_layer=layer))


def _convolution(inputs: int, outputs: int, kernel_size: int, bias: bool = True, gain: str = "linear") -> nn.Sequential:
    """Returns a convolution over time that keeps the length, initialized by Xavier's rule for this activation."""
    layer = nn.Conv1d(inputs, outputs, kernel_size, padding=kernel_size // 2, bias=bias)
    nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain(gain))
    return nn.Sequential(OrderedDict(conv=layer))


def _convolution_stack(sizes: list[int], kernel_size: int, gains: list[str]) -> nn.ModuleList:
    """Returns convolutions with batch norm, from sizes[0] channels to sizes[-1]."""
    return nn.ModuleList([nn.Sequential(_convolution(inputs, outputs, kernel_size, gain=gain), nn.BatchNorm1d(outputs))
                          for inputs, outputs, gain in zip(sizes, sizes[1:], gains)])


def _run_stack(layers: nn.ModuleList, gains: list[str], x: Tensor, mask: Tensor) -> Tensor:
    """Applies convolutions, batch norm, activations and dropout (0.5 in training) to x (B, D, length).

    mask (B, length): padding is set to 0 before every layer, so that a row's result does not depend on how far its
    batch is padded. (In training it does a little, as in NVIDIA's code: the statistics of batch norm count padding.)
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
        """Encodes embedded (B, N, D), with lengths (B,) and mask (B, N). Returns (B, N, E) float32, 0 on padding."""
        x = _run_stack(self.convolutions, self.gains, embedded.transpose(1, 2), mask).transpose(1, 2)  # (B, N, D)
        lengths = lengths.cpu()
        order = lengths.argsort(descending=True, stable=True)  # not enforce_sorted=False, which waits for the device
        inverse = order.argsort().to(x.device, non_blocking=True)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()[order.to(x.device, non_blocking=True)]
            packed, _ = self.lstm(pack_padded_sequence(x, lengths[order], batch_first=True))
        return pad_packed_sequence(packed, batch_first=True, total_length=mask.shape[1])[0][inverse]


class Prenet(nn.Module):
    """Two linear layers with ReLU, and a dropout of 0.5 that is on in training and inference."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        sizes = [config.n_mels, config.prenet_dim, config.prenet_dim]
        self.layers = nn.ModuleList([linear(i, o, bias=False) for i, o in zip(sizes, sizes[1:])])

    def forward(self, frames: Tensor, keep: Tensor | None = None) -> Tensor:
        """Maps frames (..., M) to (..., P).

        keep: (2, ..., P), for each layer 2 where a unit is kept and 0 where it is dropped; None: drawn by torch.
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
        self.query_layer = linear(config.attention_rnn_dim, size, bias=False, gain="tanh")
        self.memory_layer = linear(config.encoder_dim, size, bias=False, gain="tanh")
        self.v = linear(size, 1, bias=False)
        self.location_layer = nn.ModuleDict({
            "location_conv": _convolution(2, filters, config.location_kernel_size, bias=False),
            "location_dense": linear(filters, size, bias=False, gain="tanh")})


class Postnet(nn.Module):
    """Convolutions that predict a correction of a whole mel."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        inner = config.postnet_n_convolutions - 1
        self.gains = ["tanh"] * inner + ["linear"]
        self.convolutions = _convolution_stack([config.n_mels] + [config.postnet_dim] * inner + [config.n_mels],
                                               config.postnet_kernel_size, self.gains)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """Returns what to add to mel (B, M, T), float32 of the same shape; 0 on padding. mask: (B, T)."""
        return _run_stack(self.convolutions, self.gains, mel, mask).float()
