"""The two kinds of vocoder under one name."""
from hparams import AudioConfig, WaveGlowConfig
from waveglow.mel_rate import MelRateWaveGlow
from waveglow.model import WaveGlow

Vocoder = WaveGlow | MelRateWaveGlow


def build(config: WaveGlowConfig, audio: AudioConfig = AudioConfig()) -> Vocoder:
    """Returns an untrained network of the kind that config.squeeze names."""
    return MelRateWaveGlow(config, audio) if config.squeeze == "mdct" else WaveGlow(config, audio)
