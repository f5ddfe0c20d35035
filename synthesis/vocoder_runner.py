"""From mels to waves: runs a vocoder on its device, on whole mels in batches or on one mel in chunks."""
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hparams import AudioConfig, UserError
from runtime.batching import group_by_length

if TYPE_CHECKING:
    import torch

    from waveglow import Denoiser, Vocoder

TAIL_FRAMES = 4  # of silence after each mel, in which its last sound decays (46 ms)
FADE_SAMPLES = 64  # at both ends of a wave, so that joins do not click (3 ms)
# Mel frames in a batch, including padding. A frame takes about 1 MB in the published WaveGlow. On the CPU each mel is a
# batch of its own: a larger batch is no faster, and padding costs time.
FRAMES_PER_BATCH = {"cpu": 1, "cuda": 8000}
# Frames in the first chunk of a stream. Each later chunk is twice as long, so a vocoder that is three times as fast as
# speech has the next chunk ready before the last one has been played.
FIRST_CHUNK = 64


class VocoderRunner:
    """A vocoder and its fastest form on a device; None in place of a vocoder stands for Griffin-Lim.

    Arguments of `synthesize` and `stream`: mel: (M, T) float32 on any device. seed: of the noise for a mel.
    sigma: scale of the noise, None for the one in the vocoder's config. denoise: share of the vocoder's constant noise
    that is subtracted, 0 for none. Each mel is followed by TAIL_FRAMES of silence, so its wave has
    (T + TAIL_FRAMES) * hop samples of float32; it fades in and out.
    Both raise UserError if the wave is not finite.
    """

    def __init__(self, vocoder: "Vocoder | None", audio: AudioConfig, device: "torch.device") -> None:
        self.vocoder, self.audio, self.device = vocoder, audio, device
        if vocoder is not None:
            from runtime.graphs import RecordedFunction
            from waveglow import fastest
            self.fast = fastest(vocoder, RecordedFunction)

    def synthesize(self, mels: Sequence["torch.Tensor"], seeds: Sequence[int], sigma: float | None,
                   denoise: float) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (row, wave) for each mel. Mels of similar length form a batch, so the rows come in another order.

        The first batch starts at once. A GPU is waited for only when a wave is requested.
        """
        lengths = [mel.shape[1] + TAIL_FRAMES for mel in mels]

        def start(rows: list[int]) -> "torch.Tensor":
            noise = self._pad_noise([self._draw_noise(lengths[row], seeds[row]) for row in rows])
            return self._start(self._pad_mels([mels[row] for row in rows]), noise, [lengths[row] for row in rows],
                               sigma, denoise)
        batches = ((rows, start(rows)) for rows in group_by_length(lengths, FRAMES_PER_BATCH[self.device.type]))
        return self._finish(itertools.chain(list(itertools.islice(batches, 1)), batches), lengths)

    def _finish(self, batches: Iterable[tuple[list[int], "torch.Tensor"]],
                lengths: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (row, wave) of started batches, cut to their lengths and faded."""
        for rows, waves in batches:
            for row, wave in zip(rows, self._wait_for(waves)):
                yield row, _fade(wave[:lengths[row] * self.audio.hop_length])

    def stream(self, mel: "torch.Tensor", seed: int, sigma: float | None, denoise: float) -> Iterator[np.ndarray]:
        """Yields the wave of a mel in chunks: the samples of `synthesize`, up to rounding."""
        hop, total = self.audio.hop_length, mel.shape[1] + TAIL_FRAMES
        padded, noise = self._pad_mels([mel]), self._pad_noise([self._draw_noise(total, seed)])
        steps_per_frame = self._noise_shape(2)[1] - self._noise_shape(1)[1]
        start, size, margin = 0, total, 0
        if self.vocoder is not None:  # Griffin-Lim needs the whole mel
            size, margin = FIRST_CHUNK, self.vocoder.margin
        while start < total:
            stop = start + size if total - start > 2 * size else total
            low, high = max(0, start - margin), min(total, stop + margin)
            first_step = low * steps_per_frame
            chunk_noise = noise[:, :, first_step:first_step + self._noise_shape(high - low)[1]]
            wave, = self._wait_for(self._start(padded[:, :, low:high], chunk_noise, [high - low], sigma, denoise))
            yield _fade(wave[(start - low) * hop:(stop - low) * hop], start == 0, stop == total)
            start, size = stop, 2 * size

    def _start(self, mel: "torch.Tensor", noise: "torch.Tensor", frames: list[int], sigma: float | None,
               denoise: float) -> "torch.Tensor":
        """Starts a batch: mel (B, M, T), the number of frames of each row, unit noise (B, *noise_shape(T)).

        Returns waves (B, T * hop) on the host, which are valid after `_wait_for`.
        """
        import torch
        if self.vocoder is None:
            from audio import griffin_lim
            return griffin_lim(mel.cpu(), self.audio)
        with torch.inference_mode():
            sigma = self.vocoder.config.sigma if sigma is None else sigma
            wave = self.fast.infer(mel.to(self.device), sigma, noise=noise.to(self.device),
                                   mel_lengths=torch.tensor(frames))
            wave = self._denoiser(wave, denoise) if denoise else wave
            return wave.float().to("cpu", non_blocking=True)

    def _wait_for(self, waves: "torch.Tensor") -> np.ndarray:
        """Returns waves (B, S) once the device has finished them. Raises UserError if they are not finite."""
        import torch
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        samples = waves.numpy()
        if not np.isfinite(samples).all():
            raise UserError("the weights give a sound that is not finite; copy or train them again")
        return samples

    @functools.cached_property
    def _denoiser(self) -> "Denoiser":
        """Returns the denoiser, which is made at the first use."""
        from waveglow import Denoiser
        assert self.vocoder is not None
        return Denoiser(self.vocoder)

    def _pad_mels(self, mels: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """Returns (B, M, T) on the mels' device, with at least TAIL_FRAMES of silence after each mel."""
        width = max(mel.shape[1] for mel in mels) + TAIL_FRAMES
        batch = mels[0].new_full((len(mels), self.audio.n_mels, width), float(np.log(self.audio.log_floor)))
        for row, mel in zip(batch, mels):
            row[:, :mel.shape[1]] = mel
        return batch

    def _noise_shape(self, frames: int) -> tuple[int, int]:
        """Returns the vocoder's (channels, steps) of noise for a number of frames."""
        return self.vocoder.noise_shape(frames) if self.vocoder is not None else (0, frames)

    def _draw_noise(self, frames: int, seed: int) -> "torch.Tensor":
        """Returns unit noise (steps, channels), drawn on the device: a CPU and a GPU draw other numbers."""
        import torch
        channels, steps = self._noise_shape(frames)
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(steps, channels, generator=generator, device=self.device)

    def _pad_noise(self, noises: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """Returns (B, channels, steps), zero after each row's end."""
        from torch.nn.utils.rnn import pad_sequence
        return pad_sequence(list(noises), batch_first=True).transpose(1, 2)


def _fade(wave: np.ndarray, start: bool = True, end: bool = True) -> np.ndarray:
    """Fades wave (S,) float32 in at its start and out at its end, in place, over FADE_SAMPLES each. Returns it."""
    ramp = np.linspace(0.0, 1.0, min(FADE_SAMPLES, len(wave) // 2), dtype=np.float32)
    if start:
        wave[:len(ramp)] *= ramp
    if end:
        wave[len(wave) - len(ramp):] *= ramp[::-1]
    return wave
