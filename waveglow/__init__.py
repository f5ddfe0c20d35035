"""The vocoder: WaveGlow, ours and NVIDIA's. `load(path)` gives a model whose `infer(mel)` is sound."""
from waveglow.denoiser import Denoiser
from waveglow.fast import FastWaveGlow, fastest
from waveglow.mel_rate import MelRateWaveGlow
from waveglow.model import WaveGlow, WaveGlowOutput
from waveglow.pretrained import build, load, save

__all__ = ["Denoiser", "FastWaveGlow", "MelRateWaveGlow", "WaveGlow", "WaveGlowOutput", "build", "fastest", "load",
           "save"]
