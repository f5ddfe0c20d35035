"""The mel spectrogram of teacher, student and vocoder, and Griffin-Lim, which inverts it without a vocoder."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig, UserError

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, above it 27 steps to the factor 6.4.
HZ_PER_MEL = 200 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    """Returns the position of a frequency on Slaney's mel scale."""
    return hz / HZ_PER_MEL if hz < BREAK_HZ else BREAK_MEL + np.log(hz / BREAK_HZ) / LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Returns the frequencies in Hz of positions on Slaney's mel scale."""
    return np.where(mel < BREAK_MEL, mel * HZ_PER_MEL, BREAK_HZ * np.exp((mel - BREAK_MEL) * LOG_STEP))


def mel_corners(n_mels: int, f_min: float, f_max: float) -> np.ndarray:
    """Returns (n_mels + 2,) Hz: filter k rises from corner k to corner k + 1 and falls to corner k + 2."""
    return _mel_to_hz(np.linspace(_hz_to_mel(f_min), _hz_to_mel(f_max), n_mels + 2))


def mel_filterbank(n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float) -> np.ndarray:
    """Returns (n_mels, n_fft // 2 + 1) float32: triangles evenly spaced on Slaney's scale, each of area 1 (in Hz).

    f_min, f_max: Hz, where the first triangle begins and the last one ends. Equals librosa.filters.mel, whose import
    takes longer than a sentence.
    """
    corners = mel_corners(n_mels, f_min, f_max)[:, None]
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)[None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (corners[2:] - corners[:-2])).astype(np.float32)


class MelSpectrogram(nn.Module):
    """Computes log-mels on the device of the module, in float32 also under autocast, without waiting for the device."""

    def __init__(self, config: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        assert config.win_length == config.n_fft
        self.config = config
        bank = mel_filterbank(config.n_mels, config.n_fft, config.sample_rate, config.f_min, config.f_max)
        self.register_buffer("filterbank", torch.from_numpy(bank), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """wav (B, S) float32 -> (B, M, S // hop + 1); frame t is centred at sample t * hop, the ends are reflected.

        Raises UserError if S is at most n_fft / 2, too short for the reflection.
        """
        half = self.config.n_fft // 2
        if wav.shape[1] <= half:
            raise UserError(f"a recording of {wav.shape[1]} samples, expected at least {half + 1}; leave it out")
        return self.frames(F.pad(wav[:, None].float(), (half, half), mode="reflect")[:, 0])

    def frames(self, wav: Tensor) -> Tensor:
        """wav (B, S) float32 -> (B, M, (S - n_fft) // hop + 1); frame t begins at sample t * hop; no padding."""
        with torch.autocast(wav.device.type, enabled=False):
            spectrum = torch.stft(wav.float(), self.config.n_fft, self.config.hop_length, window=self.window,
                                  center=False, return_complex=True)
            return torch.log(torch.clamp(self.filterbank @ spectrum.abs(), min=self.config.log_floor))


def mel_spectrogram(wav: Tensor, config: AudioConfig = AudioConfig()) -> Tensor:
    """wav (B, S) float32 in [-1, 1] -> log-mel (B, M, T) float32 on the same device, T = S // hop + 1.

    Raises UserError if S is at most n_fft / 2. For many calls, make one MelSpectrogram instead.
    """
    return MelSpectrogram(config).to(wav.device)(wav)


def griffin_lim(mel: Tensor, config: AudioConfig = AudioConfig(), n_iterations: int = 60) -> Tensor:
    """mel (B, M, T) -> wave (B, T * hop) float32 on the CPU. The same mel always gives the same wave.

    By librosa: non-negative least squares, then fast Griffin-Lim (Perraudin, Balazs, Søndergaard 2013) from seeded
    phases.
    """
    import librosa
    magnitudes_of_rows = F.pad(torch.exp(mel.detach().float().cpu()), (0, 1), mode="replicate")  # T + 1 frames: T hops
    waves = []
    for magnitudes in magnitudes_of_rows.numpy():
        linear = librosa.feature.inverse.mel_to_stft(magnitudes, sr=config.sample_rate, n_fft=config.n_fft, power=1.0,
                                                     fmin=config.f_min, fmax=config.f_max)
        waves.append(librosa.griffinlim(linear, n_iter=n_iterations, hop_length=config.hop_length,
                                        win_length=config.win_length, n_fft=config.n_fft, random_state=0))
    return torch.from_numpy(np.stack(waves).astype(np.float32)).clamp(-1, 1)
