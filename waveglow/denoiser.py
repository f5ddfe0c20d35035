"""Removes the hiss and the line noise that WaveGlow adds whatever it says (after NVIDIA's WaveGlow repository)."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig
from waveglow.vocoder import Vocoder

BIAS_FRAMES = 88  # of the mel that the noise is taken from; only the first frame of its spectrum counts


class Denoiser(nn.Module):
    """Holds what a network says to a mel of zeros without noise, and subtracts its spectrum. On the model's device."""

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
        """wave (B, S) -> (B, S); magnitudes lose strength times the bias, down to zero at most.

        A row that is silence from its end on is treated there as it would be alone.
        """
        padded = F.pad(wave.float(), (self.n_fft, self.n_fft + -wave.shape[1] % self.hop_length))
        spectrum = self._spectrum(padded)
        magnitude = spectrum.abs()
        gain = (magnitude - strength * self.bias).clamp(min=0) / magnitude.clamp(min=1e-9)
        # istft takes frames to be centred, so half a window of empty ones goes before and behind.
        frames = F.pad(spectrum * gain, (self.n_fft // 2 // self.hop_length,) * 2)
        clean = torch.istft(frames, self.n_fft, self.hop_length, window=self.window)
        return clean[:, self.n_fft:self.n_fft + wave.shape[1]]

    def _spectrum(self, wave: Tensor) -> Tensor:
        """wave (B, S) -> (B, n_fft / 2 + 1, frames) complex, nothing padded."""
        return torch.stft(wave, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True)
