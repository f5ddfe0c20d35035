"""Audio: wave files, log-mel spectrograms, Griffin-Lim, pictures, and a whole corpus of waves in one tensor.

A wave is float32 in [-1, 1] at 22,050 Hz; a mel is the natural log of slaney mel magnitudes, (B, M, T) float32.
"""
import importlib
from typing import TYPE_CHECKING, Any

from audio.files import encode_wav, read_wav, write_stream, write_wav

if TYPE_CHECKING:
    from audio.bands import BandMap, covariance_map
    from audio.corpus import read_corpus
    from audio.mel import MelSpectrogram, griffin_lim, mel_corners, mel_filterbank, mel_spectrogram
    from audio.ragged import Ragged

__all__ = ["BandMap", "MelSpectrogram", "Ragged", "covariance_map", "encode_wav", "griffin_lim", "mel_corners",
           "mel_filterbank", "mel_spectrogram", "read_corpus", "read_wav", "write_stream", "write_wav"]

# Names that need PyTorch, and the files that define them. Speaking on the CPU works without PyTorch.
_NEED_PYTORCH = {"BandMap": "bands", "covariance_map": "bands", "read_corpus": "corpus", "Ragged": "ragged",
                 **dict.fromkeys(("MelSpectrogram", "griffin_lim", "mel_corners", "mel_filterbank", "mel_spectrogram"),
                                 "mel")}


def __getattr__(name: str) -> Any:
    """Returns a name that needs PyTorch, which is imported now."""
    if name not in _NEED_PYTORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"audio.{_NEED_PYTORCH[name]}"), name)
