"""Checkpoints: a kill or a full disk while one is written, damage, other formats, malformed ones."""
import copy
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_task import CONFIG, CPU, ToyTask, train

from hparams import UserError
from training.checkpoint import load_checkpoint, load_newest, resumed_config, save_checkpoint
from training.state import setup

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a run that reached its last step."""
    folder = tmp_path_factory.mktemp("run") / "run"
    train(ToyTask(), folder)
    return folder


@pytest.fixture
def saved(finished) -> dict:
    return copy.deepcopy(torch.load(finished / "latest.pt", weights_only=True))


def test_kill_during_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, {"step": 1})
    code = ("import os, sys, torch; from pathlib import Path; from training import checkpoint\n"
            "real = torch.save\n"
            "def half(state, file):\n"
            "    real(state, file); file.flush(); file.truncate(file.tell() // 2); os.kill(os.getpid(), 9)\n"
            "torch.save = half\n"
            "checkpoint.save_checkpoint(Path(sys.argv[1]), {'step': 2})\n")
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    assert done.returncode == -9
    assert torch.load(path, weights_only=True)["step"] == 1


def test_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, {"step": 1})
    for error, reason in ((OSError(28, "No space left on device"), "No space left"), (RuntimeError("pos 7"), "full?")):
        def full(state, file):
            file.write(b"half")
            raise error
        monkeypatch.setattr(torch, "save", full)
        with pytest.raises(UserError, match=reason):
            save_checkpoint(path, {"step": 2})
        assert os.listdir(tmp_path) == ["latest.pt"]
    assert torch.load(path, weights_only=True)["step"] == 1


def test_a_damaged_checkpoint_is_refused_with_harmless_advice(finished, tmp_path):
    whole, path = (finished / "latest.pt").read_bytes(), tmp_path / "latest.pt"
    at = whole.index(load_checkpoint(finished / "latest.pt", "toy")["average"]["layer.weight"].numpy().tobytes())
    for damaged in (whole[:at] + bytes(8) + whole[at + 8:], whole[:-200], b"", whole[:at] + b"?" + whole[at + 1:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError) as caught:
            load_checkpoint(path, "toy")
        assert "latest.pt: " in str(caught.value) and "\n" not in str(caught.value)
        assert "delete" not in str(caught.value) and "move it away" in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="latest.pt: a folder, expected a file"):
        load_checkpoint(path, "toy")


def test_values_that_are_not_finite_are_blamed_on_the_checkpoint(saved, tmp_path):
    saved["networks"]["model"]["layer.weight"][0, 0] = float("nan")
    save_checkpoint(tmp_path / "latest.pt", saved)
    with pytest.raises(UserError, match="latest.pt: model.layer.weight is not"):
        load_checkpoint(tmp_path / "latest.pt", "toy")


def test_checkpoints_of_other_formats_and_models_are_refused(saved, tmp_path):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, saved)
    with pytest.raises(UserError, match="a checkpoint of toy, expected waveglow"):
        load_checkpoint(path, "waveglow")
    torch.save({**saved, "format": 99}, path)
    with pytest.raises(UserError, match="checkpoint format 99, expected 2"):
        load_checkpoint(path, "toy")


def test_a_checkpoint_of_format_1_is_resumed(saved, tmp_path):
    del saved["train_config"]["phase_steps"]
    torch.save({**saved, "format": 1, "random": saved["random"][0]}, tmp_path / "latest.pt")
    longer = train(ToyTask(), tmp_path, resume=True, config=dataclasses.replace(CONFIG, steps=14))
    assert longer.step == 14 and longer.config.phase_steps == 12


def mutants(state: dict):
    """States in which one entry, at any depth, is missing, has another name or another value."""
    keys = [((), key) for key in state]
    for place in (("networks",), ("networks", "model"), ("average",), ("optimizers",), ("optimizers", "model"),
                  ("optimizers", "model", "state", 0), ("clips",), ("model_config",), ("train_config",)):
        inner = state
        for step in place:
            inner = inner[step]
        keys += [(place, key) for key in inner]
    for place, key in keys:
        for value in (None, "x", -1.5, [], {"x": {}}, torch.zeros(7, 5)):
            mutant = copy.deepcopy(state)
            inner = mutant
            for step in place:
                inner = inner[step]
            if value is None:
                inner[f"{key}x"] = inner.pop(key)
            else:
                inner[key] = value
            yield mutant


@pytest.mark.filterwarnings("ignore:Using a non-tuple")
def test_malformed_checkpoints_are_refused_or_work(saved, tmp_path):
    refused = 0
    for number, mutant in enumerate(mutants(saved)):
        torch.save(mutant, tmp_path / "latest.pt")
        try:
            path, state = load_newest(tmp_path, "toy")
            config = resumed_config(path, state["train_config"], dataclasses.replace(CONFIG, steps=13))
            resumed = setup(ToyTask(), config, CPU, tmp_path, (path, state))
            resumed.task.train_step(12)
            resumed.optimizers["model"].step()
        except UserError:
            refused += 1
    assert number > 200 and refused > 0.8 * number
