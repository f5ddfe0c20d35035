"""The page of web/, driven in headless Chromium: its waves are those of Python, and it loads nothing from elsewhere."""
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import soundfile
import torch

import lightspeech
import waveglow
from experiments.browser import CHROMIUM, WEB, build, drive, serve
from experiments.rare_words import read_rare_words
from hparams import CONFIGS, TextConfig, WaveGlowConfig
from runtime.onnx_files import open_session
from runtime.onnx_graphs import serialize
from synthesize import Synthesizer
from text.g2p import load_shipped
from waveglow.onnx_form import trace_vocoder

if not shutil.which("node"):
    pytest.skip("needs Node.js", allow_module_level=True)
if not (WEB / "node_modules").is_dir():
    pytest.skip("needs `npm ci` in web/", allow_module_level=True)
if not Path(CHROMIUM).exists():
    pytest.skip(f"needs Chromium as {CHROMIUM}, or its path in CHROMIUM", allow_module_level=True)

TEXT = "Hello! Dr. Brown paid $3.50 at 10:30 a.m. [pause 200ms] Then he left."
STRANGE = "Call Nguyenovski 😀 now."
TINY = "tiny voice #1"
STEPS = [{"text": TEXT, "speed": 1, "name": "plain"}, {"text": STRANGE, "speed": 1.3, "name": "strange"},
         {"text": "😀", "speed": 1, "name": "nothing"},
         {"text": "A long text. " * 300, "speed": 1, "name": "stopped", "stop": True},
         {"text": "Again.", "speed": 1, "name": "again"},
         {"text": "Hello. Yes.", "speed": 1, "name": "tiny", "voice": TINY},
         {"text": "Hello. Yes.", "speed": 1, "name": "flow", "voice": "flow"},
         {"text": "Again.", "speed": 1, "name": "default", "voice": "default"},
         {"name": "words", "words": [word.name for word in read_rare_words()]}]


class Spoken:
    """What the browser did with a page: see web/test/speak.mjs."""

    def __init__(self, site: Path, steps: list[dict[str, Any]], out: Path) -> None:
        """site: the folder that holds the page in the subfolder voice/."""
        with serve(site) as self.url:
            found = drive(self.url + "voice/", [steps], out)
        self.requests, self.errors, self.out = found["requests"], found["errors"], out
        self.results = {result["name"]: result for result in found["results"]}

    def wave(self, name: str) -> np.ndarray:
        """Returns the samples of a downloaded wav (S,) float32."""
        wave, sample_rate = soundfile.read(self.out / f"{name}.wav", dtype="float32")
        assert sample_rate == 22050
        return wave


def make_voice(folder: Path, n_flows: int) -> None:
    """Writes the .onnx files of a tiny voice that reads letters."""
    torch.manual_seed(0)
    student = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    with torch.no_grad():
        student.duration_head[-1].bias.fill_(1.8)
        student.mel_linear.bias.fill_(-3.0)
    vocoder = waveglow.build(WaveGlowConfig(squeeze="mdct", n_flows=n_flows, n_blocks=2, block_channels=16,
                                            block_hidden=32, flow_channels=8))
    folder.mkdir(parents=True)
    lightspeech.save_onnx(folder / "lightspeech.onnx", student.eval(), TextConfig(phonemes=False))
    waveglow.save_onnx(folder / "waveglow.onnx", vocoder.eval())


@pytest.fixture(scope="module")
def pack() -> Any:
    """The script that packs what the page needs of Python, as a module."""
    spec = importlib.util.spec_from_file_location("pack", WEB / "build" / "pack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def voices(tmp_path_factory) -> Path:
    """A folder of voices: with a flow and without one, with a damaged file, and without .onnx files."""
    folder = tmp_path_factory.mktemp("voices")
    make_voice(folder / TINY, 0)
    make_voice(folder / "flow", 1)
    shutil.copytree(folder / TINY, folder / "damaged")
    (folder / "damaged" / "waveglow.onnx").write_bytes(b"damaged")
    (folder / "unfinished").mkdir()
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory, pack, voices) -> Path:
    """A folder with the built page in voice/, which offers the default voice and the tiny one."""
    folder = tmp_path_factory.mktemp("site")
    build(folder / "voice")
    (folder / "voice" / "voices.json.gz").unlink()  # the server would send it in place of the next one
    pack.write_voices(folder / "voice", pack.DEFAULT, pack.find_voices(voices))
    return folder


@pytest.fixture(scope="module")
def spoken(site, tmp_path_factory) -> Spoken:
    """The page as it ships, and STEPS."""
    return Spoken(site, STEPS, tmp_path_factory.mktemp("waves"))


def assert_alike(wave: np.ndarray, expected: np.ndarray) -> None:
    """Asserts that two waves differ by no more than rounding to 8 bits makes of rounding in float32."""
    assert wave.shape == expected.shape
    assert np.square(wave - expected).mean() < 0.03 ** 2 * np.square(expected).mean()


def test_the_wave_is_that_of_python_with_products_in_float32(site, tmp_path) -> None:
    """In 8 bits a difference of one rounding grows; see the next test."""
    network = serialize(trace_vocoder(waveglow.load(
        WEB.parent / "waveglow" / "pre_trained_model" / "mel_rate.safetensors")))
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "voice" / "vocoder.onnx.gz").unlink()
    (tmp_path / "site" / "voice" / "vocoder.onnx").write_bytes(network)
    found = Spoken(tmp_path / "site", STEPS[:1], tmp_path)
    synthesizer = Synthesizer(device="cpu")
    synthesizer.vocoder.vocoder.session = open_session(Path("float32.onnx"), network, threads=1)
    np.testing.assert_allclose(found.wave("plain"), synthesizer.speak(TEXT).wave, rtol=0, atol=1e-3)


def test_the_shipped_voice_differs_from_python_by_its_rounding_to_8_bits_alone(spoken) -> None:
    """A change of 1e-6 in a mel changes the wave by 1.1 % (RMS) in Python too."""
    synthesizer = Synthesizer(device="cpu")
    for step in (STEPS[0], STEPS[1], STEPS[4]):
        assert_alike(spoken.wave(step["name"]), synthesizer.speak(step["text"], speed=step["speed"]).wave)


def test_another_voice_is_loaded_when_it_is_chosen(spoken, voices) -> None:
    for name, voice in (("tiny", TINY), ("flow", "flow")):
        assert_alike(spoken.wave(name), Synthesizer(device="cpu", voice=voices / voice).speak("Hello. Yes.").wave)
    before, after = (spoken.results[name]["requests"] for name in ("again", "tiny"))
    assert not [request for request in spoken.requests[:before] if "/voices/" in request["url"]]
    loaded = {urlsplit(request["url"]).path for request in spoken.requests[before:after]}
    assert loaded == {f"/voice/voices/{quote(TINY)}/{name}" for name in ("student.onnx", "vocoder.onnx", "voice.json")}
    np.testing.assert_array_equal(spoken.wave("default"), spoken.wave("again"))


def test_voices_that_the_page_cannot_speak_with_are_not_offered(pack, voices, tmp_path, capsys) -> None:
    pack.write_voices(tmp_path, pack.DEFAULT, pack.find_voices(voices))
    assert json.loads((tmp_path / "voices.json").read_text()) == [
        {"name": "flow", "folder": "voices/flow"}, {"name": TINY, "folder": f"voices/{quote(TINY)}"}]
    assert "voice damaged is left out" in capsys.readouterr().err and not (tmp_path / "voices" / "damaged").exists()


def test_unknown_words_are_guessed_as_in_python(spoken) -> None:
    words, network = STEPS[-1]["words"], load_shipped()
    assert spoken.results["words"]["classes"] == [network.best_classes(word) for word in words]


def test_nothing_comes_from_another_host_or_folder(spoken) -> None:
    addresses = {request["url"] for request in spoken.requests if not request["url"].startswith(("blob:", "data:"))}
    assert {urlsplit(address).path.rsplit("/", 1)[-1] for address in addresses} >= {
        "student.onnx", "vocoder.onnx", "front_end.zip", "pyodide.asm.wasm", "ort-wasm-simd-threaded.wasm"}
    assert not [address for address in addresses if not address.startswith(spoken.url + "voice/")]
    assert not spoken.errors


def test_what_cannot_be_said_is_named(spoken) -> None:
    strange, nothing = spoken.results["strange"], spoken.results["nothing"]
    assert "cannot be said: 😀" in strange["notes"] and "nguyenovski" in strange["notes"]
    assert not nothing["spoken"] and nothing["status"].startswith("nothing to say in '😀'")
    assert spoken.results["plain"]["notes"] == spoken.results["again"]["notes"] == ""


def test_words_stand_as_in_the_text_and_fit_a_phone(spoken) -> None:
    assert spoken.results["strange"]["words"] == ["Call", "Nguyenovski", "now"]
    assert spoken.results["plain"]["words"][:4] == ["Hello", "Dr.", "Brown", "paid"]
    assert not any(result.get("tooWide") for result in spoken.results.values())


def test_words_are_lit_and_stop_stops(spoken) -> None:
    stopped = spoken.results["stopped"]
    assert stopped["lit"] in ("A", "long", "text") and stopped["status"] == "Stopped."


def test_texts_that_were_already_said_do_not_return(spoken) -> None:
    assert spoken.results["again"]["words"] == ["Again"]
    assert len(spoken.wave("again")) < len(spoken.wave("plain")) / 3
