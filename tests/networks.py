"""Fixtures that several test files share and that need PyTorch: tiny voices, and the teacher with known weights."""
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import lightspeech
import waveglow
from hparams import CONFIGS, AudioConfig, Tacotron2Config, TextConfig, WaveGlowConfig
from runtime.weights import save_weights
from synthesis.export import __main__ as export_script
from tacotron2 import Tacotron2

TINY_VOCODER = WaveGlowConfig(squeeze="mdct", n_flows=2, n_blocks=2, block_channels=16, block_hidden=32,
                              flow_channels=8)


@pytest.fixture(scope="session")
def student(tmp_path_factory) -> Path:
    """Weights of a tiny student that gives every symbol some five frames."""
    torch.manual_seed(0)
    model = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    with torch.no_grad():
        model.duration_head[-1].bias.fill_(1.8)
        model.duration_head[-1].weight.mul_(3.0)
        model.mel_linear.bias.fill_(-3.0)
    path = tmp_path_factory.mktemp("student") / "student.safetensors"
    lightspeech.save(path, model, TextConfig(), {"preliminary": "trained for a minute"})
    return path


@pytest.fixture(scope="session")
def vocoder(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("vocoder") / "vocoder.safetensors"
    model = waveglow.WaveGlow(CONFIGS["waveglow"]["tiny"][0])
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.05)  # else no mel is heard
    model.fold_weight_norm()
    save_weights(path, "waveglow", model.state_dict(), model.config, AudioConfig())
    return path


@pytest.fixture(scope="session")
def tiny_vocoder(tmp_path_factory) -> Path:
    """Weights of a tiny vocoder with a flow, whose noise is heard."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("mel_rate") / "vocoder.safetensors"
    waveglow.save(path, waveglow.build(TINY_VOCODER), {"made": "by a test"})
    return path


@pytest.fixture
def onnx_voice(student, tiny_vocoder, tmp_path) -> tuple[Path, Path]:
    """The weights of student and vocoder with their ONNX forms beside them, in a folder of their own."""
    paths = tmp_path / "student.safetensors", tmp_path / "vocoder.safetensors"
    for source, target in zip((student, tiny_vocoder), paths):
        shutil.copy(source, target)
    assert export_script.main([str(path) for path in paths]) == 0
    return paths


def formula_weight(name: str, shape: torch.Size, names: set[str]) -> torch.Tensor:
    """The golden weights: noise seeded by the tensor's name; batch norms near the identity."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(shape)).astype(np.float32)
    stem, _, leaf = name.rpartition(".")
    if leaf == "num_batches_tracked":
        return torch.tensor(1)
    if leaf == "running_var":
        return torch.from_numpy(np.abs(noise) + np.float32(0.5))
    scaled = np.float32(0.05) * noise
    return torch.from_numpy(scaled + 1 if leaf == "weight" and f"{stem}.running_mean" in names else scaled)


@pytest.fixture(scope="module")
def full_model() -> Tacotron2:
    """The whole network with the golden weights."""
    model = Tacotron2(Tacotron2Config())
    state = model.state_dict()
    model.load_state_dict({name: formula_weight(name, value.shape, set(state)) for name, value in state.items()})
    return model.eval()
