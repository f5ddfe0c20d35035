"""The denoiser of a vocoder with noise."""
import numpy as np

from synthesis.denoiser import Denoiser


def test_denoiser_removes_the_bias_and_keeps_the_rest() -> None:
    generator = np.random.default_rng(0)
    bias, wave = (generator.standard_normal(size).astype(np.float32) * 0.1 for size in (88 * 256, 5000))
    denoise = Denoiser(bias)
    assert np.abs(denoise(wave, 0.0) - wave).max() < 1e-5
    weak, strong = (np.square(denoise(wave, strength)).sum() for strength in (0.1, 1.0))
    assert strong < weak < np.square(wave).sum()
    steady = np.cos(np.arange(88 * 256) * 2 * np.pi * 50 / 1024).astype(np.float32)  # a bin's tone
    assert Denoiser(steady)(steady, 1.0)[1024:-1024].std() < 0.1 * steady.std()
    padded = np.pad(wave, (0, 3000))
    np.testing.assert_allclose(denoise(padded, 0.3)[:5000], denoise(wave, 0.3), atol=1e-6)
