"""Makes the ONNX form of weights files, with which synthesize.py speaks on the CPU without PyTorch."""
from pathlib import Path

from hparams import UserError
from runtime.weights import weights_model, weights_notes

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("lightspeech/pre_trained_model", "waveglow/pre_trained_model")  # folders


def shipped_weights() -> list[Path]:
    """Returns the .safetensors files of the default voice's student and vocoder, sorted."""
    return sorted(path for pattern in SHIPPED for path in ROOT.glob(f"{pattern}/*.safetensors"))


def export(path: Path) -> Path:
    """Writes the ONNX form of a student's or a vocoder's weights beside them, and returns its path.

    path: a .safetensors file. Raises UserError for any other file, and for a network that has no ONNX form.
    """
    import lightspeech  # here, so that an interrupt while PyTorch is imported meets the script's own handling
    import waveglow
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: expected a name ending in .safetensors")
    model, target = weights_model(path), path.with_suffix(".onnx")
    if model == "lightspeech":
        student = lightspeech.load(path)
        assert student.text is not None  # weights from a file have their text settings
        lightspeech.save_onnx(target, student, student.text, weights_notes(path), source=path)
    elif model == "waveglow":
        waveglow.save_onnx(target, waveglow.load(path), weights_notes(path), source=path)
    else:
        raise UserError(f"{path}: weights of {model}, expected lightspeech or waveglow; only these have an ONNX form")
    return target
