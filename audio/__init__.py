"""Audio: wave files, log-mel spectrograms, Griffin-Lim, pictures, and a whole corpus of waves in one tensor.

A wave is float32 in [-1, 1] at 22,050 Hz; a mel is the natural log of slaney mel magnitudes, (B, M, T) float32.
"""
from audio.bands import BandMap, covariance_map
from audio.corpus import read_corpus
from audio.files import encode_wav, read_wav, write_stream, write_wav
from audio.mel import MelSpectrogram, griffin_lim, mel_corners, mel_filterbank, mel_spectrogram
from audio.ragged import Ragged

__all__ = ["BandMap", "MelSpectrogram", "Ragged", "covariance_map", "encode_wav", "griffin_lim", "mel_corners",
           "mel_filterbank", "mel_spectrogram", "read_corpus", "read_wav", "write_stream", "write_wav"]
