"""Peaks above full scale are bent, and nothing else is changed."""
import numpy as np

from synthesis.limiter import KNEE, limit

QUIET = np.linspace(-KNEE, KNEE, 101, dtype=np.float32)
LOUD = np.linspace(-3, 3, 60001, dtype=np.float32)


def test_quiet_samples_stay_to_the_bit_beside_loud_ones():
    wave = np.concatenate((QUIET, [np.float32(1.5)], QUIET))
    limited = limit(wave)
    assert (limited[:101] == QUIET).all() and (limited[102:] == QUIET).all() and KNEE < limited[101] < 1


def test_loud_samples_stay_within_full_scale_in_order_and_without_a_step():
    limited = limit(LOUD)
    assert limited.dtype == np.float32 and np.abs(limited).max() <= 1
    slopes = np.diff(limited) / np.diff(LOUD)
    assert (slopes >= 0).all() and slopes.max() < 1.01 and np.abs(np.diff(slopes)).max() < 0.02
    np.testing.assert_allclose(limited, -limited[::-1], atol=1e-6)


def test_the_argument_stays_as_it_is():
    wave = LOUD.copy()
    limit(wave)
    assert (wave == LOUD).all() and len(limit(np.zeros(0, np.float32))) == 0
