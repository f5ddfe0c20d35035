"""Random segments of a corpus and their mels, computed on the device that holds the waves."""
import math
from typing import NamedTuple

import torch
from torch import Tensor

from audio import MelSpectrogram, Ragged
from hparams import AudioConfig, UserError


class Segments(NamedTuple):
    """A training batch."""
    wave: Tensor  # (B, segment) float32 in [-1, 1]
    mel: Tensor  # (B, M, segment / hop + 2 context_frames) float32; frame context_frames is centred on wave[:, 0]


class SegmentSampler:
    """Cuts segments at random positions, uniform over all positions where a whole segment fits into a recording.

    waves: int16 samples on the device to work on. segment: samples, a multiple of the hop. context_frames: mel frames
    at each side of the segment (the vocoder's `context`). Inside a recording the mel equals that of the whole recording
    wherever the frames coincide; beyond its ends it is silence, with which a vocoder continues a mel too.
    Recordings that are too short are left out, and `skipped` is their number. Raises UserError if none is left.
    mels: other mels (T, M) of the same recordings, with the same frames, on the same device. Every second row of a
    batch, from the first on, takes its mel from there, and starts at a frame, less than a hop before its position.
    """

    def __init__(self, waves: Ragged, segment: int, context_frames: int, audio: AudioConfig = AudioConfig(),
                 mels: Ragged | None = None) -> None:
        assert waves.flat.dtype == torch.int16
        if segment % audio.hop_length:
            raise UserError(f"segment: found {segment} samples, expected a multiple of {audio.hop_length}")
        device = waves.flat.device
        self.waves, self.segment, self.mels = waves, segment, mels
        self.mel = MelSpectrogram(audio).to(device)
        self.silence = math.log(audio.log_floor)
        self.side = context_frames * audio.hop_length + audio.n_fft // 2  # samples at each side that the mel depends on
        shortest = max(segment, self.side + 1)
        self._rows = rows = torch.nonzero(waves.lengths >= shortest)[:, 0]
        self.skipped = len(waves) - len(rows)
        if not len(rows):
            raise UserError(f"no recording is long enough: the longest has {int(waves.lengths.max())} samples, "
                            f"expected at least {shortest}; train on shorter segments or longer recordings")
        fits = waves.lengths[rows] - segment + 1
        self.positions = int(fits.sum())  # number of different segments
        self._ends = torch.cumsum(fits, 0).to(device)
        self._fits = fits.to(device)
        self._first, self._last = waves.starts[rows].to(device), (waves.lengths[rows] - 1).to(device)
        if mels is not None:
            assert torch.equal(mels.lengths, waves.lengths // audio.hop_length + 1)
            self._first_frame = mels.starts[rows].to(device)
        self._offsets = torch.arange(segment + 2 * self.side - audio.hop_length, device=device) - self.side
        self._centres = torch.arange(segment // audio.hop_length + 2 * context_frames,
                                     device=device) * audio.hop_length - context_frames * audio.hop_length

    def draw(self, batch_size: int, generator: torch.Generator | None = None) -> Segments:
        """Returns a random batch."""
        return self.cut(self.draw_positions(batch_size, generator))

    def draw_positions(self, batch_size: int, generator: torch.Generator | None = None) -> Tensor:
        """Returns (B,) int64, uniform in [0, positions), on the device of the generator, or else of the waves."""
        device = self.waves.flat.device if generator is None else generator.device
        return torch.randint(self.positions, (batch_size,), generator=generator, device=device)

    def rows(self, positions: Tensor) -> list[int]:
        """Returns the row in `waves` of the recording of each segment; positions: (B,) int64."""
        return self._rows[torch.searchsorted(self._ends, positions.to(self._ends.device), right=True).cpu()].tolist()

    def cut(self, positions: Tensor) -> Segments:
        """positions (B,) int64 -> Segments. For a CUDA graph: it never waits for the GPU, and its shapes are fixed."""
        positions = positions.to(self._ends.device, non_blocking=True)
        row = torch.searchsorted(self._ends, positions, right=True)
        start = (positions - (self._ends[row] - self._fits[row]))[:, None]
        if self.mels is not None:
            start[::2] -= start[::2] % self.mel.config.hop_length
        last = self._last[row][:, None]
        # Beyond its ends the wave is mirrored, as for the mel of the whole recording.
        index = last - (last - (start + self._offsets).abs()).abs()
        wave = self.waves.flat[self._first[row][:, None] + index].float() / 32768
        centres = start + self._centres
        inside = (centres >= 0) & (centres <= last + 1)
        mel = self.mel.frames(wave)
        if self.mels is not None:
            frames = torch.where(inside, centres // self.mel.config.hop_length, 0)[::2]
            mel[::2] = self.mels.flat[self._first_frame[row[::2]][:, None] + frames].transpose(1, 2).float()
        mel = torch.where(inside[:, None], mel, self.silence)
        return Segments(wave[:, self.side:self.side + self.segment], mel)
