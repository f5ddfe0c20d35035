"""The vocoder: WaveGlow, ours and NVIDIA's. `load(path)` gives a model whose `infer(mel)` is sound."""
from waveglow.fast import FastWaveGlow, fastest
from waveglow.fast_mel_rate import FastMelRate
from waveglow.mel_rate import MelRateWaveGlow
from waveglow.model import WaveGlow, WaveGlowOutput
from waveglow.onnx_form import save_onnx
from waveglow.pretrained import load, save
from waveglow.vocoder import Vocoder, build

__all__ = ["FastMelRate", "FastWaveGlow", "MelRateWaveGlow", "Vocoder", "WaveGlow", "WaveGlowOutput", "build",
           "fastest", "load", "save", "save_onnx"]
