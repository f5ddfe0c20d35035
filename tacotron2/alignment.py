"""From attention to durations, and what a reading's attention says about its quality.

An alignment is a float array (T, N), T mel frames and N text symbols of one row, without padding, each frame summing
to 1. Durations are int64 frames a symbol, (N,), summing to T.
"""
import dataclasses
from typing import NamedTuple

import numpy as np

from runtime.errors import UserError

LEAST_WEIGHT = 1e-12  # attention weights are raised to this before their logarithm
ATTENDED = 0.5  # frames' worth of weight that make a symbol attended though it never has the largest


class Quality(NamedTuple):
    """How a free-running reading went."""
    stopped: bool  # by its own gate, before the step limit
    frames: int
    symbols: int
    focus: float  # mean over frames of the largest weight, in (0, 1]; NaN where the attention is not finite
    coverage: float  # share of symbols with some frame's largest weight, or with ATTENDED frames' weight in all
    largest_jump: int  # symbols between the peaks of two frames, forward or back; a late start or early end is a jump
    longest_stay: int  # frames in a row with the peak on one symbol


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a reading must keep to be a target."""
    min_focus: float = 0.4
    min_coverage: float = 0.7  # letters that are not heard get little attention
    max_jump: int = 6  # symbols
    max_stay: int = 80  # frames, 0.93 s: longer than a pause


def durations_monotonic(alignment: np.ndarray) -> np.ndarray:
    """The best monotonic path through an alignment (T, N), as int64 durations (N,) of at least 1 each.

    Of all paths that start on the first symbol, end on the last and go on by 0 or 1 symbol a frame, the one with the
    largest sum of log weights (Viterbi); of two that are equal, the one that leaves a symbol sooner. None is skipped:

        weights      .9 .1 0        path 0 0 1 2, durations 2 1 1; each frame's largest weight would have said
        frame by     .8 .2 0        2 0 2 and passed over the symbol in the middle
        frame        .0 .4 .6
                     .0 .2 .8

    Raises UserError where no such path exists (T < N, or N = 0) and where a weight is not finite.
    """
    T, N = alignment.shape
    if not 1 <= N <= T:
        raise UserError(f"alignment: found {T} frames for {N} symbols, expected a frame a symbol; reject the reading")
    _check_finite(alignment)
    log = np.log(np.maximum(alignment, LEAST_WEIGHT, dtype=np.float64))
    score = np.full((T, N + 1), -np.inf)  # of the best path to symbol n at frame t, in column n + 1
    score[0, 1] = log[0, 0]
    for t in range(1, T):
        row = np.maximum(score[t - 1, 1:], score[t - 1, :-1], out=score[t, 1:])
        row += log[t]
    came = (score[:, :-1] > score[:, 1:]).tobytes()  # 1 at t * N + n: best reached after t from n - 1, not n
    durations, n = [0] * N, N - 1
    for t in range(T - 1, 0, -1):
        durations[n] += 1
        n -= came[(t - 1) * N + n]
    assert n == 0
    durations[0] += 1
    return np.array(durations, dtype=np.int64)


def durations_argmax(alignment: np.ndarray) -> np.ndarray:
    """The published count: for each symbol the frames on which it has the largest weight; (T, N) -> (N,) int64.

    Symbols may get 0, and order plays no part. Raises UserError where a weight is not finite.
    """
    _check_finite(alignment)
    return np.bincount(np.argmax(alignment, 1), minlength=alignment.shape[1]).astype(np.int64)


def _check_finite(alignment: np.ndarray) -> None:
    if not np.isfinite(alignment).all():
        raise UserError("alignment: found weights that are not finite, expected numbers; reject the reading")


def quality(alignment: np.ndarray, stopped: bool) -> Quality:
    """Measures a reading's alignment (T, N), T and N at least 1; stopped: whether it ended by its own gate."""
    T, N = alignment.shape
    if not np.isfinite(alignment).all():
        return Quality(bool(stopped), T, N, np.nan, 0.0, N, T)
    peaks = np.argmax(alignment, 1)  # (T,)
    attended = alignment.sum(0) >= ATTENDED
    attended[peaks] = True
    jump = int(np.abs(np.diff(peaks, prepend=0, append=N - 1)).max())
    turns = np.flatnonzero(np.diff(peaks))  # last frames before the peak moves
    stay = int(np.diff(turns, prepend=-1, append=T - 1).max())
    return Quality(bool(stopped), T, N, float(alignment.max(1).mean()), float(attended.mean()), jump, stay)


def reject_reason(found: Quality, limits: Limits = Limits()) -> str | None:
    """Why a reading is no target, in a few words with its figure, or None where it is one."""
    faults = (
        (np.isnan(found.focus), "attention is not finite"),
        (not found.stopped, f"did not stop within {found.frames} frames"),
        (found.frames < found.symbols, f"{found.frames} frames for {found.symbols} symbols"),
        (found.largest_jump > limits.max_jump, f"attention jumps {found.largest_jump} symbols"),
        (found.longest_stay > limits.max_stay, f"attention stays {found.longest_stay} frames on a symbol"),
        (found.coverage < limits.min_coverage, f"attends to {found.coverage:.0%} of the symbols"),
        (found.focus < limits.min_focus, f"attention is blurred (focus {found.focus:.2f})"))
    return next((reason for wrong, reason in faults if wrong), None)
