"""The student's training batch."""
from typing import NamedTuple

from torch import Tensor


class StudentBatch(NamedTuple):
    """Rows of the distilled dataset, padded with zeros."""
    names: list[str]  # "name/sample" of each row, for messages
    ids: Tensor  # (B, N) int64
    id_lengths: Tensor  # (B,) int64
    durations: Tensor  # (B, N) int64 frames, summing to mel_lengths
    mel: Tensor  # (B, M, T) float32, natural log
    mel_lengths: Tensor  # (B,) int64 frames
    pitch: Tensor | None  # (B, T, 2) float32, of pitch.estimate_pitch_of_rows; None for a model without pitch
    features: Tensor | None  # (B, N, 512) float32, the teacher's encoder output; None if it was not stored or read
