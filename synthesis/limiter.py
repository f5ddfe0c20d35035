"""Keeps a wave within full scale: peaks are bent, not cut."""
import numpy as np

KNEE = 0.8  # magnitudes up to this stay as they are


def limit(wave: np.ndarray) -> np.ndarray:
    """Returns a copy of a wave (S,) float32, limited to [-1, 1].

    A magnitude x above KNEE becomes KNEE + (1 - KNEE) tanh((x - KNEE) / (1 - KNEE)): level and slope have no step. The
    default voice is louder than the recordings that it learned from, and one sentence in two has peaks above full
    scale; if they were cut, they would crackle.
    """
    bent = np.clip(wave, -KNEE, KNEE)
    loud = np.flatnonzero(bent != wave)
    bent[loud] += (1 - KNEE) * np.tanh((wave[loud] - bent[loud]) / (1 - KNEE))
    return bent
