"""Published and released checkpoints in all their forms, and files that must be refused."""
import json
import pickle
import resource
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


class Payload:
    """Unpickles to a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["system", "eval", "getattr", "hidden"])
def test_malicious_file_is_refused_and_nothing_has_run(tmp_path, name, zipped):
    import os
    trace = tmp_path / "trace"
    payload = {"system": Payload(os.system, f"touch {trace}"),
               "eval": Payload(eval, f"open({str(trace)!r}, 'w')"),
               "getattr": Payload(getattr, "x", "upper"),
               "hidden": OrderedDict(golden_model().state_dict(), more=[Payload(os.system, f"touch {trace}")])}[name]
    path = tmp_path / "waveglow.pt"
    torch.save({"model": payload}, path, _use_new_zipfile_serialization=zipped)
    expected = {"system": r"posix\.system", "hidden": r"posix\.system"}.get(name, rf"__builtin__\.{name}")
    with pytest.raises(UserError, match=rf"waveglow\.pt: holds {expected}"):
        load(path)
    assert not trace.exists()
    with pytest.raises(UserError, match="holds"):
        bare = tmp_path / "bare.pt"
        bare.write_bytes(pickle.dumps(payload, 2))
        load(bare)
    assert not trace.exists()


def test_torch_functions_are_never_called(tmp_path):
    """Names below torch.nn are allowed, but only as records: even a pickled call of one does nothing."""
    called = tmp_path / "called"
    torch.save({"model": Payload(nn.init.eye_, torch.zeros(2, 2)), "x": Payload(nn.Module)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="a.pt"):
        load(tmp_path / "a.pt")
    torch.save({"model": Payload(torch.load, str(called))}, tmp_path / "b.pt")
    with pytest.raises(UserError, match=r"torch\.serialization\.load"):
        load(tmp_path / "b.pt")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_truncated_checkpoint_is_named(tmp_path, zipped):
    path = tmp_path / "waveglow.pt"
    model = golden_model()
    torch.save({"state_dict": model.state_dict()}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 3000, 20, 2, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"waveglow\.pt") as error:
            load(path)
        assert "\n" not in str(error.value)


def test_truncated_release_is_named(tmp_path):
    model = random_model(SIGMA)
    path = tmp_path / "waveglow.safetensors"
    save(path, model)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"waveglow\.safetensors"):
        load(path)


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


def test_tensor_beyond_its_storage_is_refused(tmp_path):
    state = golden_model().state_dict()
    path = tmp_path / "waveglow.pt"
    torch.save(state, path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    largest = max((name for name in files if "/data/" in name), key=lambda name: len(files[name]))
    files[largest] = files[largest][:-4]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match=r"waveglow\.pt: truncated"):
        load(path)


def pickled(*operations: bytes) -> bytes:
    """A pickle of protocol 2 that runs these operations."""
    return b"\x80\x02" + b"".join(operations) + b"."


def doubled(levels: int, start: bytes = b")", again: bytes = b"\x86") -> bytes:
    """Operations that make a tuple of twice the same tuple of twice the same ..., in `levels` levels."""
    return start + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + again for n in range(levels))


@pytest.mark.parametrize("content", [
    pickled(b"N", b"r", (2**28).to_bytes(4, "little")),  # a memo index that the unpickler in C makes room for
    pickled(b"}", doubled(60), b"Ns"),  # as the key of a dict, hashed for years
    pickled(b"}(", doubled(60), b"Nu"), pickled(b"(", doubled(60), b"Nd"),
    pickled(b"c__builtin__\nset\n](", doubled(60), b"e\x85R"), pickled(b"(", doubled(60), b"\x91"),
    pickled(b"\x8f(", doubled(60), b"\x90"), pickled(b"ccollections\nOrderedDict\n](", doubled(60), b"N\x86e\x85R"),
    pickled(b"(X\x07\0\0\0storagectorch\nFloatStorage\n", doubled(60), b"X\x03\0\0\0cpuK\x01tQ")],
    ids=["memo", "setitem", "setitems", "dict", "set", "frozenset", "additems", "ordered", "storage"])
def test_pickle_bombs_are_refused_at_once(tmp_path, content):
    for name, write in (("zip.pt", zip_of), ("bare.pt", Path.write_bytes)):
        write(tmp_path / name, content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UserError, match=name):
            load(tmp_path / name)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def zip_of(path: Path, pickle_bytes: bytes, **kind: int) -> None:
    with zipfile.ZipFile(path, "w", **kind) as archive:
        archive.writestr("archive/data.pkl", pickle_bytes)


def test_modules_that_share_their_children_are_refused_at_once(tmp_path):
    module = nn.Sequential(nn.Linear(1, 1))
    for _ in range(60):
        module = nn.Sequential(module, module)
    torch.save({"model": module}, tmp_path / "shared.pt")
    with pytest.raises(UserError, match="shared.pt: its tensors cannot be rebuilt .*occurs twice"):
        load(tmp_path / "shared.pt")


def test_tensors_larger_than_their_file_are_refused_before_memory_is_taken(tmp_path):
    state = golden_model().state_dict()
    for name, value in {"stride": torch.zeros(1).as_strided((10**9, 1, 1), (0, 0, 0)),
                        "half": torch.zeros(1).half().as_strided((3 * 10**9, 1, 1), (0, 0, 0))}.items():
        torch.save(state | {"WN.0.start.bias": value}, tmp_path / f"{name}.pt")
        with pytest.raises(UserError, match=f"{name}.pt: its tensors cannot be rebuilt .*larger than the file"):
            load(tmp_path / f"{name}.pt")
    zip_of(tmp_path / "packed.pt", bytes(10**6), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="packed.pt: has compressed parts"):
        load(tmp_path / "packed.pt")


@pytest.mark.parametrize("name, value", [
    ("upsample.weight", torch.tensor(1.0)), ("convinv.0.conv.weight", torch.tensor(1.0)),
    ("WN.0.in_layers.0.weight_v", torch.zeros(32, 16, 2)), ("WN.0.in_layers.0.weight_v", torch.zeros(32, 0, 3)),
    (f"WN.0.cond_layers.{'9' * 5000}.bias", torch.zeros(3)), (f"convinv.{'9' * 5000}.conv.weight", torch.zeros(3))])
def test_odd_sizes_end_in_one_line(tmp_path, name, value):
    torch.save(golden_model().state_dict() | {name: value}, tmp_path / "odd.pt")
    with pytest.raises(UserError, match="odd.pt: "):
        load(tmp_path / "odd.pt")


def test_forged_structures_end_in_one_line(tmp_path):
    """A dict that holds itself, a module of odd parts, a tensor larger than its storage."""
    endless = {}
    endless["model"] = endless
    path = tmp_path / "waveglow.pt"
    torch.save(endless, path)
    with pytest.raises(UserError, match="waveglow.pt"):
        load(path)
    for forged in (nn.Module, Payload(nn.Parameter), Payload(torch._utils._rebuild_tensor_v2, 1, 2, 3, 4, False, {}),
                   Payload(torch._utils._rebuild_parameter, {}, True, {})):
        torch.save({"model": {"convinv.0.conv.weight": forged, "upsample.weight": torch.zeros(2)}}, path)
        with pytest.raises(UserError, match="waveglow.pt"):
            load(path)
    state = golden_model().state_dict()
    for name in [name for name in state if ".in_layers." in name and name[3] == "0"]:
        del state[name]
    torch.save(state, path)
    with pytest.raises(UserError, match="in_layers"):
        load(path)
