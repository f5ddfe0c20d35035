"""Contrast: the quiet parts of a student's mels get quieter, the loud ones stay."""
from pathlib import Path

import pytest
import torch

import lightspeech
import train
from distillation.dataset import DistilledDataset
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import CONFIGS, AudioConfig, TextConfig
from runtime.weights import weights_notes
from text import symbols


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Rows whose bands differ in level and in how much they vary."""
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=1, seed=0, features=False)
    generator = torch.Generator().manual_seed(0)
    with DistilledWriter(tmp_path / "distilled", manifest) as writer:
        for number in range(4):
            mel = torch.randn(80, 60, generator=generator) * torch.linspace(0.5, 2, 80)[:, None] - 5
            writer.add(DistilledRow(f"row-{number}", 0, 0, [5, 6, 7], torch.tensor([10, 20, 30]), mel, None, {}))
    return tmp_path / "distilled"


@pytest.fixture
def student(tmp_path) -> Path:
    torch.manual_seed(0)
    network = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    lightspeech.save(tmp_path / "student.safetensors", network, TextConfig())
    return tmp_path / "student.safetensors"


def test_each_band_is_stretched_about_its_loud_level(dataset, student, tmp_path) -> None:
    assert train.main(["--init", str(student), "--data", str(dataset), "--contrast", "1.5", "--export",
                       str(tmp_path / "more.safetensors")]) == 0
    ids, lengths = torch.tensor([[5, 6, 7, 8]]), torch.tensor([4])
    before, after = (lightspeech.load(path)(ids, lengths, torch.tensor([[3, 4, 5, 6]]), 18).mel[0]
                     for path in (student, tmp_path / "more.safetensors"))
    targets = DistilledDataset.read(dataset, with_features=False).mels.flat.float()
    loud = (targets.mean(0) + 4 * targets.std(0))[:, None]
    assert torch.allclose(after, loud + 1.5 * (before - loud), atol=0.02)  # the file holds half precision
    assert weights_notes(tmp_path / "more.safetensors")["contrast"] == 1.5


def test_a_factor_of_0_is_refused(dataset, student, tmp_path, capsys) -> None:
    assert train.main(["--init", str(student), "--data", str(dataset), "--contrast", "0", "--export",
                       str(tmp_path / "more.safetensors")]) == 2
    assert "--contrast: found 0.0, expected a number above 0" in capsys.readouterr().err
    assert not (tmp_path / "more.safetensors").exists()
