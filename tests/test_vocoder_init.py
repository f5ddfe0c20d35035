"""Training of a flow around a mean that is trained already, by train.py --init."""
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import train
import waveglow
from hparams import VOICE_CONFIGS, WaveGlowConfig
from training.distributed import Workers
from training.export import export, start_from
from training.run import train as train_network
from voice.stage import Job
from voice.stages import settings_of

SIZES = {"squeeze": "mdct", "n_blocks": 1, "block_channels": 16, "block_hidden": 32}
MEAN = WaveGlowConfig(**SIZES, n_flows=0)
FLOW = WaveGlowConfig(**SIZES, n_flows=2, flow_channels=8, sigma=0.8)
FEW = {"steps": 2, "batch-size": 2, "log-every": 1, "validate-every": 2, "spectral-steps": 2, "segment": 2048}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    for number in range(4):
        wave = 0.1 * np.random.default_rng(number).standard_normal(8000)
        soundfile.write(folder / "wavs" / f"clip-{number}.wav", wave, 22050)
    (folder / "metadata.csv").write_text("".join(f"clip-{number}|Hello.\n" for number in range(4)))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    """Weights without and with a flow, not alike."""
    paths = {}
    for seed, (name, config) in enumerate({"mean": MEAN, "flow": FLOW}.items()):
        torch.manual_seed(seed)
        paths[name] = tmp_path_factory.mktemp("weights") / f"{name}.safetensors"
        waveglow.save(paths[name], waveglow.build(config))
    return paths


def run(corpus: Path, out: Path, init: Path, **settings: object) -> int:
    options = {"model": "waveglow", "data": corpus, "out": out, "init": init, "device": "cpu", **SIZES, **FEW,
               **settings}
    return train.main([item for name, value in options.items() for item in (f"--{name.replace('_', '-')}", str(value))])


def test_a_flow_starts_around_a_trained_mean(weights, capsys) -> None:
    mean = waveglow.load(weights["mean"])
    torch.manual_seed(7)
    untrained, network = waveglow.build(FLOW), waveglow.build(FLOW)
    network.load_state_dict(untrained.state_dict())
    start_from(weights["mean"], "waveglow", network, Workers(1, 2, torch.device("cpu")))
    assert not capsys.readouterr().err  # the other process says it
    for name, tensor in network.state_dict().items():
        source = mean if name in mean.state_dict() else untrained
        assert torch.equal(tensor, source.state_dict()[name]), name
    mel, noise = torch.randn(1, 80, 20) - 5, torch.randn(1, *network.noise_shape(20))
    with torch.no_grad():
        hidden = network.hidden_features(mel, None)
        assert torch.equal(network._mean(hidden, mel, None), mean._mean(mean.hidden_features(mel, None), mel, None))
        expected = mean.infer(mel)
        assert (network.infer(mel, noise=noise) - expected).norm() < 0.5 * expected.norm()


def test_the_training_starts_and_its_weights_start_another(corpus, weights, tmp_path, capsys) -> None:
    still = {"learning_rate": 0, "final_learning_rate": 0}
    assert run(corpus, tmp_path / "run", weights["mean"], n_flows=2, flow_channels=8, **still) == 0
    assert capsys.readouterr().err.count("has no flow; training starts with its mean and an untrained flow") == 1
    target = tmp_path / "flow.safetensors"
    assert train.main(["--model", "waveglow", "--out", str(tmp_path / "run"), "--export", str(target)]) == 0
    trained, mean = waveglow.load(target), waveglow.load(weights["mean"])
    assert trained.config.n_flows == 2
    for name, tensor in mean.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    assert run(corpus, tmp_path / "next", target, n_flows=2, flow_channels=8) == 0
    assert "has no flow" not in capsys.readouterr().err
    assert json.loads((tmp_path / "next" / "config.json").read_text())["model"]["n_flows"] == 2


@pytest.mark.parametrize("name", ["mean", "flow"])
def test_a_voice_takes_the_kind_of_vocoder_that_it_starts_from(corpus, weights, tmp_path, name, capsys) -> None:
    job = Job(corpus, tmp_path, VOICE_CONFIGS["tiny"], {"waveglow": weights[name]}, device="cpu")
    config, settings = settings_of(job, "waveglow")
    few = {"steps": 2, "batch_size": 2, "segment": 2048, "spectral_steps": 1, "validate_every": 2}
    assert train_network("waveglow", config, dataclasses.replace(settings, **few), corpus, tmp_path / "run",
                         device="cpu", init=weights[name])
    export("waveglow", tmp_path / "run", tmp_path / "voice.safetensors")
    assert waveglow.load(tmp_path / "voice.safetensors").config == {"mean": MEAN, "flow": FLOW}[name]
    assert "has no flow" not in capsys.readouterr().err


@pytest.mark.parametrize("init, settings, told", [
    ("flow", {"n_flows": 0}, "n_flows 2 (now 0)"), ("flow", {"n_flows": 3, "flow_channels": 8}, "n_flows 2 (now 3)"),
    ("mean", {"n_flows": 2, "block_hidden": 48}, "other settings: block_hidden 32 (now 48);"),
    ("mean", {"n_flows": 0, "sigma": 0.5}, "sigma 0.6 (now 0.5)"),
    ("mean", {"n_flows": 2, "squeeze": "samples"}, "squeeze mdct (now samples)")])
def test_any_other_difference_is_refused(corpus, weights, tmp_path, capsys, init, settings, told) -> None:
    assert run(corpus, tmp_path / "run", weights[init], **settings) == 2
    assert told in capsys.readouterr().err
