"""Measures of mels and durations: sharpness, variance, distance to a recording. None depends on how they were made.

Axes: N text symbols, T mel frames, M mel bands. Mels are (M, T), natural log; durations int64 frames, (N,).
"""
import math

import numpy as np
from scipy import fft, ndimage

from hparams import AudioConfig

N_CEPSTRA = 13  # without the zeroth, which is loudness
SILENCE, LOUD = math.log(1e-5), 2.0  # log-mels that are scaled to 0 and 1 for Var_L; ratios of it do not depend on them
FRAME_MS = 1000 * AudioConfig().hop_length / AudioConfig().sample_rate  # milliseconds per mel frame
LAPLACIAN = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]) / 6


def laplacian_variance(mel: np.ndarray) -> float:
    """Returns Var_L of a mel (M, T), a measure of its sharpness (Ren et al. 2022, arXiv 2202.13066).

    It is the variance of the Laplacian of the mel scaled to [0, 1], with borders repeated.
    """
    scaled = (mel.astype(np.float64) - SILENCE) / (LOUD - SILENCE)
    return float(ndimage.convolve(scaled, LAPLACIAN, mode="nearest").var())


def band_variance(mel: np.ndarray) -> np.ndarray:
    """Returns the variance over time of each band, (M,), of a mel (M, T): the global variance of Toda and Tokuda 2007.
    """
    return mel.astype(np.float64).var(1)


def cepstra(mel: np.ndarray) -> np.ndarray:
    """Returns the mel cepstra 1 to N_CEPSTRA, (T, N_CEPSTRA), of a log-mel (M, T).

    c_k = 2 / M sum over bands b of mel_b cos(pi k (b + 1/2) / M), so that mel_b = c_0 + sum over k of c_k cos(...).
    """
    return fft.dct(mel.astype(np.float64), axis=0)[1:N_CEPSTRA + 1].T / len(mel)


def mel_cepstral_distortion(mel: np.ndarray, other: np.ndarray) -> float:
    """Returns the mel cepstral distortion in dB of two log-mels (M, T) of any lengths, aligned by time warping.

    It is 10 / ln 10 sqrt(2 sum of squared differences of the cepstra) (Kubichek 1993), the mean over the warping path
    with the least sum, whose steps go on by one frame in one mel or in both.
    """
    from librosa.sequence import dtw
    a, b = cepstra(mel), cepstra(other)
    cost = 10 / math.log(10) * np.sqrt(2 * np.square(a[:, None] - b[None]).sum(2))
    path = dtw(C=cost)[1]
    return float(cost[path[:, 0], path[:, 1]].mean())


def mel_figures(mels: list[np.ndarray], durations: list[np.ndarray], recorded: list[np.ndarray],
                aligned: list[np.ndarray]) -> dict[str, float]:
    """Compares mels (M, T) and durations (N,) of some texts with their recordings' mels and aligned durations.

    Returns "duration_ms", the mean absolute error per symbol; "length", frames over the recordings' frames; "var_l" and
    "gv", means over the texts divided by those of the recordings (1: as sharp, as lively), "gv" averaged over the
    bands; "mcd_mel" in dB, between the mels themselves.
    """
    errors = np.concatenate([np.abs(ours - theirs) for ours, theirs in zip(durations, aligned, strict=True)])
    variance, recorded_variance = (np.mean([band_variance(mel) for mel in some], 0) for some in (mels, recorded))
    sharpness, recorded_sharpness = (np.mean([laplacian_variance(mel) for mel in some]) for some in (mels, recorded))
    distortions = [mel_cepstral_distortion(*pair) for pair in zip(mels, recorded, strict=True)]
    return {"duration_ms": float(errors.mean()) * FRAME_MS,
            "length": sum(mel.shape[1] for mel in mels) / sum(mel.shape[1] for mel in recorded),
            "var_l": float(sharpness / recorded_sharpness), "gv": float((variance / recorded_variance).mean()),
            "mcd_mel": float(np.mean(distortions))}
