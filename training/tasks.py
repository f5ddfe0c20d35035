"""Creates the training task of a model from its name."""
from pathlib import Path
from typing import Any

from hparams import AudioConfig, UserError
from text import symbols
from training.distributed import Workers
from training.state import Task


def make_task(model: str, config: Any, settings: Any, data: Path, audio: AudioConfig, workers: Workers,
              fast: bool, mels: Path | None = None, distilled: Path | None = None) -> Task:
    """Returns the training task of `model` ("lightspeech", "tacotron2", "waveglow" or "joint") on `data`.

    fast: use fused kernels and CUDA graphs if the device has them; mels: see VocoderTask and JointTask, which needs
    them; distilled: for "joint" only.
    Raises UserError for data that cannot be trained on, and for another number of bands or symbols than the data has.
    """
    for name, expected in (("n_mels", audio.n_mels), ("n_symbols", len(symbols))):
        if getattr(config, name, expected) != expected:
            raise UserError(f"{name}: found {getattr(config, name)}, expected {expected}, as in the data")
    if not data.is_dir():
        raise UserError(f"--data {data}: no such folder; give a distilled dataset (lightspeech) or a folder in "
                        "LJSpeech's layout (tacotron2, waveglow, joint)")
    if model == "lightspeech":
        from training.student import StudentTask
        return StudentTask(config, settings, data, workers)
    if model == "tacotron2":
        from training.teacher import TeacherTask
        return TeacherTask(config, settings, data, audio, workers, fast)
    if model == "joint":
        from training.joint import JointTask
        assert mels is not None
        return JointTask(config, settings, data, mels, distilled, audio, workers, fast)
    from training.vocoder import VocoderTask
    return VocoderTask(config, settings, data, audio, workers, fast, mels)
