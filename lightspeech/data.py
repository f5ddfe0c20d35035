"""Batches of the distilled dataset, cut out on the device that holds it."""
from typing import NamedTuple

import torch
from torch import Tensor

from lightspeech.distilled import DistilledDataset


class StudentBatch(NamedTuple):
    """Rows of the distilled dataset, padded with zeros."""
    names: list[str]  # "name/sample" of each row, for messages
    ids: Tensor  # (B, N) int64
    id_lengths: Tensor  # (B,) int64
    durations: Tensor  # (B, N) int64 frames, summing to mel_lengths
    mel: Tensor  # (B, M, T) float32
    mel_lengths: Tensor  # (B,) int64
    pitch: Tensor | None  # (B, T, 2) float32, of pitch.measure_rows; None where it was not measured
    features: Tensor | None  # (B, N, 512) float32, the teacher's encoder output; None where it was not kept or read


def collate(dataset: DistilledDataset, rows: list[int], symbols: int, frames: int) -> StudentBatch:
    """Returns the given rows padded to N = symbols and T = frames, on the dataset's device, without waiting for it.

    rows: row numbers (B,). The caller fixes the widths, so that few different shapes occur; every row must fit.
    """
    index = torch.tensor(rows)
    lengths = torch.stack((index, dataset.ids.lengths[index], dataset.mels.lengths[index]))
    assert lengths[1].max() <= symbols and lengths[2].max() <= frames, "a row is longer than its bucket"
    # From ordinary memory and this small, a copy that does not wait is safe: the driver takes it in at once.
    index, id_lengths, mel_lengths = lengths.to(dataset.mels.flat.device, non_blocking=True)
    features = None if dataset.features is None else dataset.features.gather(index, symbols).float()
    pitch = None if dataset.pitch is None else dataset.pitch.gather(index, frames)
    return StudentBatch([f"{dataset.names[row]}/{dataset.samples[row]}" for row in rows],
                        dataset.ids.gather(index, symbols).long(), id_lengths,
                        dataset.durations.gather(index, symbols).long(),
                        dataset.mels.gather(index, frames).float().transpose(1, 2), mel_lengths, pitch, features)
