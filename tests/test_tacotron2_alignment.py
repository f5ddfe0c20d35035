"""Durations and quality of a reading, by small alignments whose answer is known."""
import itertools

import numpy as np
import pytest

from distillation.quality import measure_quality, reject_reason
from hparams import ReadingLimits, UserError
from tacotron2 import durations_argmax, durations_monotonic

EXAMPLE = np.array([[.9, .1, 0], [.8, .2, 0], [0, .4, .6], [0, .2, .8]], dtype=np.float32)


def peaks(*symbols: int, size: int) -> np.ndarray:
    """An alignment with nearly all weight on the given symbol of each frame."""
    return (np.eye(size) * 0.9 + 0.1 / size)[list(symbols)].astype(np.float32)


def test_the_example_of_the_docstring() -> None:
    assert durations_monotonic(EXAMPLE).tolist() == [2, 1, 1]
    assert durations_argmax(EXAMPLE).tolist() == [2, 0, 2]
    assert durations_monotonic(EXAMPLE).dtype == durations_argmax(EXAMPLE).dtype == np.int64


def test_monotonic_path_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for T, N in ((6, 3), (7, 4), (5, 5), (4, 1)):
        alignment = rng.dirichlet(np.ones(N), T)
        found = durations_monotonic(alignment)
        score = np.log(alignment[np.arange(T), np.repeat(np.arange(N), found)]).sum()
        cuts = itertools.combinations(range(1, T), N - 1)
        paths = [np.repeat(np.arange(N), np.diff([0, *cut, T])) for cut in cuts]
        best = max(np.log(alignment[np.arange(T), path]).sum() for path in paths)
        assert score == pytest.approx(best) and found.min() >= 1 and found.sum() == T


def test_monotonic_path_survives_a_slip_back() -> None:
    assert durations_monotonic(peaks(0, 0, 1, 0, 1, 1, 2, 2, size=3)).tolist() in ([2, 4, 2], [4, 2, 2])
    assert durations_argmax(peaks(0, 0, 1, 0, 1, 1, 2, 2, size=3)).tolist() == [3, 3, 2]


def test_degenerate_alignments() -> None:
    assert durations_monotonic(np.ones((5, 1))).tolist() == [5]
    assert durations_monotonic(np.zeros((3, 3))).tolist() == [1, 1, 1]
    with pytest.raises(UserError, match="2 frames for 3 symbols"):
        durations_monotonic(np.ones((2, 3)) / 3)
    with pytest.raises(UserError, match="0 symbols"):
        durations_monotonic(np.ones((2, 0)))
    bad = EXAMPLE.copy()
    bad[1, 1] = np.nan
    for durations in (durations_monotonic, durations_argmax):
        with pytest.raises(UserError, match="not finite"):
            durations(bad)


def test_quality_by_hand() -> None:
    found = measure_quality(peaks(0, 0, 0, 1, 1, 4, 3, size=5), stopped=True)
    assert (found.stopped, found.frames, found.symbols) == (True, 7, 5)
    assert found.focus == pytest.approx(0.92) and found.coverage == pytest.approx(4 / 5)
    assert (found.largest_jump, found.longest_stay) == (3, 3)


def test_weight_without_a_peak_also_covers() -> None:
    shared = np.array([[.6, .4, 0], [.6, .4, 0], [0, 0, 1]])
    assert measure_quality(shared, True).coverage == 1
    assert measure_quality(shared[1:], True).coverage == pytest.approx(2 / 3)
    weak_peak = np.array([[.6, .4, 0], [.5, .5, 0], [.3, .3, .4]])
    assert measure_quality(weak_peak, True).coverage == 1


@pytest.mark.parametrize("path, jump", [((3, 3, 4), 3), ((0, 1, 2), 2), ((0, 1, 2, 3, 4), 1), ((0, 3, 0, 4), 4)])
def test_jumps_count_the_start_the_end_and_going_back(path: tuple[int, ...], jump: int) -> None:
    assert measure_quality(peaks(*path, size=5), True).largest_jump == jump


def test_good_reading_is_kept() -> None:
    assert reject_reason(measure_quality(np.repeat(peaks(*range(9), size=9), 5, 0), True)) is None
    assert reject_reason(measure_quality(np.ones((5, 1)), True)) is None


def test_bad_readings_are_rejected_with_their_reason() -> None:
    good = np.repeat(peaks(*range(20), size=20), 5, 0)
    nan = good.copy()
    nan[3, 3] = np.nan
    cases = ((nan, True, "not finite"), (good, False, "did not stop within 100 frames"),
             (peaks(*range(0, 20, 2), size=20), True, "10 frames for 20 symbols"),
             (np.delete(good, range(20, 60), 0), True, "jumps 9"), (good[:50], True, "jumps 10"),
             (np.concatenate([good, np.repeat(good[-1:], 90, 0)]), True, "stays 95 frames"),
             (np.repeat(peaks(*range(0, 20, 3), 19, size=20), 5, 0), True, "40%"),
             (np.repeat(good * 0.2 + 0.04, 1, 0), True, "blurred"))
    for alignment, stopped, reason in cases:
        assert reason in reject_reason(measure_quality(alignment, stopped))
    assert reject_reason(measure_quality(good[:50], True), ReadingLimits(max_jump=20, min_coverage=0.4)) is None
