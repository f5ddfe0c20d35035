"""A WaveGlow that works at the mel rate: a flow around a mean wave, noise and mel in, wave out.

    mel (B, M, T) --convolution, ConvNeXt blocks--> hidden (B, T, C)
    hidden --linear--> magnitude and phase of each STFT bin --inverse STFT--> mean wave
    noise (B, hop, T) --coupling layers, conditioned on hidden; scale(mel)--> MDCT coefficients
    coefficients --inverse MDCT--> residual wave
    wave = mean wave + residual wave

The mean comes from an inverse STFT (Vocos, Siuzdak 2023, arXiv 2306.00814) of ConvNeXt blocks (Liu et al. 2022, arXiv
2201.03545). The residual is a normalizing flow, as in WaveGlow (Prenger et al. 2018, arXiv 1811.00002), whose squeeze
is an orthonormal MDCT of one mel frame's samples. Noise and wave determine each other exactly for a given mel, and the
likelihood is exact: the mean only moves the wave. With config.n_flows = 0 there is no flow: the wave is the mean.
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio import mel_corners
from hparams import AudioConfig, WaveGlowConfig
from waveglow.lapped import LappedTransform

EDGE = 8  # frames of silence that are added at each end of an utterance
KERNEL_SIZE, FLOW_KERNEL_SIZE = 7, 5  # frames
LOG_SCALE_BOUND = 3.0  # of a coupling layer: keeps the inverse from blowing up early in adversarial training
NOISE_LEVEL = math.log(0.05)  # of the untrained residual, relative to the magnitude that the mel says
MAX_LOG_MAGNITUDE = 7.0  # of an STFT bin: no input can make the wave infinite


class MelRateOutput(NamedTuple):
    """What the forward direction returns; the likelihood needs nothing else."""
    z: Tensor  # (B, hop, T) float32
    log_s: Tensor  # (B, T) float32: log |det| of the flow's Jacobian for each frame, summed over its coefficients


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over frames and a two-layer network on each frame, added to the input."""

    def __init__(self, channels: int, hidden: int, kernel_size: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, hidden)
        self.project = nn.Linear(hidden, channels)
        self.gamma = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, T, C), mask (B, T, 1) in the dtype of x, zero after the end of a row, or None -> (B, T, C)."""
        y = x if mask is None else x * mask
        y = self.depthwise(y.transpose(1, 2)).transpose(1, 2)
        y = self.project(F.gelu(self.expand(self.norm(y)), approximate="tanh"))
        return torch.addcmul(x, self.gamma, y)


class CouplingLayer(nn.Module):
    """An affine coupling layer: every second coefficient is shifted and scaled, given the others and the mel.

    odd: which half changes. Layers alternate, as the squeezed channels of a RealNVP do (Dinh et al. 2017).
    """

    def __init__(self, hop: int, hidden_channels: int, channels: int, odd: bool) -> None:
        super().__init__()
        self.odd = odd
        self.start = nn.Linear(hop // 2, channels)
        self.condition = nn.Linear(hidden_channels, channels)
        self.block = ConvNeXtBlock(channels, 2 * channels, FLOW_KERNEL_SIZE, 1.0)
        self.norm = nn.LayerNorm(channels)
        self.end = nn.Linear(channels, hop)
        nn.init.normal_(self.end.weight, std=0.01)
        nn.init.zeros_(self.end.bias)

    def forward(self, x: Tensor, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (B, T, hop), hidden (B, T, C) -> (changed x, log scale (B, T, hop / 2)); wave to noise."""
        kept, changed = self._split(x)
        shift, log_scale = self._shift_and_scale(kept, hidden, mask)
        return self._join(kept, changed * torch.exp(log_scale) + shift), log_scale

    def inverse(self, x: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The exact inverse of `forward`: noise to wave."""
        kept, changed = self._split(x)
        shift, log_scale = self._shift_and_scale(kept, hidden, mask)
        return self._join(kept, (changed - shift) * torch.exp(-log_scale))

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the coefficients that condition the coupling and those that it changes."""
        even, odd = x[..., 0::2], x[..., 1::2]
        return (even, odd) if self.odd else (odd, even)

    def _join(self, kept: Tensor, changed: Tensor) -> Tensor:
        """Returns the coefficients in their order again; undoes _split."""
        return torch.stack((kept, changed) if self.odd else (changed, kept), 3).flatten(2)

    def _shift_and_scale(self, kept: Tensor, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the shift and the log scale of the changed coefficients, from the kept ones and the mel."""
        y = self.start(kept.to(self.start.weight.dtype)) + self.condition(hidden)
        y = self.block(y, None if mask is None else mask.to(y.dtype))
        shift, log_scale = self.end(self.norm(y)).float().chunk(2, 2)
        return shift, LOG_SCALE_BOUND * torch.tanh(log_scale / LOG_SCALE_BOUND)


class MelRateWaveGlow(nn.Module):
    """Mel and noise to wave (`infer`), mel and wave to noise (`forward`); see the top of this file.

    `infer` is differentiable and never waits for the GPU. Under autocast only the linear layers and convolutions run in
    the lower precision. Layers whose parameters are in half precision compute in it, see fast_mel_rate.py.
    """
    context = 16  # mel frames at each side of a training segment
    # Mel frames at each side of a part of an utterance. In a network of the default size 37 of them can reach a sample:
    # three by the first convolution and each of 8 blocks, two by each of 4 coupling layers, two by the transforms.
    margin = 40

    def __init__(self, config: WaveGlowConfig, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        self.config = config
        self.hop_length, self.n_fft = audio.hop_length, audio.n_fft
        self.silence = math.log(audio.log_floor)
        channels, n_bins = config.block_channels, audio.n_fft // 2 + 1
        self.input = nn.Conv1d(config.n_mels, channels, KERNEL_SIZE)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, config.block_hidden, KERNEL_SIZE, 1 / config.n_blocks)
                                    for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(channels)
        self.spectrum = nn.Linear(channels, 2 * n_bins)  # log magnitude beside the mel's, and phase
        self.flows = nn.ModuleList(CouplingLayer(audio.hop_length, channels, config.flow_channels, bool(k % 2))
                                   for k in range(config.n_flows))
        self.scale = nn.Linear(channels, audio.hop_length) if config.n_flows else None
        for head in (self.spectrum, self.scale):
            if head is not None:
                nn.init.normal_(head.weight, std=0.01)
                nn.init.zeros_(head.bias)
        self.mdct = LappedTransform(audio.hop_length)
        bins = np.arange(n_bins) * audio.sample_rate / audio.n_fft
        coefficients = (np.arange(audio.hop_length) + 0.5) * audio.sample_rate / (2 * audio.hop_length)
        # A tone of amplitude 1 has magnitude n_fft / 4 in an STFT bin under a Hann window, sqrt(hop) / 2 in the MDCT;
        # the slaney filterbank divides by the width of a band, about sample_rate / n_fft Hz in the lower bands.
        bin_level = math.log(audio.sample_rate / audio.n_fft)
        self.register_buffer("to_bins", _interpolation(bins, audio), persistent=False)
        self.register_buffer("to_coefficients", _interpolation(coefficients, audio), persistent=False)
        # The squares of a Hann window, a quarter of its length apart, add up to 1.5. Synthesis applies it once.
        self.register_buffer("window", torch.hann_window(audio.n_fft) / 1.5, persistent=False)
        self.bin_level = bin_level
        self.coefficient_level = bin_level - math.log(audio.n_fft / 4 / (math.sqrt(audio.hop_length) / 2)) + NOISE_LEVEL

    def noise_shape(self, frames: int, crop: int = 0) -> tuple[int, int]:
        """Returns the shape (channels, steps) of the noise that `infer` takes for a mel of so many frames.

        frames: without the context. With crop = 0, `infer` adds EDGE frames at each end, which need noise too. Without
        a flow there are no channels.
        """
        return self.hop_length if self.flows else 0, frames + 2 * (crop or EDGE)

    def infer(self, mel: Tensor, sigma: float | None = None, noise: Tensor | None = None,
              mel_lengths: Tensor | None = None, crop: int = 0,
              generator: torch.Generator | Sequence[torch.Generator] | None = None) -> Tensor:
        """mel (B, M, T + 2 crop) -> wave (B, T * hop) float32, nearly within [-1, 1].

        sigma: scale of the noise; None means config.sigma. noise: (B, *noise_shape(T, crop)) of unit scale; None:
        drawn. mel_lengths: (B,) frames; each row is then as it would be alone, and zero after its end; not with crop.
        crop: frames at each side of the mel that are only context. generator: where the noise is drawn from; a sequence
        has one for each row, whose noise then does not depend on the other rows.
        """
        frames = mel.shape[2] - 2 * crop
        if noise is None:
            noise = self._draw(mel, self.noise_shape(frames, crop), generator)
        mask = None
        if mel_lengths is not None:
            assert crop == 0
            position = torch.arange(frames + 2 * EDGE, device=mel.device)
            lengths = mel_lengths.to(mel.device)[:, None]
            mel = torch.where((position[:frames] < lengths)[:, None], mel, self.silence)
            mask = (position < lengths + 2 * EDGE)[..., None].float()
        if crop == 0:
            mel = F.pad(mel, (EDGE, EDGE), value=self.silence)
        wave = self._generate(mel, noise * (self.config.sigma if sigma is None else sigma), mask)
        start = (crop or EDGE) * self.hop_length + self.hop_length // 2
        wave = wave[:, start:start + frames * self.hop_length]
        if mask is None:
            return wave
        inside = mask[:, 2 * EDGE:].expand(-1, -1, self.hop_length).flatten(1)
        return wave * inside

    def forward(self, mel: Tensor, audio: Tensor) -> MelRateOutput:
        """mel (B, M, T), audio (B, T * hop), whose first sample lies half a hop before the centre of frame 0.

        Returns the noise that `_generate` turns into this audio, and the log-determinant. Nothing is padded or cut.
        """
        assert self.flows, "a network without a flow has no inverse"
        hidden = self.hidden_features(mel, None)
        residual = self.mdct(audio.float() - self._mean(hidden, mel, None))
        log_scale = self._log_scale(hidden, mel)
        x, log_s = residual * torch.exp(-log_scale), -log_scale.sum(2)
        for flow in self.flows:
            x, flow_log_scale = flow(x, hidden, None)
            log_s = log_s + flow_log_scale.sum(2)
        return MelRateOutput(x.transpose(1, 2), log_s)

    def _generate(self, mel: Tensor, z: Tensor, mask: Tensor | None) -> Tensor:
        """mel (B, M, T), scaled noise (B, hop, T), mask (B, T, 1) or None -> audio (B, T * hop) of `forward`."""
        hidden = self.hidden_features(mel, mask)
        wave = self._mean(hidden, mel, mask)
        return wave + self.residual(hidden, mel, z, mask) if self.flows else wave

    def residual(self, hidden: Tensor, mel: Tensor, z: Tensor, mask: Tensor | None) -> Tensor:
        """Returns what the flow adds to the mean wave; see `_generate`, and `hidden_features` for hidden."""
        x = z.float().transpose(1, 2)
        for flow in reversed(self.flows):
            x = flow.inverse(x, hidden, mask)
        coefficients = x * torch.exp(self._log_scale(hidden, mel))
        with torch.autocast(mel.device.type, enabled=False):
            return self.mdct.inverse(coefficients.float() if mask is None else coefficients.float() * mask)

    def hidden_features(self, mel: Tensor, mask: Tensor | None) -> Tensor:
        """Returns the hidden features (B, T, C) of a mel (B, M, T), natural log; mean and flow use them."""
        x = self.embedding(mel)
        mask = None if mask is None else mask.to(x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)

    def embedding(self, mel: Tensor) -> Tensor:
        """Returns the first block's input (B, T, C) for a mel (B, M, T), natural log."""
        half = KERNEL_SIZE // 2
        x = (F.pad(mel, (half, half), value=self.silence) + 5) * 0.4  # about unit scale for speech
        return self.input(x.to(self.input.weight.dtype)).transpose(1, 2)

    def _mean(self, hidden: Tensor, mel: Tensor, mask: Tensor | None) -> Tensor:
        """hidden (B, T, C), mel (B, M, T) -> wave (B, T * hop) float32 by an inverse STFT."""
        magnitude, phase = self.spectrum(hidden).float().chunk(2, 2)
        with torch.autocast(mel.device.type, enabled=False):
            level = mel.float().transpose(1, 2) @ self.to_bins + self.bin_level
            magnitude = torch.exp((level + magnitude).clamp(max=MAX_LOG_MAGNITUDE))
            if mask is not None:
                magnitude = magnitude * mask
            spectrum = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
            return self._overlap_add(torch.fft.irfft(spectrum, n=self.n_fft, dim=2))

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """frames (B, T, n_fft), centred a hop apart -> (B, T * hop), from half a hop before the first centre on."""
        hop, per_frame, T = self.hop_length, self.n_fft // self.hop_length, frames.shape[1]
        parts = (frames * self.window).unflatten(2, (per_frame, hop)).transpose(1, 2)  # (B, per_frame, T, hop)
        # Rows of T + per_frame hops, read as rows of one hop less: part k of frame t comes to stand in column t + k.
        rows = F.pad(parts, (0, 0, 0, per_frame)).flatten(1, 2)[:, :per_frame * (T + per_frame - 1)]
        total = rows.unflatten(1, (per_frame, -1)).sum(1)
        start = self.n_fft // 2 - hop // 2
        return total.flatten(1)[:, start:start + T * hop]

    def _log_scale(self, hidden: Tensor, mel: Tensor) -> Tensor:
        """(B, T, hop) float32: natural log of the residual's deviation for each MDCT coefficient."""
        assert self.scale is not None, "without flows there is no residual"
        own = self.scale(hidden).float()
        with torch.autocast(mel.device.type, enabled=False):
            level = mel.float().transpose(1, 2) @ self.to_coefficients + self.coefficient_level
            return (level + own).clamp(max=MAX_LOG_MAGNITUDE)

    def _draw(self, mel: Tensor, shape: tuple[int, int],
              generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
        """Unit noise (B, *shape) on the mel's device; a frame's noise does not depend on the number of frames."""
        generators = generator if isinstance(generator, Sequence) else [generator]
        count = len(mel) // len(generators)
        noise = [torch.randn(count, shape[1], shape[0], generator=own, device=mel.device if own is None else own.device)
                 for own in generators]
        return torch.cat(noise).to(mel.device).transpose(1, 2)


def _interpolation(frequencies: np.ndarray, audio: AudioConfig) -> Tensor:
    """Returns (M, F) float32: weights that interpolate a log-mel linearly at these frequencies in Hz, (F,)."""
    centres = mel_corners(audio.n_mels, audio.f_min, audio.f_max)[1:-1]
    weights = [np.interp(frequencies, centres, row) for row in np.eye(audio.n_mels)]
    return torch.from_numpy(np.array(weights, np.float32))
