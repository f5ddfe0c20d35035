"""Published and released checkpoints in all their forms, and files that must be refused."""

import json
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from test_waveglow import SIGMA, TINY, check_against_golden, golden_model, random_mel, random_model, weight_of
from torch import nn

from hparams import AudioConfig, Tacotron2Config, UserError, WaveGlowConfig
from runtime.weights import save_weights
from waveglow import load, save
from waveglow.pretrained import _config, _join_conditions

GOLDEN = Path(__file__).parent / "golden"


def listed(state: dict[str, torch.Tensor], n_layers: int = 3) -> dict[str, torch.Tensor]:
    """The state as "mid" and "old" files have it: cond_layer cut into cond_layers."""
    parts = {}
    for name, value in state.items():
        if ".cond_layer." in name:
            for i, part in enumerate(value.chunk(n_layers)):
                parts[name.replace("cond_layer.", f"cond_layers.{i}.")] = part.clone()
        else:
            parts[name] = value
    return parts


def mid_golden() -> dict[str, torch.Tensor]:
    return {name: weight_of(name, value.shape) for name, value in listed(golden_model().state_dict()).items()}


def as_module(state: dict[str, torch.Tensor], top: type[nn.Module]) -> nn.Module:
    """A module tree with this state dict, of torch.nn's and the given class."""
    root = top()
    for name, value in state.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.ModuleList() if part in ("WN", "convinv") else nn.Module())
            module = module._modules[part]
        module.register_parameter(leaf, nn.Parameter(value))
    return root


@pytest.fixture
def glow(monkeypatch):
    """A module `glow` as NVIDIA's, which is gone when the file is read."""
    module = types.ModuleType("glow")
    module.WaveGlow = type("WaveGlow", (nn.Module,), {"__module__": "glow"})
    monkeypatch.setitem(sys.modules, "glow", module)
    yield module
    assert "glow" not in sys.modules


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.filterwarnings("ignore:Couldn.t retrieve source code")
@pytest.mark.parametrize("kind", ["module", "state_dict", "bare", "parallel", "half"])
def test_published_new_in_all_forms(tmp_path, monkeypatch, glow, kind, zipped):
    model = golden_model()
    if kind in ("module", "half"):
        model.fold_weight_norm()
    state = model.state_dict()
    content = {
        "module": lambda: {"model": as_module(state, glow.WaveGlow), "iteration": 7, "learning_rate": 1e-4},
        "half": lambda: {"model": as_module(state, glow.WaveGlow).half()},
        "state_dict": lambda: {"state_dict": state, "config": {"n_flows": 6}},
        "bare": lambda: state,
        "parallel": lambda: {"model": OrderedDict((f"module.{name}", value) for name, value in state.items())},
    }[kind]()
    path = tmp_path / "waveglow.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    monkeypatch.delitem(sys.modules, "glow")
    loaded = load(path)
    assert loaded.config == TINY and not loaded.training
    assert all(p.dtype == torch.float32 and p.device.type == "cpu" and p.requires_grad
               for p in loaded.parameters())
    assert not any(name.endswith(("weight_g", "weight_v")) for name in loaded.state_dict())
    if kind != "half":
        check_against_golden(loaded, "new80")


@pytest.mark.parametrize("generation", [None, "mid"])
def test_published_mid_is_converted(tmp_path, generation):
    path = tmp_path / "mid.pt"
    torch.save({"model": mid_golden()}, path)
    check_against_golden(load(path, generation), "mid80")


def test_pickled_module_with_weight_norm_hooks(tmp_path, monkeypatch, glow):
    """weight_norm of old leaves hook objects and a plain `weight` beside weight_g and weight_v."""
    module = as_module(mid_golden(), glow.WaveGlow)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hooked = nn.utils.weight_norm(nn.Conv1d(2, 16, 1))
    hooked.load_state_dict({name: weight_of(f"WN.4.start.{name}", value.shape)
                            for name, value in hooked.state_dict().items()})
    module.WN._modules["4"].add_module("start", hooked)
    torch.save(nn.DataParallel(module), tmp_path / "mid.pt")
    monkeypatch.delitem(sys.modules, "glow")
    check_against_golden(load(tmp_path / "mid.pt"), "mid80")


def test_new_style_weight_norm_names(tmp_path):
    state = {name.replace("weight_g", "parametrizations.weight.original0").replace(
        "weight_v", "parametrizations.weight.original1"): value for name, value in golden_model().state_dict().items()}
    torch.save(state, tmp_path / "a.pt")
    check_against_golden(load(tmp_path / "a.pt"), "new80")


def test_old_only_if_asked_for(tmp_path):
    config = WaveGlowConfig(n_flows=6, n_layers=3, n_channels=16, generation="old")
    model = random_model(config)
    torch.save({"model": listed(model.state_dict())}, tmp_path / "old.pt")
    loaded = load(tmp_path / "old.pt", "old")
    assert loaded.config == config
    mel, noise = random_mel(1, 3), torch.randn(1, 8, 96)
    with torch.no_grad():
        assert torch.allclose(loaded.infer(mel, noise=noise), model.infer(mel, noise=noise), atol=1e-5)
        as_mid = load(tmp_path / "old.pt")
        assert as_mid.config.generation == "new"
        assert not torch.allclose(as_mid.infer(mel, noise=noise), model.infer(mel, noise=noise), atol=1e-2)


def test_full_size_lists_are_understood():
    """Sizes are read off names and shapes alone, so empty tensors of the published shapes do."""
    keys = json.loads((GOLDEN / "waveglow_keys.json").read_text())
    for kind, shapes in keys.items():
        tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        tensors = _join_conditions(tensors) if kind == "listed" else tensors
        assert _config(Path("x"), tensors, "new") == WaveGlowConfig()
        expected = keys["new_folded" if kind == "new_folded" else "new"]
        assert {name: list(value.shape) for name, value in tensors.items()} == expected


def test_released_form_there_and_back(tmp_path):
    model = random_model(SIGMA)
    path = tmp_path / "waveglow.safetensors"
    save(path, model, {"steps": 3})
    loaded = load(path)
    assert loaded.config == SIGMA and "WN.0.start.weight_g" in model.state_dict()
    mel, noise = random_mel(1, 3), torch.randn(1, 8, 96)
    with torch.no_grad():
        assert (loaded.infer(mel, noise=noise) - model.infer(mel, noise=noise)).abs().max() < 0.02
    with pytest.raises(UserError, match="waveglow.safetensors.*generation"):
        load(path, "old")


def test_files_of_versions_with_the_small_network(tmp_path):
    """Its settings are ignored where they had no effect; its own weights are refused in one line."""
    save(tmp_path / "new.safetensors", random_model(SIGMA))
    with safe_open(tmp_path / "new.safetensors", framework="pt") as file:
        about = json.loads(file.metadata()["lightspeech"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    del about["checksum"]
    for conditioning in ("upsample", "frame"):
        about["config"].update(conditioning=conditioning, cond_channels=64)
        save_file(tensors, tmp_path / f"{conditioning}.safetensors", metadata={"lightspeech": json.dumps(about)})
    assert load(tmp_path / "upsample.safetensors").config == SIGMA
    with pytest.raises(UserError, match="frame.safetensors: the small WaveGlow of an older version"):
        load(tmp_path / "frame.safetensors")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"state_dict": {"embedding.weight": torch.zeros(148, 512)}}, path)
    with pytest.raises(UserError, match="other.pt.*none of a published WaveGlow"):
        load(path)
    torch.save(golden_model().state_dict() | {"WN.1.start.bias": torch.zeros(3)}, path)
    with pytest.raises(UserError, match=r"other.pt: .*WN\.1\.start\.bias"):
        load(path)
    torch.save({name: value for name, value in golden_model().state_dict().items() if "in_layers" not in name}, path)
    with pytest.raises(UserError, match="other.pt"):
        load(path)
    for content in ([1, 2], "text", {"model": 3}, {}, torch.zeros(3)):
        torch.save(content, path)
        with pytest.raises(UserError, match="other.pt"):
            load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no checkpoint")
    with pytest.raises(UserError, match="other.pt: a zip file"):
        load(path)
    save_weights(tmp_path / "other.safetensors", "tacotron2", {"a": torch.zeros(2)}, Tacotron2Config(), AudioConfig())
    with pytest.raises(UserError, match="tacotron2"):
        load(tmp_path / "other.safetensors")
    path.write_text("not a checkpoint at all")
    with pytest.raises(UserError, match="other.pt"):
        load(path)
    with pytest.raises(UserError, match="nowhere.pt: no such file"):
        load(tmp_path / "nowhere.pt")


def test_generation_must_fit(tmp_path):
    torch.save(golden_model().state_dict(), tmp_path / "new.pt")
    torch.save(mid_golden(), tmp_path / "mid.pt")
    for name, generation in (("new", "mid"), ("new", "old"), ("mid", "new"), ("mid", "old")):
        with pytest.raises(UserError, match=f"{name}.pt"):
            load(tmp_path / f"{name}.pt", generation)
    with pytest.raises(UserError, match="newest"):
        load(tmp_path / "new.pt", "newest")
