"""Vocoders that need PyTorch: a network in its fastest form on a device, and Griffin-Lim."""
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hparams import AudioConfig
from runtime.graphs import RecordedFunction
from synthesis.noise_gpu import noise_source
from waveglow import MelRateWaveGlow, WaveGlow, fastest

if TYPE_CHECKING:
    from waveglow import Vocoder

# Mel frames in a batch on a GPU, including padding: a frame takes about 1 MB in the published WaveGlow, some 40 kB in a
# vocoder at the mel rate. On the CPU each mel is a batch of its own: a larger batch is no faster, padding costs time.
FRAMES_PER_BATCH = {WaveGlow: 8000, MelRateWaveGlow: 50_000}


class TorchVocoder:
    """A vocoder network on its device, for VocoderRunner."""

    def __init__(self, network: "Vocoder", audio: AudioConfig) -> None:
        self.network, self.device = network, next(network.parameters()).device
        self.silence = float(np.log(audio.log_floor))
        self.fast, self.draw = fastest(network, RecordedFunction), noise_source(self.device)
        self.frames_per_batch = FRAMES_PER_BATCH[type(network)] if self.device.type == "cuda" else 1
        self.margin = network.margin

    def noise_shape(self, frames: int) -> tuple[int, int]:
        """Returns the (channels, steps) of the noise for a number of frames."""
        return self.network.noise_shape(frames)

    def noise(self, frames: int, seeds: Sequence[int]) -> Tensor:
        """Returns unit noise (B, channels, steps), the same numbers on each device; more frames begin with the same."""
        channels, steps = self.noise_shape(frames)
        return self.draw(seeds, steps * channels).view(len(seeds), steps, channels).transpose(1, 2)

    def start(self, mels: Sequence[Any], frames: Sequence[int], noise: Tensor, sigma: float | None) -> "StartedWaves":
        """Starts a batch of mels (M, T), arrays or tensors on any device, each followed by silence up to its `frames`.

        noise: of `noise` for the longest. Returns what `wait` takes.
        """
        rows = [torch.as_tensor(mel, device=self.device).t() for mel in mels]
        batch = pad_sequence(rows, batch_first=True, padding_value=self.silence)
        batch = F.pad(batch, (0, 0, 0, max(frames) - batch.shape[1]), value=self.silence).transpose(1, 2)
        with torch.inference_mode():
            wave = self.fast.infer(batch, self.network.config.sigma if sigma is None else sigma, noise=noise,
                                   mel_lengths=torch.tensor(frames)).float()
            peak = torch.linalg.vector_norm(wave, math.inf).to("cpu", non_blocking=True)  # faster than on the host
            return StartedWaves(wave.to("cpu", non_blocking=True), peak)

    def wait(self, started: "StartedWaves") -> tuple[np.ndarray, bool]:
        """Returns the waves (B, S) of `start` once the device has finished them, and whether all samples are finite."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        return started.waves.numpy(), math.isfinite(started.peak.item())


class StartedWaves(NamedTuple):
    """What a device computes; valid once it has finished."""
    waves: Tensor  # (B, S) float32 on the host
    peak: Tensor  # () float32 on the host: the largest magnitude; NaN if a sample is


class GriffinLim:
    """Griffin-Lim in place of a vocoder, for VocoderRunner: it needs no weights and no noise, and the whole mel."""
    frames_per_batch = 1
    margin = None

    def __init__(self, audio: AudioConfig) -> None:
        self.audio, self.silence = audio, float(np.log(audio.log_floor))

    def noise_shape(self, frames: int) -> tuple[int, int]:
        """Returns the shape of no noise."""
        return 0, frames

    def noise(self, frames: int, seeds: Sequence[int]) -> np.ndarray:
        """Returns no noise."""
        return np.zeros((len(seeds), 0, frames), np.float32)

    def start(self, mels: Sequence[Any], frames: Sequence[int], noise: np.ndarray, sigma: float | None) -> np.ndarray:
        """Returns the wave (1, S) of one mel (M, T), an array or a tensor, with silence after it up to its `frames`."""
        from audio import griffin_lim
        (mel,), (length,) = mels, frames
        mel = torch.as_tensor(mel, device="cpu")
        return griffin_lim(F.pad(mel, (0, length - mel.shape[1]), value=self.silence)[None], self.audio).numpy()

    def wait(self, waves: np.ndarray) -> tuple[np.ndarray, bool]:
        """Returns the waves of `start`, and whether all samples are finite."""
        return waves, bool(np.isfinite(waves).all())
