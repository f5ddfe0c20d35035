"""The kernels of mel_rate.cu on PyTorch's tensors: what lies between the products of the vocoder at the mel rate."""
from pathlib import Path

import torch
from torch import Tensor

from runtime.cuda_kernels import launch
from waveglow.mel_rate import EDGE, FLOW_KERNEL_SIZE, KERNEL_SIZE, MelRateWaveGlow

SOURCE = Path(__file__).with_name("mel_rate.cu")
WARPS, FRAMES = 2, 4  # of the kernel block_input, see there
CHANNELS = 64  # kernels exist for multiples of it, up to MAX_CHANNELS
MAX_CHANNELS = 512


class MelRateKernels:
    """The kernels for one network. B rows of T frames, or L = T + 2 EDGE with their edges.

    Everywhere mel: (B, T, M) float32, natural log; lengths: (B,) int64 frames; heads: (B * L, ...) float16, whose rows
    need not lie side by side. Results are float16 unless they say otherwise.
    """

    def __init__(self, model: MelRateWaveGlow) -> None:
        self.channels, self.flow_channels = model.config.block_channels, model.config.flow_channels
        for channels in (self.channels, self.flow_channels):
            if channels % CHANNELS or channels > MAX_CHANNELS:
                raise RuntimeError(f"blocks of {channels} channels have no CUDA kernel")
        self.hop, self.n_bins, self.n_mels = model.hop_length, len(model.window) // 2 + 1, model.config.n_mels
        self.silence, self.levels = model.silence, (model.bin_level, model.coefficient_level)
        self.of_bins, self.of_coefficients = neighbours(model.to_bins), neighbours(model.to_coefficients)
        self.sines, self.cosines = model.mdct.sine, model.mdct.cosine
        self.window = model.window / model.n_fft  # the inverse FFT leaves its division by n_fft to it
        self.defines = tuple({"CHANNELS": self.channels, "FLOW_CHANNELS": self.flow_channels, "BANDS": self.n_mels,
                              "HOP": self.hop, "BINS": self.n_bins, "EDGE": EDGE}.items())

    def windows(self, mel: Tensor, lengths: Tensor) -> Tensor:
        """Returns what the first convolution sees of each frame, (B * L, KERNEL_SIZE * M)."""
        B, T, M = mel.shape
        L = T + 2 * EDGE
        result = mel.new_empty(B * L, KERNEL_SIZE * M, dtype=torch.float16)
        self._launch("windows", (L, B, 1), 128, mel, lengths, result, T, L, self.silence)
        return result

    def block_input(self, x: Tensor, offset: Tensor, taps: Tensor | None, lengths: Tensor) -> Tensor:
        """Returns the normalized depthwise convolution (B * L, C) of x + offset; x (B * L, C), offset (C,) float32.

        taps: (KERNEL_SIZE + 1, C) or (FLOW_KERNEL_SIZE + 1, C) float32: weights and bias; None: no convolution.
        """
        (rows, C), B = x.shape, len(lengths)
        kernel = {(self.channels, KERNEL_SIZE + 1): "block_input", (self.channels, 0): "normalized",
                  (self.flow_channels, FLOW_KERNEL_SIZE + 1): "flow_block_input",
                  (self.flow_channels, 0): "flow_normalized"}[C, 0 if taps is None else len(taps)]
        result, L = x.new_empty(rows, C), rows // B
        self._launch(kernel, (-(-L // (WARPS * FRAMES)), B, 1), 32 * WARPS, x, offset, taps, lengths, result, L,
                     x.stride(0))
        return result

    def couple(self, x: Tensor, ends: Tensor | None, sigma: float, odd: bool) -> tuple[Tensor, Tensor]:
        """Returns x after a coupling layer's inverse, (rows, hop) float32, and what it changed, (rows, hop / 2).

        x: (rows, hop) float32, is multiplied by sigma. ends: (rows, hop), shifts and log scales; None changes nothing.
        odd: which half of the coefficients changes.
        """
        result, changed = torch.empty_like(x), x.new_empty(len(x), self.hop // 2, dtype=torch.float16)
        self._launch("couple", (len(x), 1, 1), self.hop // 2, x, ends, result, changed, float(sigma), int(odd))
        return result, changed

    def scale(self, x: Tensor, heads: Tensor, mel: Tensor, lengths: Tensor) -> Tensor:
        """Returns the MDCT's coefficients (B * L, hop): x (B * L, hop) float32 times exp(level of the mel + heads)."""
        (B, T, _), result = mel.shape, torch.empty_like(x, dtype=torch.float16)
        L = T + 2 * EDGE
        self._launch("scale", (L, B, 1), self.hop // 2, x, heads, mel, lengths, *self.of_coefficients, result, T, L,
                     heads.stride(0), self.silence, self.levels[1])
        return result

    def spectrum(self, heads: Tensor, mel: Tensor, lengths: Tensor) -> Tensor:
        """Returns the spectrum (B, L, bins) complex64 for the log magnitudes beside the mel's, and phases, in heads."""
        B, T, _ = mel.shape
        L = T + 2 * EDGE
        result = mel.new_empty(B, L, self.n_bins, dtype=torch.complex64)
        self._launch("spectrum", (L, B, 1), 128, heads, mel, lengths, *self.of_bins, result, T, L, heads.stride(0),
                     self.silence, self.levels[0])
        return result

    def add_overlaps(self, frames: Tensor, rotated: Tensor | None, lengths: Tensor) -> Tensor:
        """Returns the wave (B, T * hop) float32, zero after each row's end.

        frames: (B, L, n_fft) float32, n_fft times the inverse STFT; rotated: (B * L, hop), see LappedTransform.inverse.
        """
        B, L, _ = frames.shape
        T = L - 2 * EDGE
        wave = frames.new_empty(B, T * self.hop)
        self._launch("add_overlaps", (T, B, 1), self.hop // 2, frames, self.window, rotated, self.sines, self.cosines,
                     lengths, wave, T, L)
        return wave

    def _launch(self, name: str, grid: tuple[int, int, int], threads: int, *arguments: Tensor | int | float | None
                ) -> None:
        launch(SOURCE, name, grid, threads, arguments, self.defines)


def neighbours(interpolation: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the lower of the two bands that each column of an interpolation (M, F) is between, and the upper's share.

    Both (F,), int32 and float32.
    """
    lower = (interpolation > 0).int().argmax(0).clamp(max=len(interpolation) - 2)
    share = interpolation.gather(0, lower[None] + 1)[0]
    return lower.int(), share.contiguous()
