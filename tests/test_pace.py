"""Pace: a student is made slower when it is exported, and measured against recordings."""
from pathlib import Path

import pytest
import torch

import lightspeech
import train
from distillation.dataset import DistilledDataset
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from experiments.measure_pace import Pace, fitting_factor, measure, table
from hparams import CONFIGS, AudioConfig, TextConfig
from runtime.weights import weights_notes
from text import read, symbols


@pytest.fixture
def student(tmp_path) -> Path:
    torch.manual_seed(0)
    network = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    with torch.no_grad():
        network.duration_head[-1].bias[0] = 2.0  # log(frames + 1): about 6 frames a symbol
    lightspeech.save(tmp_path / "student.safetensors", network, TextConfig())
    return tmp_path / "student.safetensors"


def test_each_duration_plus_1_is_multiplied(student, tmp_path) -> None:
    assert train.main(["--init", str(student), "--pace", "2", "--export", str(tmp_path / "slow.safetensors")]) == 0
    ids, lengths = torch.arange(5, 25)[None], torch.tensor([20])
    before, after = (lightspeech.load(path).infer(ids, lengths).durations[0].double()
                     for path in (student, tmp_path / "slow.safetensors"))
    assert (after - (2 * (before + 1) - 1)).abs().max() <= 1.1  # frames are rounded before and after
    assert weights_notes(tmp_path / "slow.safetensors")["pace"] == 2


@pytest.mark.parametrize("arguments, expected", [
    (["--pace", "0"], "--pace: found 0.0, expected a number above 0"),
    (["--model", "waveglow", "--pace", "1.1"], "--pace: is for a student, found --model waveglow")])
def test_mistakes_get_one_line_and_write_nothing(arguments, expected, student, tmp_path, capsys) -> None:
    assert train.main(["--init", str(student), *arguments, "--export", str(tmp_path / "slow.safetensors")]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "slow.safetensors").exists()


def test_the_factor_brings_the_sounds_to_the_recordings_length() -> None:
    pace = Pace({"sound": [7, 9, 5], "space": [3], "last": [20]}, {"sound": [6, 8, 4], "space": [3], "last": [8]})
    factor = fitting_factor(pace)
    assert sum(factor * (frames + 1) - 1 for frames in (6, 8, 4, 3)) == pytest.approx(7 + 9 + 5 + 3)


def test_recorded_and_predicted_durations_are_counted_by_kind(student, tmp_path) -> None:
    ids = read("Oh, no.", TextConfig()).ids
    recorded = torch.arange(1, len(ids) + 1)
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=1, seed=0, features=False)
    with DistilledWriter(tmp_path / "aligned", manifest) as writer:
        writer.add(DistilledRow("row", 0, 0, ids, recorded, torch.zeros(80, int(recorded.sum())), None, {}))
    network = lightspeech.load(student)
    pace = measure(DistilledDataset.read(tmp_path / "aligned", with_features=False), network)
    kinds = ["sound", "mark", "space", "sound", "sound", "last"]
    assert [symbols[number] for number in ids] == ["@OW1", ",", " ", "@N", "@OW1", "."]
    predicted = network.infer(torch.tensor([ids]), torch.tensor([len(ids)])).durations[0].tolist()
    for found, durations in zip(pace, (recorded.tolist(), predicted)):
        assert found == {kind: [count for own, count in zip(kinds, durations) if own == kind] for kind in kinds}
    assert "| all but the last | 5 | 3.00 |" in table(pace) and "| all | 6 | 3.50 |" in table(pace)
