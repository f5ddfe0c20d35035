"""Vocoders that need PyTorch: a network in its fastest form on a device, and Griffin-Lim."""
import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hparams import AudioConfig
from runtime.graphs import RecordedFunction
from synthesis.limiter import KNEE, limit
from synthesis.noise_gpu import draw_on_gpu, noise_source
from waveglow import MelRateWaveGlow, WaveGlow, fastest

if TYPE_CHECKING:
    from waveglow import Vocoder

# Mel frames in a batch on a GPU, including padding: a frame takes about 1 MB in the published WaveGlow, some 40 kB in a
# vocoder at the mel rate. On the CPU each mel is a batch of its own: a larger batch is no faster, padding costs time.
FRAMES_PER_BATCH = {WaveGlow: 8000, MelRateWaveGlow: 50_000}
FRAME_STEP = 64  # on a GPU batches are padded to a multiple of this, so that they share recordings


class TorchVocoder:
    """A vocoder network on its device, for VocoderRunner."""

    def __init__(self, network: "Vocoder", audio: AudioConfig) -> None:
        self.network, self.device = network, next(network.parameters()).device
        self.silence = float(np.log(audio.log_floor))
        self.fast, self.draw = fastest(network), noise_source(self.device)
        # A fast form never waits for the GPU, unless the CPU has to draw the noise.
        never_waits = self.fast is not network and self.draw is draw_on_gpu
        self._run = RecordedFunction(self._generate) if never_waits else self._generate
        on_gpu = self.device.type == "cuda"
        self.frames_per_batch, self.frame_step = (FRAMES_PER_BATCH[type(network)], FRAME_STEP) if on_gpu else (1, 1)
        self.margin, self.hop_length = network.margin, audio.hop_length

    def start(self, mels: Sequence[Any], frames: Sequence[int], seeds: Sequence[int], sigma: float | None,
              first_frame: int = 0) -> "Waves":
        """Starts a batch of mels (M, T), arrays or tensors on any device, each followed by silence up to its `frames`.

        seeds: of each mel's noise; first_frame: where the mels begin in it. Returns what `wait` takes.
        """
        numbers = torch.tensor([seeds, frames]).to(self.device, non_blocking=True)
        longest = max(frames) + -max(frames) % self.frame_step
        rows = [torch.as_tensor(mel, device=self.device).t() for mel in mels]
        batch = rows[0].new_full((len(rows), longest, rows[0].shape[1]), self.silence)
        for place, row in zip(batch, rows):
            place[:len(row)] = row
        with torch.inference_mode():
            waves = self._run(batch, numbers, self.network.config.sigma if sigma is None else sigma, first_frame)
            # The next call of _run overwrites its result, but on the same stream, so after these copies.
            wave = waves.waves[:, :max(frames) * self.hop_length].to("cpu", non_blocking=True)
            return Waves(wave, waves.peak.to("cpu", non_blocking=True))

    def _generate(self, mels: Tensor, numbers: Tensor, sigma: float, first_frame: int) -> "Waves":
        """Returns the waves of mels (B, T, M) on their device. numbers: (2, B) int64, seeds and frames of `start`."""
        (seeds, frames), (channels, steps) = numbers, self.network.noise_shape(mels.shape[1])
        steps_per_frame = self.network.noise_shape(mels.shape[1] + 1)[1] - steps
        noise = self.draw(seeds, steps * channels, first_frame * steps_per_frame * channels)
        noise = noise.view(len(seeds), steps, channels).transpose(1, 2)
        wave = self.fast.infer(mels.transpose(1, 2), sigma, noise=noise, mel_lengths=frames).float()
        return Waves(_limit(wave), torch.linalg.vector_norm(wave, math.inf))

    def wait(self, started: "Waves") -> tuple[np.ndarray, bool]:
        """Returns the limited waves (B, S) of `start` once the device has finished them, and whether all are finite."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        return started.waves.numpy(), math.isfinite(started.peak.item())


@dataclasses.dataclass(eq=False)
class Waves:
    """Waves of a batch. On the host they are valid once the device has finished.

    Not a tuple, whose tensors RecordedFunction would copy.
    """
    waves: Tensor  # (B, S) float32
    # () float32: the largest magnitude before the limiter, NaN if a sample is NaN. A GPU finds it faster than the host.
    peak: Tensor


def _limit(waves: Tensor) -> Tensor:
    """Returns waves (B, S) float32 limited to [-1, 1], as `limit` does it in NumPy; a GPU is faster at it."""
    kept = waves.clamp(-KNEE, KNEE)
    return kept + (1 - KNEE) * torch.tanh((waves - kept) / (1 - KNEE))


class GriffinLim:
    """Griffin-Lim in place of a vocoder, for VocoderRunner: it needs no weights and no noise, and the whole mel."""
    frames_per_batch = 1
    margin = None

    def __init__(self, audio: AudioConfig) -> None:
        self.audio, self.silence = audio, float(np.log(audio.log_floor))

    def start(self, mels: Sequence[Any], frames: Sequence[int], seeds: Sequence[int], sigma: float | None,
              first_frame: int = 0) -> np.ndarray:
        """Returns the wave (1, S) of one mel (M, T), an array or a tensor, with silence after it up to its `frames`."""
        from audio import griffin_lim
        (mel,), (length,) = mels, frames
        mel = torch.as_tensor(mel, device="cpu")
        return griffin_lim(F.pad(mel, (0, length - mel.shape[1]), value=self.silence)[None], self.audio).numpy()

    def wait(self, waves: np.ndarray) -> tuple[list[np.ndarray], bool]:
        """Returns the waves (S,) of `start`, limited, and whether all samples are finite."""
        return [limit(wave) for wave in waves], bool(np.isfinite(waves).all())
