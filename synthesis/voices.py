"""Voices: folders that hold a student's and a vocoder's weights."""
from pathlib import Path
from typing import NamedTuple

from hparams import UserError

SHIPPED = Path(__file__).resolve().parents[1] / "voices"


class VoiceFiles(NamedTuple):
    """The weights of a voice."""
    student: Path
    vocoder: Path


def find_voice(voice: str | Path) -> VoiceFiles:
    """Returns the files of a voice: a folder, or the name of one in voices/. A folder of that name comes first.

    Raises UserError if there is no such folder, or if it lacks a file.
    """
    folder = next((path for path in (Path(voice), SHIPPED / voice) if path.is_dir()), None)
    if folder is None:
        names = ", ".join(sorted({path.parent.name for path in SHIPPED.glob("*/lightspeech.*")}))
        raise UserError(f"voice {voice}: no such folder, and {SHIPPED} has {names or 'no voice'}; make one with "
                        "train.py --model voice")
    files = VoiceFiles(*(_weights(folder, model) for model in ("lightspeech", "waveglow")))
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise UserError(f"voice {folder}: {' and '.join(missing)} not found there; a finished voice has "
                        f"{' and '.join(path.name for path in files)}")
    return files


def _weights(folder: Path, model: str) -> Path:
    """Returns the weights of a model: the .onnx file if it is there alone, else the .safetensors file."""
    path = folder / f"{model}.safetensors"
    return path if path.exists() or not path.with_suffix(".onnx").exists() else path.with_suffix(".onnx")
