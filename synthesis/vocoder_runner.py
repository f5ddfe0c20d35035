"""From finished mels to waves, whole and in parts, for the scripts that speak."""
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hparams import AudioConfig
from runtime.batching import group_by_length
from runtime.errors import UserError

if TYPE_CHECKING:
    import torch

    from waveglow import Denoiser, WaveGlow

TAIL_FRAMES = 4  # of silence after a piece, in which its last sound dies away (46 ms)
FADE_SAMPLES = 64  # at both ends of a piece, so that joins do not click (3 ms)
# Padded mel frames in a batch of the vocoder, of the published one about 1 MB each. On the CPU each mel goes alone: a
# batch would be no faster, and padding is work.
FRAMES_AT_ONCE = {"cpu": 1, "cuda": 8000}
# Of a piece in parts: frames of the first one, each later one twice as long, so that a vocoder three times as fast as
# speech has the next part ready when one ends.
FIRST_PART = 64
# Frames at each side of a part that the vocoder sees beside it. 101 could reach a sample of either WaveGlow; what lies
# beyond 16 changes it by 5e-6, a sixth of a 16-bit step (the weights that ship, 2026-11-22).
MARGIN = 24


class Sounds:
    """A vocoder on a device: WaveGlow, or None for Griffin-Lim. What `whole` and `parts` take:

    mels: (M, T) float32 on any one device, each with a seed for its noise. sigma: scale of WaveGlow's noise, None for
    what it was trained with; denoise: how much of its constant noise is taken away, 0 none, 0.1 much.
    A wave has (T + TAIL_FRAMES) * hop samples of float32, the tail said to silence, and is faded at both ends.
    Both raise UserError where the weights give no finite sound.
    """

    def __init__(self, vocoder: "WaveGlow | None", audio: AudioConfig, device: "torch.device") -> None:
        self.vocoder, self.audio, self.device = vocoder, audio, device
        if vocoder is not None:
            from runtime.graphs import RecordedFunction
            from waveglow import fastest
            self.fast = fastest(vocoder, RecordedFunction)

    def whole(self, mels: Sequence["torch.Tensor"], seeds: Sequence[int], sigma: float | None,
              denoise: float) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (number of the mel, its wave), mels of like length together, so not in order.

        The call itself sets the device to work at the first of them; a GPU is not waited for until a wave is asked for.
        """
        lengths = [mel.shape[1] + TAIL_FRAMES for mel in mels]

        def begin(rows: list[int]) -> "torch.Tensor":
            noise = self._padded_noise([self._noise(lengths[row], seeds[row]) for row in rows])
            return self._begin(self._padded([mels[row] for row in rows]), noise, [lengths[row] for row in rows], sigma,
                               denoise)
        begun = ((rows, begin(rows)) for rows in group_by_length(lengths, FRAMES_AT_ONCE[self.device.type]))
        return self._finished(itertools.chain(list(itertools.islice(begun, 1)), begun), lengths)

    def _finished(self, begun: Iterable[tuple[list[int], "torch.Tensor"]], lengths: list[int]
                  ) -> Iterator[tuple[int, np.ndarray]]:
        for rows, waves in begun:
            for row, wave in zip(rows, self._arrived(waves)):
                yield row, _faded(wave[:lengths[row] * self.audio.hop_length])

    def parts(self, mel: "torch.Tensor", seed: int, sigma: float | None, denoise: float) -> Iterator[np.ndarray]:
        """Yields the wave that `whole` gives for a mel, to rounding, part by part."""
        hop, total = self.audio.hop_length, mel.shape[1] + TAIL_FRAMES
        padded, noise = self._padded([mel]), self._padded_noise([self._noise(total, seed)])
        start, size = 0, FIRST_PART if self.vocoder is not None else total
        while start < total:
            stop = start + size if total - start > 2 * size else total
            low, high = max(0, start - MARGIN), min(total, stop + MARGIN)
            steps = slice(low * self._steps, high * self._steps)
            wave, = self._arrived(self._begin(padded[:, :, low:high], noise[:, :, steps], [high - low], sigma, denoise))
            yield _faded(wave[(start - low) * hop:(stop - low) * hop], start == 0, stop == total)
            start, size = stop, 2 * size

    def _begin(self, mel: "torch.Tensor", noise: "torch.Tensor", frames: list[int], sigma: float | None,
               denoise: float) -> "torch.Tensor":
        """mel (B, M, T), rows of so many frames, and unit noise (B, n_group, steps) to waves (B, T * hop) on the host,
        where they are once `_arrived` has waited for them."""
        import torch
        if self.vocoder is None:
            from audio import griffin_lim
            return griffin_lim(mel.cpu(), self.audio)
        with torch.inference_mode():
            wave = self.fast.infer(mel.to(self.device), sigma, noise=noise.to(self.device),
                                   mel_lengths=torch.tensor(frames))
            wave = self._denoiser(wave, denoise) if denoise else wave
            return wave.float().to("cpu", non_blocking=True)

    def _arrived(self, waves: "torch.Tensor") -> np.ndarray:
        import torch
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        found = waves.numpy()
        if not np.isfinite(found).all():
            raise UserError("the weights give a sound that is not finite; copy or train them again")
        return found

    @functools.cached_property
    def _denoiser(self) -> "Denoiser":
        from waveglow import Denoiser
        return Denoiser(self.vocoder)

    @property
    def _steps(self) -> int:
        """Steps of WaveGlow a frame."""
        return self.audio.hop_length // self._group

    @property
    def _group(self) -> int:
        return self.vocoder.config.n_group if self.vocoder is not None else self.audio.hop_length

    def _padded(self, mels: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """(B, M, T) with at least TAIL_FRAMES of silence after each mel, on the mels' device."""
        width = max(mel.shape[1] for mel in mels) + TAIL_FRAMES
        batch = mels[0].new_full((len(mels), self.audio.n_mels, width), float(np.log(self.audio.log_floor)))
        for place, mel in zip(batch, mels):
            place[:, :mel.shape[1]] = mel
        return batch

    def _noise(self, frames: int, seed: int) -> "torch.Tensor":
        """(steps, n_group) of unit noise for so many frames, on the device; each kind of device has its own."""
        import torch
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(frames * self._steps, self._group, generator=generator, device=self.device)

    def _padded_noise(self, noises: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """(B, n_group, steps)."""
        from torch.nn.utils.rnn import pad_sequence
        return pad_sequence(list(noises), batch_first=True).transpose(1, 2)


def _faded(wave: np.ndarray, start: bool = True, end: bool = True) -> np.ndarray:
    """wave (S,) float32, its first FADE_SAMPLES now brought up from silence and its last brought down to it."""
    ramp = np.linspace(0.0, 1.0, min(FADE_SAMPLES, len(wave) // 2), dtype=np.float32)
    if start:
        wave[:len(ramp)] *= ramp
    if end:
        wave[len(wave) - len(ramp):] *= ramp[::-1]
    return wave
