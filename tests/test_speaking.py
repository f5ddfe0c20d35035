"""Speaking with the voice that ships, without PyTorch: these tests need requirements-speak.txt alone."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import synthesize
from hparams import UserError
from runtime import devices, packages
from runtime.devices import cpu_threads, describe_device, find_device
from synthesis.vocoder_runner import FIRST_CHUNK, TAIL_FRAMES
from synthesize import Synthesizer
from text import plan
from text.plan import make_plan

ROOT = Path(__file__).resolve().parents[1]
HOP, RATE = 256, 22050
# What may be installed or not: speaking imports none of it.
ABSENT = ("torch", "librosa", "scipy", "matplotlib", "safetensors", "inflect", "onnx", "soxr", "tensorboard", "tqdm")


@pytest.fixture(scope="module")
def speaker() -> Synthesizer:
    return Synthesizer(device="cpu")


@pytest.fixture
def without_packages(monkeypatch) -> None:
    """As if only the packages of requirements-speak.txt were installed."""
    find = packages.importlib.util.find_spec
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name in ABSENT else find(name))


@pytest.mark.parametrize("options", [["-o", "a.wav"], ["-o", "a.flac", "--timestamps", "a.json"], ["-o", "-", "--raw"],
                                     ["-o", "-", "--device", "cpu"], ["-o", "a.ogg", "--denoise", "0.05"]])
def test_a_process_that_speaks_imports_what_it_needs_only(options, tmp_path) -> None:
    code = ("import sys\n"
            f"for name in {ABSENT}: sys.modules[name] = None\n"  # importing it raises ImportError
            "import synthesize\n"
            f"status = synthesize.main(['At 10:30, a zorblaxian café [pause 1s] ½.', *{options}])\n"
            "print(sorted({'soundfile', 'PIL', 'sympy'} & set(sys.modules)), file=sys.stderr)\nsys.exit(status)")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (b"['soundfile']" if options[1] in ("a.flac", "a.ogg") else b"[]")


def test_the_script_writes_sound_and_times(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert synthesize.main(["Hello there. [pause 1s] Good \u2603 bye.", "-o", "a.wav", "--timestamps", "a.json"]) == 0
    told, (wave, rate) = capsys.readouterr(), soundfile.read("a.wav")
    words = json.loads(Path("a.json").read_text())["words"]
    assert rate == RATE and 1.8 < len(wave) / rate < 4 and np.abs(wave).max() > 0.1
    assert [word["word"] for word in words] == ["Hello", "there", "Good", "bye"]
    end, start = (round(words[index][edge] * rate) for index, edge in ((1, "end"), (2, "start")))
    assert rate <= (wave[end:start] == 0).sum() <= rate + (TAIL_FRAMES + 1) * HOP
    assert "left out what cannot be said: '\u2603'" in told.err and "real-time factor" in told.out


def test_a_stream_is_the_wave_in_parts(speaker) -> None:
    text = "[pause 100ms] Hello, you are there, are you not, for a long time now? Yes. No, never."
    for settings in ({}, {"speed": 0.7, "pause": 0.5, "denoise": 0.1}):
        speech, stream = speaker.speak(text, **settings), speaker.stream(text, **settings)
        chunks = list(stream.chunks)
        assert len(chunks[0]) == 2205 and len(chunks[1]) == FIRST_CHUNK * HOP and len(chunks) > 4
        np.testing.assert_allclose(np.concatenate(chunks), speech.wave, atol=2e-5)


def test_a_long_text_is_read_while_it_is_spoken(speaker, monkeypatch) -> None:
    read, texts = plan.read, []
    monkeypatch.setattr(plan, "read", lambda text, *rest: texts.append(text) or read(text, *rest))
    stream = speaker.stream("One \u2603. " + "Two. " * 50 + "Three \u2602. [pause 1s]")
    assert len(next(stream.chunks)) == 0 and len(next(stream.chunks)) and texts == ["One \u2603."]
    assert stream.dropped == "\u2603"
    rest = list(stream.chunks)
    assert len(texts) == len(rest) == 52 and stream.dropped == "\u2603\u2602" and len(rest[-1]) == RATE
    for text in ("Hello. [pause 9]", "... \u2603"):
        with pytest.raises(UserError):
            speaker.stream(text)


def test_speed_is_exact_and_leaves_pauses_alone(speaker) -> None:
    assert speaker.mel_predictor.text is not None
    reading, = make_plan("Hello, you there.", speaker.mel_predictor.text, 0.0).readings
    pauses = np.array(reading.pauses)
    usual, = speaker.mel_predictor.predict([reading], 1.0)
    for speed in (0.25, 0.8, 1.3, 4.0):
        changed, = speaker.mel_predictor.predict([reading], speed)
        assert (usual.durations[pauses] == changed.durations[pauses]).all() and pauses.sum() >= 3
        assert changed.durations[~pauses].sum() == round(usual.durations[~pauses].sum() / speed)
        assert changed.mel.shape == (80, changed.durations.sum())


def test_each_word_is_heard(speaker) -> None:
    speech = speaker.speak("The quick brown fox jumps over the lazy dog.")
    for word in speech.words:
        part = speech.wave[round(word.start * RATE):round(word.end * RATE)]
        assert np.abs(part).max() > 0.02, word


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_the_text() -> None:
    """40,000 characters take as much as 5,000 of them; their waves alone would take 50 MB more."""
    code = ("import sys; from synthesize import Synthesizer\n"
            "text = ('A quick brown fox jumps over lazy dogs, ' * 3 + 'and sleeps. ') * (int(sys.argv[1]) // 132)\n"
            "count = sum(1 for _ in Synthesizer(device='cpu').stream(text, speed=4).chunks)\n"
            "peak, = (line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
            "print(count, int(peak) // 1024)")  # ru_maxrss would count this process too, which starts it
    (few, before), (many, after) = (map(int, subprocess.run(
        [sys.executable, "-c", code, size], cwd=ROOT, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}).stdout.split()) for size in ("5000", "40000"))
    assert many - few > 250 and after - before < 15


@pytest.mark.parametrize("options, told", [
    (["--device", "cuda"], "--device cuda: needs PyTorch, which is not installed; pip install -r requirements.txt"),
    (["--vocoder", "griffin-lim"], "--vocoder griffin-lim: needs PyTorch"),
    (["--picture", "a.png"], "--picture: needs matplotlib"), (["--weights", "x.safetensors"], "x.safetensors: needs P"),
    (["--device", "gpu"], "--device: found 'gpu'"), (["--speed", "9"], "speed: found 9"),
    (["--weights", "x.onnx"], "x.onnx: truncated or no ONNX file of this project")])
def test_what_needs_more_is_refused_in_one_line(without_packages, monkeypatch, tmp_path, capsys, options, told) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.safetensors", "x.onnx"):
        Path(name).write_bytes(b"some bytes")
    Path("x.onnx").rename("y") if options[1] == "x.safetensors" else None
    assert synthesize.main(["Hello.", "-o", "a.wav", *options]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f"synthesize.py: error: {told}") and not Path("a.wav").exists()


def test_without_pytorch_or_a_driver_the_cpu_is_used(without_packages, monkeypatch) -> None:
    assert find_device("auto") == "cpu"
    monkeypatch.undo()
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert devices.may_have_gpu() == (packages.importlib.util.find_spec("torch") is not None)


def test_the_number_of_threads(monkeypatch) -> None:
    monkeypatch.setattr(devices, "available_cpus", lambda: 6)
    for value, expected in (("3", 3), ("1", 1), ("", 6), ("0", 6), ("many", 6), ("9" * 30, 6)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert cpu_threads() == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert describe_device("cpu") == "CPU, 1 thread"


def test_a_text_without_anything_to_say(speaker) -> None:
    for text in ("", "...", "\U0001f600"):
        with pytest.raises(UserError):
            speaker.speak(text)
