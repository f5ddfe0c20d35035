"""Training rows of the teacher: mels in one tensor on the device, and texts that are read again for each batch.

Axes: B batch, N text symbols, T mel frames, M mel bands, S samples.
"""
import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from audio import MelSpectrogram, Ragged
from hparams import AudioConfig, TextConfig, UserError
from text import Line, read, read_mixed

CHUNK_SAMPLES = 2**24  # samples with padding whose mels are computed at once; needs about 0.5 GB of memory


class TeacherBatch(NamedTuple):
    """A padded batch."""
    ids: Tensor  # (B, N) int64 on the mels' device, 0 on padding
    id_lengths: Tensor  # (B,) int64 on the CPU, where the encoder needs them without waiting for the device
    mel: Tensor  # (B, M, T) float32 on the mels' device, 0 on padding
    mel_lengths: Tensor  # (B,) int64 on the CPU
    names: list[str]


class TeacherDataset:
    """Lines of a corpus with their mels.

    A line with the spoken phonemes is read as a mix of words in letters and words in phonemes. A line without them is
    read all in letters or all by the front end (text.read). id_bounds: for each row, an upper bound of its symbols.
    """

    def __init__(self, lines: Sequence[Line], mels: Ragged) -> None:
        """mels: a row (frames, M) float32 for each line, on the device of the training."""
        assert len(lines) == len(mels)
        self.lines = list(lines)
        self.mels = mels
        self._letters = [_read(line, 0.0) for line in self.lines]
        self._phonemes = [_read(line, 1.0) for line in self.lines]
        self.id_bounds = [max(map(len, both)) for both in zip(self._letters, self._phonemes)]

    def __len__(self) -> int:
        return len(self.lines)

    def read_row(self, row: int, phoneme_share: float, rng: random.Random) -> list[int]:
        """Returns the symbol ids of a row, at most id_bounds[row]; a longer mix is replaced by letters.

        The row's share of phonemes is drawn from Beta(2 p, 2 (1 - p)) with p = phoneme_share. For p = 0.5 that is the
        uniform distribution, so that rows nearly all in letters or in phonemes, as in synthesis, also occur. p = 0 and
        p = 1 are exact.
        """
        share = phoneme_share
        if 0 < share < 1:
            share = rng.betavariate(2 * share, 2 * (1 - share))
        line = self.lines[row]
        if line.phonemes is None or share in (0, 1):
            return self._phonemes[row] if rng.random() < share else self._letters[row]
        ids = read_mixed(line.text, line.phonemes, share, rng)
        return ids if len(ids) <= self.id_bounds[row] else self._letters[row]

    def collate(self, rows: Sequence[int], frames: int, symbols: int, phoneme_share: float,
                rng: random.Random) -> TeacherBatch:
        """Returns a batch of these rows, padded to T = frames and N = symbols; each row must fit."""
        read_rows = [self.read_row(row, phoneme_share, rng) for row in rows]
        id_lengths = torch.tensor([len(ids) for ids in read_rows])
        mel_lengths = self.mels.lengths[list(rows)]
        assert int(id_lengths.max()) <= symbols and int(mel_lengths.max()) <= frames
        ids = torch.tensor([ids + [0] * (symbols - len(ids)) for ids in read_rows])
        device = self.mels.flat.device
        mel = self.mels.gather(torch.tensor(list(rows)), frames).transpose(1, 2)  # (B, M, T)
        return TeacherBatch(ids.to(device, non_blocking=True), id_lengths, mel, mel_lengths,
                            [self.lines[row].name for row in rows])


def _read(line: Line, phoneme_share: float) -> list[int]:
    """Returns a line's symbol ids, all in letters (phoneme_share 0) or phonemes (1). A UserError names the line."""
    try:
        if line.phonemes is not None:
            return read_mixed(line.text, line.phonemes, phoneme_share, random.Random(0))
        return read(line.text, TextConfig(phonemes=phoneme_share == 1)).ids
    except UserError as error:
        raise UserError(f"line {line.name}: {error}") from None


def mels_from_waves(waves: Ragged, device: torch.device | str, config: AudioConfig = AudioConfig()) -> Ragged:
    """Returns the log-mels of waves (samples,), int16 or float32 in [-1, 1], as rows (frames, M) float32 on the device.

    Waves of similar length are computed together. Each is reflected at its own ends, so its mel is that of
    audio.mel_spectrogram. Raises UserError for a wave of at most n_fft / 2 samples.
    """
    half = config.n_fft // 2
    if int(waves.lengths.min()) <= half:
        raise UserError(f"recording {int(waves.lengths.argmin()) + 1} of {len(waves)}: {int(waves.lengths.min())} "
                        f"samples, expected at least {half + 1}; leave it out")
    spectrogram = MelSpectrogram(config).to(device)
    scale = 1 / 32768 if waves.flat.dtype == torch.int16 else 1.0
    mels: list[Tensor] = [torch.empty(0)] * len(waves)
    for rows in _chunks(waves.lengths):
        lengths = waves.lengths[rows]
        wav = waves.gather(rows, int(lengths.max())).to(device) * scale
        mel = spectrogram.frames(_reflect(wav, lengths.to(device), half)).transpose(1, 2)  # (B, T, M)
        for row, frames, T in zip(rows.tolist(), mel, (lengths // config.hop_length + 1).tolist()):
            mels[row] = frames[:T].clone()  # a view would keep the chunk's padding alive
    return Ragged.from_rows(mels)


def _chunks(lengths: Tensor) -> list[Tensor]:
    """Returns groups of row indices, longest rows first, of at most CHUNK_SAMPLES padded samples, or of one row."""
    order, groups = lengths.argsort(descending=True), []
    while len(order):
        count = max(1, CHUNK_SAMPLES // int(lengths[order[0]]))
        groups.append(order[:count])
        order = order[count:]
    return groups


def _reflect(wav: Tensor, lengths: Tensor, half: int) -> Tensor:
    """Reflects each row of wav (B, S) by `half` samples at both of its own ends. Returns (B, S + 2 * half)."""
    index = torch.arange(-half, wav.shape[1] + half, device=wav.device).abs()[None]  # (1, S + 2 * half)
    index = torch.where(index < lengths[:, None], index, 2 * (lengths[:, None] - 1) - index)
    return wav.gather(1, index.clamp(min=0))
