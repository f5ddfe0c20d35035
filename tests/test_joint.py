"""Student and vocoder trained as one network."""
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import lightspeech
import train
import waveglow
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import CONFIGS, AudioConfig, TextConfig
from lightspeech.loss import duration_loss
from text import symbols
from training.aligned import cut_frames

LENGTHS = (9000, 11000, 12345)  # samples
FEW = ["--config", "tiny", "--batch-size", "2", "--distilled-batch-size", "2", "--segment", "2048", "--log-every", "1",
       "--validate-every", "2", "--steps", "3", "--device", "cpu"]


def write_rows(folder: Path, name: str, frames: list[int]) -> Path:
    """A dataset of rows of four symbols."""
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=1, seed=0, features=False)
    with DistilledWriter(folder, manifest) as writer:
        for number, count in enumerate(frames):
            durations = torch.tensor([3, 5, 7, count - 15])
            mel = torch.randn(80, count, generator=torch.Generator().manual_seed(number)) - 4
            writer.add(DistilledRow(f"{name}-{number}", 0, 0, [5, 6, 7, 8], durations, mel, None, {}))
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """Recordings, their alignment, other rows and weights to start from."""
    folder = tmp_path_factory.mktemp("joint")
    (folder / "corpus" / "wavs").mkdir(parents=True)
    for number, length in enumerate(LENGTHS):
        wave = 0.1 * np.random.default_rng(number).standard_normal(length)
        soundfile.write(folder / "corpus" / "wavs" / f"clip-{number}.wav", wave, 22050)
    lines = [f"clip-{number}|Hello there.\n" for number in range(len(LENGTHS))]
    (folder / "corpus" / "metadata.csv").write_text("".join(lines[1:]))
    (folder / "corpus" / "heldout.csv").write_text(lines[0])
    config = CONFIGS["joint"]["tiny"][0]
    torch.manual_seed(0)
    (folder / "voice").mkdir()
    voice = folder / "voice"
    lightspeech.save(voice / "lightspeech.safetensors", lightspeech.LightSpeech(config.student), TextConfig())
    waveglow.save(voice / "waveglow.safetensors", waveglow.build(config.vocoder))
    return {"--data": folder / "corpus", "--init": folder / "voice",
            "--mels": write_rows(folder / "aligned", "clip", [length // 256 + 1 for length in LENGTHS]),
            "--distilled": write_rows(folder / "distilled", "text", [30, 40, 50])}


def run(inputs: dict[str, Path], out: Path, *more: str) -> dict[str, torch.Tensor]:
    """Trains, exports, and returns the student's tensors with those of the vocoder."""
    arguments = [str(part) for pair in inputs.items() for part in pair]
    assert train.main(["--model", "joint", *arguments, "--out", str(out), *FEW, *more]) == 0
    assert train.main(["--model", "joint", "--out", str(out), "--export", str(out / "voice")]) == 0
    student = lightspeech.load(out / "voice" / "lightspeech.safetensors").state_dict()
    return {**student, **waveglow.load(out / "voice" / "waveglow.safetensors").state_dict()}


def test_the_wave_teaches_the_student_too(inputs, tmp_path):
    """What only the losses of the wave say changes the student; without it, two runs are equal."""
    alone, again = (run(inputs, tmp_path / name, "--wave-weight", "0") for name in ("alone", "again"))
    both = run(inputs, tmp_path / "both", "--wave-weight", "5")
    assert all(torch.equal(tensor, again[name]) for name, tensor in alone.items())
    start = lightspeech.load(inputs["--init"] / "lightspeech.safetensors").state_dict()
    for name in ("decoder.ahead.weight_hh_l0", "encoder.ahead.weight_ih_l0", "mel_linear.weight"):
        assert not torch.equal(alone[name], both[name]) and not torch.equal(alone[name], start[name])


def test_a_run_needs_alignments_and_weights(inputs, tmp_path, capsys):
    for missing, found in (("--mels", "--mels: not given"), ("--init", "--init: not given")):
        arguments = [str(part) for name, path in inputs.items() if name != missing for part in (name, path)]
        assert train.main(["--model", "joint", *arguments, "--out", str(tmp_path / "run"), *FEW]) == 2
        assert found in capsys.readouterr().err
    assert train.main(["--model", "joint", "--data", str(inputs["--data"]), "--mels", str(inputs["--mels"]), "--init",
                       str(tmp_path), "--out", str(tmp_path / "run"), *FEW]) == 2
    assert "waveglow.safetensors: no such file" in capsys.readouterr().err


def test_frames_are_cut_with_silence_around_a_row():
    mel = torch.arange(6.0).expand(2, 1, 6).contiguous()
    cut = cut_frames(mel, torch.tensor([-2, 3]), torch.tensor([6, 5]), 4, -9.0)
    assert cut[:, 0].tolist() == [[-9, -9, 0, 1], [3, 4, -9, -9]]


def test_the_best_duration_is_the_mean():
    """Of one frame in three cases and 10 in the fourth: the mean 3.25, where the median is 1."""
    durations, mask = torch.tensor([[1, 1, 1, 10]]), torch.ones(1, 4, dtype=torch.bool)
    tried = torch.linspace(0.5, 12, 1151)
    losses = [float(duration_loss(value.log1p().expand(1, 4), durations, mask)) for value in tried]
    assert abs(float(tried[int(np.argmin(losses))]) - 3.25) < 0.02
    exact = duration_loss(torch.log1p(durations.float()), durations, mask)
    assert exact == 0
    padding = torch.tensor([[0.0, 0.0, 0.0, 99.0]])
    in_padding = duration_loss(torch.log1p(durations.float()) + padding, durations, mask & (padding == 0))
    assert in_padding == 0
