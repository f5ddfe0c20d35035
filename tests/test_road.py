"""The whole way by the scripts, on four short clips that the test makes itself: corpus to sound."""
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import lightspeech
import tacotron2
import train
import waveglow
from experiments.clock import add_clock
from hparams import CONFIGS
from training.sharpening import sharpen

ROOT = Path(__file__).parents[1]
TEACHER = ROOT / "tacotron2" / "pre_trained_model" / "tacotron2.safetensors"
TEXTS = ["Hello.", "One two three.", "It was good.", "Printing, in the only sense."]
FEW = ["--config", "tiny", "--steps", "4", "--batch-size", "2", "--log-every", "2", "--validate-every", "4",
       "--device", "cpu"]
LAX = ["--min-focus", 0, "--min-coverage", 0, "--max-jump", 1000, "--max-stay", 1000, "--max-steps", 200, "--device",
       "cpu"]


def script(*arguments: object, status: int = 0, processes: int = 1) -> subprocess.CompletedProcess:
    """Runs one of the project's scripts as a user would and checks its exit status."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run([sys.executable, *(launcher if processes > 1 else []), *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder in LJSpeech's layout: hums of half a second with noise."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    rng = np.random.default_rng(0)
    for number in range(len(TEXTS)):
        time = np.arange(11025 + 2000 * number) / 22050
        wave = 0.3 * np.sin(2 * np.pi * (120 + 30 * number) * time) + 0.02 * rng.standard_normal(len(time))
        soundfile.write(folder / "wavs" / f"clip-{number}.wav", wave, 22050)
    (folder / "metadata.csv").write_text("".join(f"clip-{n}|{text}\n" for n, text in enumerate(TEXTS)))
    return folder


def test_from_corpus_to_sound(corpus, tmp_path):
    runs, weights = tmp_path / "runs", tmp_path / "weights"

    script("train.py", "--model", "tacotron2", "--data", corpus, "--out", runs / "teacher", *FEW)
    script("train.py", "--model", "tacotron2", "--out", runs / "teacher", "--export", weights / "plain.safetensors")
    teacher = tacotron2.load(weights / "plain.safetensors")
    add_clock(teacher)  # four steps do not teach it to stop
    tacotron2.save(weights / "plain.safetensors", teacher, teacher.text, {})
    script("train.py", "--model", "tacotron2", "--init", weights / "plain.safetensors", "--data", corpus,
           "--sharpen", 1.15, "--export", weights / "teacher.safetensors")

    done = script("preprocess.py", corpus / "metadata.csv", "-o", tmp_path / "distilled", "--weights",
                  weights / "teacher.safetensors", "--samples", 2, *LAX)
    assert "8 rows kept" in done.stdout
    assert list(csv.reader(open(tmp_path / "distilled" / "rejected.csv")))[1:] == []

    script("train.py", "--data", tmp_path / "distilled", "--out", runs / "student", *FEW, "--feature-weight", 0)
    script("train.py", "--out", runs / "student", "--export", weights / "student.safetensors", "--sharpen", 1, "--data",
           tmp_path / "distilled")
    assert lightspeech.load(weights / "student.safetensors").text == teacher.text

    script("train.py", "--model", "waveglow", "--data", corpus, "--out", runs / "vocoder", *FEW, "--spectral-steps", 2)
    script("train.py", "--model", "waveglow", "--out", runs / "vocoder", "--export", weights / "vocoder.safetensors",
           "--preliminary", "a test of four steps")
    done = script("preprocess.py", corpus, "-o", tmp_path / "said", "--student", weights / "student.safetensors",
                  "--weights", weights / "teacher.safetensors", *LAX)
    assert "4 rows kept" in done.stdout
    script("train.py", "--model", "waveglow", "--data", corpus, "--mels", tmp_path / "said", "--out", runs / "tuned",
           *FEW, "--init", weights / "vocoder.safetensors", "--learning-rate", 0, "--final-learning-rate", 0)
    assert '"student mel": ' in (runs / "tuned" / "log.jsonl").read_text()
    script("train.py", "--model", "waveglow", "--out", runs / "tuned", "--export", weights / "tuned.safetensors")
    tuned, vocoder = waveglow.load(weights / "tuned.safetensors"), waveglow.load(weights / "vocoder.safetensors")
    for name, tensor in vocoder.state_dict().items():
        torch.testing.assert_close(tuned.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)  # half precision twice

    done = script("synthesize.py", "Hello, world.", "-o", tmp_path / "hello.wav", "--weights",
                  weights / "student.safetensors", "--vocoder-weights", weights / "vocoder.safetensors")
    assert "a test of four steps" in done.stderr
    wave, rate = soundfile.read(tmp_path / "hello.wav")
    assert rate == 22050 and len(wave) > 1000 and np.abs(wave).max() > 0


def test_training_by_two_processes_through_the_script(corpus, tmp_path):
    script("train.py", "--model", "waveglow", "--objective", "likelihood", "--data", corpus, "--out", tmp_path / "run",
           *FEW, processes=2)
    assert (tmp_path / "run" / "best.pt").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_teacher_is_sharpened_on_the_gpu_as_on_the_cpu(corpus):
    weights = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        teacher = tacotron2.Tacotron2(CONFIGS["tacotron2"]["tiny"][0]).eval()
        add_clock(teacher)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()  # other tests may have left something there
        with torch.backends.cudnn.flags(allow_tf32=False):  # its rounding changes random weights' frames by percents
            sharpen(teacher, corpus, 1.15, torch.device(device))
        assert (torch.cuda.max_memory_allocated() > before) == (device == "cuda")
        weights.append(teacher.decoder.linear_projection.linear_layer.weight)
    on_cpu, on_gpu = weights
    assert (on_cpu - on_gpu).norm() < 1e-2 * on_cpu.norm()


@pytest.fixture
def one_line_error(capsys):
    """A function that runs train.py with mistaken arguments and returns its error, the last line that it prints."""
    def run(*arguments: object) -> str:
        try:
            status = train.main([str(argument) for argument in arguments])
        except SystemExit as exit:  # argparse's own
            status = exit.code
        lines = capsys.readouterr().err.strip().splitlines()
        errors = [line for line in lines if "error" in line.lower()]
        assert status == 2 and errors == lines[-1:] and "Traceback" not in "".join(lines), lines
        return lines[-1]
    return run


@pytest.mark.parametrize("arguments, expected", [
    (["--model", "waveglow", "--config", "huge"], "found 'huge', expected one of default, published, tiny"),
    (["--model", "waveglow", "--embedding-dim", "3"], "unrecognized arguments: --embedding-dim"),
    (["--batch-size", "many"], "batch_size: found 'many', expected int"),
    (["--batch-size", "0"], "batch_size: found 0, expected at least 1"),
    (["--mel-loss", "l3"], "mel_loss: found 'l3', expected one of l1, l2"),
    (["--data", "/nowhere"], "/nowhere: no such folder"),
    (["--model", "waveglow", "--objective", "magic"], "expected one of adversarial, likelihood"),
    (["--export", "/dev/null/x.safetensors"], "no checkpoint found there; give the folder of a run"),
    (["--mels", "."], "--mels: is for waveglow and joint, found --model lightspeech"),
    (["--sharpen", "1.2", "--export", "x.safetensors"], "--sharpen: is for teacher and student"),
    (["--sharpen", "1.2", "--data", "."], "--sharpen: is for finished weights"),
    (["--model", "tacotron2", "--init", TEACHER, "--data", ".", "--sharpen", "1.2", "--export", "x.safetensors",
      "--device", "cuda:99"], "--device cuda:99: "),
    (["--contrast", "1.2", "--export", "x.safetensors"], "--contrast: is for a student; it needs the --data"),
    (["--contrast", "1.2", "--data", "."], "--contrast: is for finished weights"),
    (["--init", "/nowhere.safetensors", "--export", "x.safetensors"], "/nowhere.safetensors: no such file; --init"),
    ([], "--data: not given")])
def test_mistakes_get_one_line(arguments, expected, tmp_path, one_line_error):
    assert expected in one_line_error("--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_folders_that_cannot_be_written_are_named(corpus, tmp_path, one_line_error):
    (tmp_path / "file").write_text("")
    vocoder = ["--model", "waveglow", "--data", corpus, *FEW]
    assert "file: the folder cannot be made (a file is there)" in one_line_error(*vocoder, "--out", tmp_path / "file")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").symlink_to("/dev/full")
    assert "No space left on device" in one_line_error(*vocoder, "--out", tmp_path / "run")


def test_mistakes_in_the_corpus_are_named(corpus, tmp_path, one_line_error):
    folder = tmp_path / "corpus"
    (folder / "wavs").mkdir(parents=True)
    run = ["--model", "waveglow", "--data", folder, "--out", tmp_path / "run", *FEW]
    assert "metadata.csv" in one_line_error(*run)
    (folder / "metadata.csv").write_text("")
    assert "empty" in one_line_error(*run)
    (folder / "metadata.csv").write_text("a|One.\nno bar here\n")
    assert "metadata.csv" in one_line_error(*run) and "2" in one_line_error(*run)
    (folder / "metadata.csv").write_text("a|One.\nb|Two.\n")
    assert "b.wav" in one_line_error(*run)
    for name in "ab":
        (folder / "wavs" / f"{name}.wav").write_bytes(b"RIFF corrupt")
    assert "cannot be read" in one_line_error(*run)
