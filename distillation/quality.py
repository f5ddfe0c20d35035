"""The quality of a teacher's reading, measured on its attention, and the decision to keep or reject the reading."""
import dataclasses
from typing import NamedTuple

import numpy as np

from hparams import ReadingLimits

ATTENDED_WEIGHT = 0.5  # total attention, in frames, that counts as attended even without a peak


class AlignmentQuality(NamedTuple):
    """Measures of one reading."""
    stopped: bool  # by its own gate, before the step limit
    frames: int
    symbols: int
    focus: float  # mean over the frames of the largest weight, in (0, 1]; NaN if the attention is not finite
    coverage: float  # share of symbols that have a frame's largest weight or a total of ATTENDED_WEIGHT
    largest_jump: int  # symbols between the peaks of two frames, in either direction; includes the start and the end
    longest_stay: int  # most frames in a row with the peak on one symbol


def measure_quality(alignment: np.ndarray, stopped: bool) -> AlignmentQuality:
    """Measures an alignment (T, N), with T and N at least 1. stopped: whether the reading ended by its own gate."""
    T, N = alignment.shape
    if not np.isfinite(alignment).all():
        return AlignmentQuality(bool(stopped), T, N, np.nan, 0.0, N, T)
    peaks = np.argmax(alignment, 1)  # (T,)
    attended = alignment.sum(0) >= ATTENDED_WEIGHT
    attended[peaks] = True
    jump = int(np.abs(np.diff(peaks, prepend=0, append=N - 1)).max())
    moves = np.flatnonzero(np.diff(peaks))  # the last frame before each move of the peak
    stay = int(np.diff(moves, prepend=-1, append=T - 1).max())
    return AlignmentQuality(bool(stopped), T, N, float(alignment.max(1).mean()), float(attended.mean()), jump, stay)


def reject_reason(quality: AlignmentQuality, limits: ReadingLimits = ReadingLimits()) -> str | None:
    """Returns why a reading cannot be a training row, with the number at fault; None if it can be one."""
    faults = (
        (np.isnan(quality.focus), "attention is not finite"),
        (not quality.stopped, f"did not stop within {quality.frames} frames"),
        (quality.frames < quality.symbols, f"{quality.frames} frames for {quality.symbols} symbols"),
        (quality.largest_jump > limits.max_jump, f"attention jumps {quality.largest_jump} symbols"),
        (quality.longest_stay > limits.max_stay, f"attention stays {quality.longest_stay} frames on a symbol"),
        (quality.coverage < limits.min_coverage, f"attends to {quality.coverage:.0%} of the symbols"),
        (quality.focus < limits.min_focus, f"attention is blurred (focus {quality.focus:.2f})"))
    return next((reason for fails, reason in faults if fails), None)


def stricter_limit(limits: ReadingLimits, other: ReadingLimits) -> str | None:
    """Returns the name of the first limit that is stricter in `limits` than in `other`; None if there is none.

    If there is none, every reading that meets `other` meets `limits` too.
    """
    for field in dataclasses.fields(ReadingLimits):
        value, before = getattr(limits, field.name), getattr(other, field.name)
        if value > before if field.name.startswith("min_") else value < before:
            return field.name
    return None
