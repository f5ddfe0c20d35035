"""Spectrogram losses between a generated and a recorded wave, over the full band and several resolutions."""
import torch
from torch import Tensor, nn

from audio.mel import mel_filterbank
from hparams import AudioConfig

RESOLUTIONS = ((2048, 512, 128), (1024, 256, 80), (512, 128, 64), (256, 64, 40))  # n_fft, hop, mel bands
MEL_FLOOR = 1e-5  # as of the model's mel
LOG_FLOOR = 1e-3  # of linear magnitudes: below it there is nothing to hear
WORST_CONVERGENCE = 10.0  # a silent target would make the ratio explode


class SpectralLoss(nn.Module):
    """Mel L1 and STFT losses (Yamamoto, Song, Kim 2020, arXiv 1910.11480); holds filterbanks and windows, no weights.

    forward gives unweighted means over the resolutions: "mel", L1 of log-mels; "stft", L1 of log magnitudes plus half
    the spectral convergence. Float32 also under autocast, no host synchronisation.
    """

    def __init__(self, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        for n_fft, _, n_mels in RESOLUTIONS:
            bank = mel_filterbank(n_mels, n_fft, audio.sample_rate, 0.0, audio.sample_rate / 2)
            self.register_buffer(f"filterbank_{n_fft}", torch.from_numpy(bank), persistent=False)
            self.register_buffer(f"window_{n_fft}", torch.hann_window(n_fft), persistent=False)

    def forward(self, wave: Tensor, target: Tensor) -> dict[str, Tensor]:
        """wave, target (B, S), S at least 2,048 -> {"mel": scalar, "stft": scalar}."""
        mel, stft = [], []
        with torch.autocast(wave.device.type, enabled=False):
            for n_fft, hop, _ in RESOLUTIONS:
                bank = self.get_buffer(f"filterbank_{n_fft}")
                ours, theirs = (self._magnitudes(x.float(), n_fft, hop) for x in (wave, target))
                mel.append((_log(bank @ ours, MEL_FLOOR) - _log(bank @ theirs, MEL_FLOOR)).abs().mean())
                log_error = (torch.log(ours + LOG_FLOOR) - torch.log(theirs + LOG_FLOOR)).abs().mean()
                stft.append(log_error + 0.5 * _convergence(ours, theirs))
            return {"mel": torch.stack(mel).mean(), "stft": torch.stack(stft).mean()}

    def _magnitudes(self, wave: Tensor, n_fft: int, hop: int) -> Tensor:
        """Returns the STFT magnitudes (B, F, T) of waves (B, S)."""
        spectrum = torch.stft(wave, n_fft, hop, window=self.get_buffer(f"window_{n_fft}"), center=False,
                              return_complex=True)
        return torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-9)  # abs() has no gradient at zero


def _log(magnitudes: Tensor, floor: float) -> Tensor:
    """Returns the natural log of magnitudes, which are raised to at least `floor`."""
    return torch.log(torch.clamp(magnitudes, min=floor))


def _convergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """Returns the spectral convergence: the norm of the error divided by that of the target, averaged over rows."""
    error = torch.sqrt((ours - theirs).square().sum((1, 2)) + 1e-8)
    return (error / torch.sqrt(theirs.square().sum((1, 2)) + 1e-2)).clamp(max=WORST_CONVERGENCE).mean()
