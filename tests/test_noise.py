"""The noise of ONNX vocoders with a flow; tests/test_web.py compares the browser's."""
import numpy as np
import pytest

from synthesis.noise import normal_noise


@pytest.mark.parametrize("seed", [0, 1, 2 ** 63 - 1])
def test_noise_is_normal_and_its_numbers_are_independent(seed) -> None:
    noise = normal_noise(400_000, seed).astype(np.float64)
    for power, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert np.mean(noise ** power) == pytest.approx(expected, abs=0.06)
    assert 4.2 < np.abs(noise).max() < 5.8
    for lag in (1, 2, 3, 255, 256, 512):
        assert abs(np.mean(noise[:-lag] * noise[lag:])) < 0.008
        assert abs(np.mean(noise[:-lag] ** 2 * noise[lag:] ** 2) - 1) < 0.02


def test_the_seed_alone_decides_each_number() -> None:
    noise = normal_noise(1000, 7)
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(normal_noise(600, 7), noise[:600])
    np.testing.assert_array_equal(normal_noise(600, 7, 80), noise[80:680])
    others = [normal_noise(100_000, seed) for seed in (7, 8, 2 ** 20, 2 ** 31)]
    assert np.abs(np.corrcoef(others) - np.eye(4)).max() < 0.015
    assert normal_noise(0, 7).shape == (0,)


def test_the_numbers_stay_the_same() -> None:
    expected = [-0.9279274, -0.7802150, -2.1115942, -0.1963041]
    np.testing.assert_allclose(normal_noise(4, 123), expected, atol=1e-6)
