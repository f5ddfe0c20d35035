"""Removes the hiss and hum that a WaveGlow adds to all speech (as in NVIDIA's WaveGlow repository)."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig
from waveglow.vocoder import Vocoder

BIAS_FRAMES = 88  # of the zero mel whose wave is the constant noise; only the first frame of its spectrum is used


class Denoiser(nn.Module):
    """Subtracts the spectrum of the constant noise: what the model makes of a zero mel and zero noise.

    It works on the model's device.
    """

    def __init__(self, model: Vocoder, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        self.n_fft, self.hop_length = audio.n_fft, audio.hop_length
        device = next(model.parameters()).device
        self.register_buffer("window", torch.hann_window(self.n_fft, device=device))
        with torch.inference_mode(False), torch.no_grad():
            mel = torch.zeros(1, model.config.n_mels, BIAS_FRAMES, device=device)
            wave = model.infer(mel, noise=torch.zeros(1, *model.noise_shape(BIAS_FRAMES), device=device))
            half = self.n_fft // 2
            spectrum = self._spectrum(F.pad(wave[:, None], (half, half), mode="reflect")[:, 0])
        self.register_buffer("bias", spectrum[:, :, :1].abs())

    def forward(self, wave: Tensor, strength: float = 0.1) -> Tensor:
        """wave (B, S) -> (B, S): strength times the noise's magnitude is subtracted, down to zero at least.

        A row that ends in silence gives the same samples as without that silence.
        """
        padded = F.pad(wave.float(), (self.n_fft, self.n_fft + -wave.shape[1] % self.hop_length))
        spectrum = self._spectrum(padded)
        magnitude = spectrum.abs()
        gain = (magnitude - strength * self.bias).clamp(min=0) / magnitude.clamp(min=1e-9)
        # istft expects centred frames, so half a window of empty frames is added at both ends.
        frames = F.pad(spectrum * gain, (self.n_fft // 2 // self.hop_length,) * 2)
        clean = torch.istft(frames, self.n_fft, self.hop_length, window=self.window)
        return clean[:, self.n_fft:self.n_fft + wave.shape[1]]

    def _spectrum(self, wave: Tensor) -> Tensor:
        """wave (B, S) -> (B, n_fft / 2 + 1, frames) complex, without padding."""
        return torch.stft(wave, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True)
