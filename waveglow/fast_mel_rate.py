"""Fast inference of the vocoder at the mel rate on an NVIDIA GPU: float16, and all kernels launched at once.

One sentence is so little work for a GPU that launching some 150 kernels takes most of the time: `record` makes one CUDA
graph of them. Layers compute in float16, magnitudes, phases and transforms to samples in float32. With the weights of
2026-11 the wave of a sentence differs by 0.2 % of its norm, as much as with the last layer in float32 (0.2 %).
"""
import contextlib
import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from waveglow.mel_rate import MelRateWaveGlow

FRAME_STEP = 64  # mels are padded to a multiple of this, so that they share recordings


class FastMelRate:
    """Computes what the model computes, up to the rounding of float16, with a copy of its present weights.

    record: turns a function of tensors into an equal one, such as runtime.graphs.RecordedFunction.
    """

    def __init__(self, model: MelRateWaveGlow, record: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.model, self.half = model, in_half(model)
        self._generate = record(self.generate)

    @torch.inference_mode()
    def infer(self, mel: Tensor, sigma: float | None, noise: Tensor, mel_lengths: Tensor) -> Tensor:
        """mel (B, M, T), noise (B, *noise_shape(T)) -> wave (B, T * hop). See MelRateWaveGlow.infer."""
        padding = (0, -mel.shape[2] % FRAME_STEP)
        sigma = self.model.config.sigma if sigma is None else sigma
        lengths = mel_lengths.to(mel.device, non_blocking=True)
        wave = self._generate(F.pad(mel, padding), F.pad(noise * sigma, padding), lengths)
        return wave[:, :mel.shape[2] * self.model.hop_length]

    def generate(self, mel: Tensor, z: Tensor, lengths: Tensor) -> Tensor:
        """mel (B, M, T), scaled noise (B, *noise_shape(T)), lengths (B,) -> wave (B, S), zero after each row's end."""
        with without_cudnn():
            return self.half.infer(mel, 1.0, z, lengths)


def in_half(model: MelRateWaveGlow) -> MelRateWaveGlow:
    """Returns a copy whose layers compute in float16; buffers stay as they are."""
    half = copy.deepcopy(model).eval()
    half.input = ConvolutionAsProduct(half.input)
    for parameter in half.parameters():
        parameter.data = parameter.data.half()
    return half


class ConvolutionAsProduct(nn.Module):
    """A convolution over frames as one matrix product: PyTorch's own one without cuDNN runs row after row."""

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(convolution.weight.data.clone()), convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """x (B, M, T + kernel size - 1) -> (B, C, T)."""
        windows = x.transpose(1, 2).unfold(1, self.weight.shape[2], 1)  # (B, T, M, kernel size)
        return F.linear(windows.flatten(2), self.weight.flatten(1), self.bias).transpose(1, 2)


def without_cudnn() -> contextlib.AbstractContextManager[None]:
    """Within this context, convolutions run by PyTorch's own kernels, so a process that speaks need not load cuDNN."""
    return torch.backends.cudnn.flags(enabled=False)
