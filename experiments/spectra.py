"""Long-term spectra of waves in thirds of an octave, and the distance between two waves' spectrograms."""
from typing import Any

import numpy as np
from scipy import signal

from hparams import AudioConfig

N_FFT = 4096  # samples: bins of 5.4 Hz, so that the lowest band has five
LOWEST, HIGHEST, BANDS_PER_OCTAVE = 100.0, 8000.0, 3  # Hz
ALLOWED_DB = 3.0
QUIET = 1e-5  # smaller magnitudes are raised to this, as in the mels


def power_spectrum(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Returns the power density (N_FFT / 2 + 1,) float64 of a wave (S,) by Welch's method, times its length.

    So spectra of several waves can be added, and a long wave counts more than a short one.
    """
    padded = np.pad(wave, (0, max(0, N_FFT - len(wave))))
    return len(wave) * signal.welch(padded, sample_rate, nperseg=N_FFT, detrend=False)[1]


def band_edges() -> np.ndarray:
    """Returns the edges of the bands in Hz: thirds of an octave from LOWEST up; the last band ends at HIGHEST."""
    count = int(np.ceil(np.log2(HIGHEST / LOWEST) * BANDS_PER_OCTAVE))
    return np.minimum(LOWEST * 2 ** (np.arange(count + 1) / BANDS_PER_OCTAVE), HIGHEST)


def band_levels(power: np.ndarray, sample_rate: int) -> np.ndarray:
    """Returns the mean power of each band in dB, (bands,), of a power spectrum (N_FFT / 2 + 1,)."""
    frequencies = np.fft.rfftfreq(N_FFT, 1 / sample_rate)
    edges = band_edges()
    return np.array([10 * np.log10(power[(frequencies >= low) & (frequencies < high)].mean() + 1e-20)
                     for low, high in zip(edges, edges[1:])])


def compare_spectra(output: np.ndarray, recordings: np.ndarray, sample_rate: int) -> dict[str, Any]:
    """Returns the band levels of two power spectra and their differences, as plain values for JSON."""
    recordings_db, output_db = (band_levels(power, sample_rate) for power in (recordings, output))
    difference = output_db - recordings_db
    largest = float(np.abs(difference).max())
    return {"edges_hz": band_edges().round(1).tolist(), "recordings_db": recordings_db.round(2).tolist(),
            "output_db": output_db.round(2).tolist(), "difference_db": difference.round(2).tolist(),
            "largest_difference_db": round(largest, 2), "allowed_db": ALLOWED_DB, "within": largest <= ALLOWED_DB}


def log_spectral_distance(wave: np.ndarray, other: np.ndarray, audio: AudioConfig) -> float:
    """Returns the log-spectral distance of two waves (S,) in dB (Gray and Markel 1976).

    It is the root mean square over frequencies of the difference of their log magnitudes, averaged over frames of the
    mel's window.
    """
    stft = signal.ShortTimeFFT(signal.windows.hann(audio.win_length, sym=False), audio.hop_length, audio.sample_rate,
                               mfft=audio.n_fft)
    levels = [20 * np.log10(np.maximum(np.abs(stft.stft(x.astype(np.float64))), QUIET)) for x in (wave, other)]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(0)).mean())
