"""Batches of the distilled dataset, cut out on the device that holds it."""
from typing import NamedTuple

from torch import Tensor


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
