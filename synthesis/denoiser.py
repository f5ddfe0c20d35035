"""Removes the hiss and hum that a WaveGlow adds to all speech (as in NVIDIA's WaveGlow repository)."""
import numpy as np

from hparams import AudioConfig

BIAS_FRAMES = 88  # of the zero mel whose wave is the constant noise; only the first frame of its spectrum is used


class Denoiser:
    """Subtracts the spectrum of the constant noise.

    bias: (S,) float32, what the vocoder makes of a zero mel of BIAS_FRAMES and zero noise.
    """

    def __init__(self, bias: np.ndarray, audio: AudioConfig = AudioConfig()) -> None:
        self.n_fft, self.hop = audio.n_fft, audio.hop_length
        angle = 2 * np.pi / self.n_fft * np.arange(self.n_fft)
        self.window = (0.5 - 0.5 * np.cos(angle)).astype(np.float32)  # Hann
        half = self.n_fft // 2
        self.bias = np.abs(self._spectrum(np.pad(bias, half, mode="reflect")[:self.n_fft]))  # (1, n_fft / 2 + 1)

    def __call__(self, wave: np.ndarray, strength: float = 0.1) -> np.ndarray:
        """wave (S,) float32 -> (S,): strength times the noise's magnitude is subtracted, down to zero at least."""
        spectrum = self._spectrum(np.pad(wave, (self.n_fft, self.n_fft + -len(wave) % self.hop)))
        magnitude = np.abs(spectrum)
        gain = np.maximum(magnitude - strength * self.bias, 0) / np.maximum(magnitude, 1e-9)
        frames = np.fft.irfft(spectrum * gain, self.n_fft, axis=1) * self.window
        quarters = frames.reshape(len(frames), -1, self.hop)
        total = np.zeros((len(frames) + quarters.shape[1] - 1, self.hop), np.float32)
        for k in range(quarters.shape[1]):  # overlap-add: squares of Hann windows, a quarter apart, add up to 1.5
            total[k:k + len(frames)] += quarters[:, k] / 1.5
        return total.reshape(-1)[self.n_fft:self.n_fft + len(wave)]

    def _spectrum(self, wave: np.ndarray) -> np.ndarray:
        """wave (S,) -> (frames, n_fft / 2 + 1) complex, without padding."""
        frames = np.lib.stride_tricks.sliding_window_view(wave, self.n_fft)[::self.hop]
        return np.fft.rfft(frames * self.window, axis=1)
