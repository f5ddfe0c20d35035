"""Recordings made alike: long silence at the ends cut off, and the level that the released weights were trained at."""
import math

import numpy as np

LEVEL = -22.2  # dB, root mean square: of the recordings that the released weights learned from
HIGHEST_PEAK = 0.98  # a recording with high peaks gets less gain than LEVEL asks for
FRAME_SECONDS, HOP_SECONDS = 0.02, 0.01
MARGIN_SECONDS = 0.1  # kept before and after the speech: soft consonants lie below the threshold
BELOW_LOUD, ABOVE_NOISE, LEAST_RANGE = 35.0, 10.0, 15.0  # dB
LEAST_FRAMES = 3  # in a row above the threshold: a click is shorter


def trim(wave: np.ndarray, rate: int) -> np.ndarray:
    """Returns wave (S,) int16 at `rate` Hz without the silence at its ends, except for MARGIN_SECONDS of it.

    Speech is what lies ABOVE_NOISE over the quietest twentieth of the frames, and at most BELOW_LOUD under the loudest
    twentieth. Returns a view; the whole wave if no speech is found.
    """
    hop, size = round(HOP_SECONDS * rate), round(FRAME_SECONDS * rate)
    if len(wave) < size:
        return wave
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop].astype(np.float32)
    levels = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1)
    quiet, loud = np.percentile(levels, [5, 95])
    threshold = max(loud - BELOW_LOUD, min(quiet + ABOVE_NOISE, loud - LEAST_RANGE))
    runs = np.convolve(levels > threshold, np.ones(LEAST_FRAMES), "valid") == LEAST_FRAMES
    starts = np.flatnonzero(runs)
    if not len(starts):
        return wave
    margin = round(MARGIN_SECONDS * rate)
    first, last = starts[0] * hop, (starts[-1] + LEAST_FRAMES - 1) * hop + size
    return wave[max(0, first - margin):last + margin]


def level_of(wave: np.ndarray) -> float:
    """Returns the root mean square of wave (S,) int16 in dB, 0 for a square wave at full scale; -inf for silence."""
    power = float(np.mean(np.square(wave / 32768.0))) if len(wave) else 0.0
    return 10 * math.log10(power) if power else -math.inf


def even_level(wave: np.ndarray) -> np.ndarray:
    """Returns wave (S,) int16 at LEVEL, or as near to it as HIGHEST_PEAK allows; silence stays as it is."""
    level = level_of(wave)
    if level == -math.inf:
        return wave
    peak = float(np.abs(wave.astype(np.int32)).max()) / 32768
    gain = min(10 ** ((LEVEL - level) / 20), HIGHEST_PEAK / peak)
    return np.round(wave * gain).astype(np.int16)
