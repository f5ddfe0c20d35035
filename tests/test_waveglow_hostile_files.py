"""Damaged, malicious and forged vocoder files: each is refused in one line, and nothing in it runs."""
import pickle
import resource
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from test_waveglow import SIGMA, golden_model, random_model
from torch import nn

from hparams import UserError
from waveglow import load, save


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
