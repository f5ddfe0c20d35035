"""Student and vocoder through ONNX Runtime on the CPU, without PyTorch."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hparams import AudioConfig, UserError
from runtime.onnx_files import OnnxNetwork, open_session
from synthesis.limiter import limit
from synthesis.noise import normal_noise
from synthesis.speech import PredictedMel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from text import Reading
# As in waveglow/mel_rate.py, whose import would need PyTorch.
MARGIN = 40
EDGE = 8


class OnnxMelPredictor:
    """The student of an ONNX file, one text after the other."""

    def __init__(self, path: Path, network: OnnxNetwork) -> None:
        self.path, self.text = path, network.text
        # Each step of a GRU is so short that several threads would mostly wait for each other.
        self.session = open_session(path, network.data, threads=1)

    def predict(self, readings: Sequence["Reading"], speed: float) -> list[PredictedMel]:
        """Returns the mel and the durations of each reading, in the same order. speed: 0.25 to 4, times as fast."""
        return [self._predict(reading, speed) for reading in readings]

    def to_host(self, mels: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns mels (M, T) as MelPredictor.to_host does: they are arrays already."""
        return list(mels)

    def _predict(self, reading: "Reading", speed: float) -> PredictedMel:
        """Returns the mel and the durations of a reading."""
        mel, durations = _run(self.path, self.session, {
            "ids": np.array(reading.ids, np.int64), "speed": np.array(speed, np.float64),
            "pauses": np.array(reading.pauses, np.bool_)})
        return PredictedMel(mel, durations)


class OnnxVocoder:
    """The vocoder of an ONNX file, for VocoderRunner; one mel after the other."""
    frames_per_batch, margin = 1, MARGIN

    def __init__(self, path: Path, network: OnnxNetwork, audio: AudioConfig) -> None:
        self.path, self.config, self.silence = path, network.config, np.float32(np.log(audio.log_floor))
        self.channels = audio.hop_length if self.config.n_flows else 0
        self.session = open_session(path, network.data)

    def start(self, mels: Sequence[np.ndarray], frames: Sequence[int], seeds: Sequence[int], sigma: float | None,
              first_frame: int = 0) -> list[np.ndarray]:
        """Returns the wave (S,) of each mel (M, T), with silence after it up to its `frames`.

        seeds: of each mel's noise; first_frame: where the mels begin in it.
        """
        sigma, waves = self.config.sigma if sigma is None else sigma, []
        for mel, length, seed in zip(mels, frames, seeds):
            padded = np.full((len(mel), length), self.silence)
            padded[:, :mel.shape[1]] = mel
            inputs = {"mel": padded}
            if self.channels:
                steps, first = length + 2 * EDGE, first_frame * self.channels
                noise = normal_noise(steps * self.channels, seed, first).reshape(steps, self.channels).T
                inputs["noise"] = noise * np.float32(sigma)
            waves += _run(self.path, self.session, inputs)
        return waves

    def wait(self, waves: list[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Returns the waves of `start`, limited, and whether all samples are finite."""
        return [limit(wave) for wave in waves], all(np.isfinite(wave).all() for wave in waves)


def _run(path: Path, session: "InferenceSession", inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the outputs of a network. Raises UserError if it cannot be run with these inputs."""
    try:
        return session.run(None, inputs)
    except Exception as error:  # whatever ONNX Runtime raises for a graph that is not one of ours
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path}: ONNX Runtime failed ({reason}); export it again with python -m synthesis.export"
                        ) from None
