"""Which program runs a weights file: ONNX Runtime on the CPU if there is an ONNX form of it, else PyTorch."""
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hparams import AudioConfig
from runtime.console import print_notice
from runtime.onnx_files import OnnxNetwork, read_onnx
from runtime.packages import require_package
from runtime.weights import stored_checksum, weights_notes
from text.symbols import symbols

if TYPE_CHECKING:
    from synthesis.mel_predictor import MelPredictor
    from synthesis.onnx_voice import OnnxMelPredictor, OnnxVocoder
    from synthesis.torch_vocoder import GriffinLim, TorchVocoder


def load_student(path: Path, audio: AudioConfig, device: str
                 ) -> "tuple[MelPredictor | OnnxMelPredictor, dict[str, Any]]":
    """Returns the student of a file, ready to predict mels on a device ("cpu" or "cuda:N"), and the file's notes.

    Raises UserError for a file that is damaged or of another kind, and if it needs PyTorch, which is not installed.
    """
    found = _onnx_form(path, "lightspeech", audio, symbols) if device == "cpu" else None
    if found:
        from synthesis.onnx_voice import OnnxMelPredictor
        return OnnxMelPredictor(*found), found[1].notes
    require_package("torch", str(path))
    import lightspeech
    from synthesis.mel_predictor import MelPredictor
    return MelPredictor(lightspeech.load(path).to(device)), weights_notes(path)


def load_vocoder(path: Path, audio: AudioConfig, device: str, generation: str | None
                 ) -> "tuple[TorchVocoder | OnnxVocoder, dict[str, Any]]":
    """Returns the vocoder of a file, ready to make waves on a device, and the file's notes.

    generation: of a published WaveGlow, see waveglow.load. Raises UserError as load_student does.
    """
    found = _onnx_form(path, "waveglow", audio) if device == "cpu" and generation is None else None
    if found:
        from synthesis.onnx_voice import OnnxVocoder
        return OnnxVocoder(*found, audio), found[1].notes
    require_package("torch", str(path))
    import waveglow
    from synthesis.torch_vocoder import TorchVocoder
    return TorchVocoder(waveglow.load(path, generation).to(device), audio), weights_notes(path)


def load_griffin_lim(audio: AudioConfig) -> "GriffinLim":
    """Returns Griffin-Lim in place of a vocoder. Raises UserError without PyTorch, which it needs."""
    for package in ("torch", "librosa"):
        require_package(package, "--vocoder griffin-lim")
    from synthesis.torch_vocoder import GriffinLim
    return GriffinLim(audio)


def _onnx_form(path: Path, model: str, audio: AudioConfig, symbols: list[str] | None = None
               ) -> tuple[Path, OnnxNetwork] | None:
    """Returns the ONNX form of a weights file and its path: the file itself, or the .onnx file beside it.

    None if there is none, or if it was made from other weights, of which a line is printed then. Raises UserError for
    an ONNX file that is damaged or of another kind.
    """
    beside = path.with_suffix(".onnx")
    if path.suffix not in (".onnx", ".safetensors") or not beside.is_file():
        return None
    network = read_onnx(beside, model, audio, symbols)
    if path.suffix == ".safetensors" and network.source != stored_checksum(path):
        print_notice(f"{beside}: made from other weights than {path.name}, not used; "
                     "make it again with python -m synthesis.export")
        return None
    return beside, network
