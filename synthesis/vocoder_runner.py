"""From mels to waves: runs a vocoder on whole mels in batches, or on one mel in chunks."""
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hparams import AudioConfig, UserError
from runtime.batching import group_by_length
from synthesis.limiter import limit

if TYPE_CHECKING:
    from synthesis.denoiser import Denoiser
    from synthesis.onnx_voice import OnnxVocoder
    from synthesis.torch_vocoder import GriffinLim, TorchVocoder

TAIL_FRAMES = 4  # of silence after each mel, in which its last sound decays (46 ms)
FADE_SAMPLES = 64  # at both ends of a wave, so that joins do not click (3 ms)
# Frames in the first chunk of a stream. Each later chunk is twice as long, so a vocoder that is three times as fast as
# speech has the next chunk ready before the last one has been played.
FIRST_CHUNK = 64


class VocoderRunner:
    """Runs a vocoder.

    Arguments of `synthesize` and `stream`: mel: (M, T) float32, an array or a tensor on any device. seed: of the noise
    for a mel. sigma: scale of the noise, None for the one in the vocoder's config. denoise: share of the vocoder's
    constant noise that is subtracted, 0 for none. Each mel is followed by TAIL_FRAMES of silence, so its wave has
    (T + TAIL_FRAMES) * hop samples of float32 in [-1, 1]; it fades in and out.
    Both raise UserError if the wave is not finite.
    """

    def __init__(self, vocoder: "OnnxVocoder | TorchVocoder | GriffinLim", audio: AudioConfig) -> None:
        self.vocoder, self.audio = vocoder, audio

    def synthesize(self, mels: Sequence[Any], seeds: Sequence[int], sigma: float | None,
                   denoise: float) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (row, wave) for each mel. Mels of similar length form a batch, so the rows come in another order.

        The first batch starts at once. A GPU is waited for only when a wave is requested.
        """
        lengths = [mel.shape[1] + TAIL_FRAMES for mel in mels]

        def start(rows: list[int]) -> Any:
            return self.vocoder.start([mels[row] for row in rows], [lengths[row] for row in rows],
                                      [seeds[row] for row in rows], sigma)
        batches = ((rows, start(rows)) for rows in group_by_length(lengths, self.vocoder.frames_per_batch))
        return self._finish(itertools.chain(list(itertools.islice(batches, 1)), batches), lengths, denoise)

    def _finish(self, batches: Iterable[tuple[list[int], Any]], lengths: list[int],
                denoise: float) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (row, wave) of started batches, cut to their lengths and faded."""
        for rows, started in batches:
            for row, wave in zip(rows, self._wait_for(started)):
                yield row, _fade(self._denoised(wave[:lengths[row] * self.audio.hop_length], denoise))

    def stream(self, mel: Any, seed: int, sigma: float | None, denoise: float) -> Iterator[np.ndarray]:
        """Yields the wave of a mel in chunks: the samples of `synthesize`, up to rounding."""
        hop, total = self.audio.hop_length, mel.shape[1] + TAIL_FRAMES
        start, size, margin = 0, total, 0
        if self.vocoder.margin is not None:
            size, margin = FIRST_CHUNK, self.vocoder.margin
        while start < total:
            stop = start + size if total - start > 2 * size else total
            low, high = max(0, start - margin), min(total, stop + margin)
            wave, = self._wait_for(self.vocoder.start([mel[:, low:high]], [high - low], [seed], sigma, low))
            wave = self._denoised(wave, denoise)[(start - low) * hop:(stop - low) * hop]
            yield _fade(wave, start == 0, stop == total)
            start, size = stop, 2 * size

    def _wait_for(self, started: Any) -> list[np.ndarray]:
        """Returns the waves (S,) of a batch that the vocoder started. Raises UserError if they are not finite."""
        waves, are_finite = self.vocoder.wait(started)
        if not are_finite:
            raise UserError("the weights give a sound that is not finite; copy or train them again")
        return list(waves)

    def _denoised(self, wave: np.ndarray, strength: float) -> np.ndarray:
        """Returns a wave (S,) without this share of the vocoder's constant noise."""
        return limit(self._denoiser(wave, strength)) if strength else wave

    @functools.cached_property
    def _denoiser(self) -> "Denoiser":
        """Returns the denoiser, which is made at the first use."""
        from synthesis.denoiser import BIAS_FRAMES, Denoiser
        mel = np.zeros((self.audio.n_mels, BIAS_FRAMES), np.float32)
        wave, = self._wait_for(self.vocoder.start([mel], [BIAS_FRAMES], [0], 0.0))
        return Denoiser(wave, self.audio)


def _fade(wave: np.ndarray, start: bool = True, end: bool = True) -> np.ndarray:
    """Fades wave (S,) float32 in at its start and out at its end, in place, over FADE_SAMPLES each. Returns it."""
    ramp = _ramp(min(FADE_SAMPLES, len(wave) // 2))
    if start:
        wave[:len(ramp)] *= ramp
    if end:
        wave[len(wave) - len(ramp):] *= ramp[::-1]
    return wave


@functools.cache
def _ramp(count: int) -> np.ndarray:
    """Returns numbers (count,) float32 that rise evenly from 0 to 1."""
    return np.linspace(0.0, 1.0, count, dtype=np.float32)
