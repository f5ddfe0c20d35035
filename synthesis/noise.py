"""Noise that a browser can draw too (web/src/noise.mjs), number by number, for vocoders with a flow.

Random numbers by a hash of their index (MurmurHash3's finalizer, Appleby 2011, public domain), made normal by pairs
(Box and Muller 1958). NumPy's generators are not used: a browser does not have them, and their import takes some 20 ms.
"""
import numpy as np


def normal_noise(count: int, seed: int, first: int = 0) -> np.ndarray:
    """Returns normal numbers of unit scale (count,) float32, from number `first` on of those that a seed decides.

    count, first: even numbers. seed: at least 0; its lowest 32 bits decide.
    """
    index = np.arange(first, first + count, dtype=np.uint32)
    bits = _mix(_mix(index) ^ np.uint32(seed & 0xFFFFFFFF))
    uniform = (bits >> np.uint32(8)).astype(np.float32).reshape(-1, 2) * np.float32(2 ** -24)  # in [0, 1)
    radius, angle = np.sqrt(-2 * np.log(1 - uniform[:, 0])), np.float32(2 * np.pi) * uniform[:, 1]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), 1).reshape(-1)


def _mix(value: np.ndarray) -> np.ndarray:
    """Returns a hash (N,) uint32 of numbers (N,) uint32."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ (value >> np.uint32(shift))) * np.uint32(factor)
    return value ^ (value >> np.uint32(16))
