"""Durations from attention.

An alignment is a float array (T, N) for T mel frames and N text symbols of one row, without padding; each frame sums
to 1. Durations are int64 frames for each symbol, (N,), and sum to T.
"""
import numpy as np

from hparams import UserError

MIN_WEIGHT = 1e-12  # smaller attention weights are raised to this before the logarithm


def durations_monotonic(alignment: np.ndarray) -> np.ndarray:
    """Returns durations (N,) int64, at least 1 each, of the best monotonic path through an alignment (T, N).

    The path starts on the first symbol, ends on the last and moves by 0 or 1 symbol each frame. The best one has the
    largest sum of log weights (Viterbi); among equals, the one that leaves a symbol sooner. No symbol is skipped:

        weights      .9 .1 0        path 0 0 1 2, durations 2 1 1; durations_argmax would return 2 0 2 and skip
        frame by     .8 .2 0        the symbol in the middle
        frame        .0 .4 .6
                     .0 .2 .8

    Raises UserError if no such path exists (T < N, or N = 0) or a weight is not finite.
    """
    T, N = alignment.shape
    if not 1 <= N <= T:
        raise UserError(f"alignment: found {T} frames for {N} symbols, expected a frame a symbol; reject the reading")
    _check_finite(alignment)
    log = np.log(np.maximum(alignment, MIN_WEIGHT, dtype=np.float64))
    score = np.full((T, N + 1), -np.inf)  # [t, n + 1]: of the best path that is on symbol n at frame t
    score[0, 1] = log[0, 0]
    for t in range(1, T):
        row = np.maximum(score[t - 1, 1:], score[t - 1, :-1], out=score[t, 1:])
        row += log[t]
    # 1 at t * N + n: the best path to symbol n at frame t + 1 comes from n - 1
    moved = (score[:, :-1] > score[:, 1:]).tobytes()
    durations, n = [0] * N, N - 1
    for t in range(T - 1, 0, -1):
        durations[n] += 1
        n -= moved[(t - 1) * N + n]
    assert n == 0
    durations[0] += 1
    return np.array(durations, dtype=np.int64)


def durations_argmax(alignment: np.ndarray) -> np.ndarray:
    """Returns durations (N,) int64: for each symbol the number of frames on which it has the largest weight.

    alignment: (T, N). This is the published method. A symbol may get 0 frames, and order does not matter. Raises
    UserError if a weight is not finite.
    """
    _check_finite(alignment)
    return np.bincount(np.argmax(alignment, 1), minlength=alignment.shape[1]).astype(np.int64)


def _check_finite(alignment: np.ndarray) -> None:
    """Raises UserError for attention weights that are not finite."""
    if not np.isfinite(alignment).all():
        raise UserError("alignment: found weights that are not finite, expected numbers; reject the reading")
