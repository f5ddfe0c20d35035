"""Reads tensors from PyTorch checkpoints that hold pickled modules, without running any code of the file.

A pickle is a program: it may call whatever it names. Here it may name PyTorch's layers, the classes of NVIDIA's glow.py
and the functions that rebuild tensors, and none of them is the real one: each becomes a new class that only stores its
arguments (`Record`). Any other name is refused before anything has run. Both formats of PyTorch are read: the zip
archive (since 1.6), and the older sequence of pickles, which torch.load(weights_only=True) refuses for modules.

The unpickler is the one written in Python: the one in C takes gigabytes for a single large memo index.
"""
import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from hparams import UserError
from runtime.torch_files import zip_fault

RECORDED_MODULES = ("glow", "glow_old", "torch.nn")  # with everything below them
RECORDED_NAMES = {"torch.Size", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
                  "torch._utils._rebuild_parameter"}
DTYPES = {"FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
          "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32,
          "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
          "BoolStorage": torch.bool}
LEGACY_MAGIC = 0x1950a86a20f9469cfc6c


class Record:
    """Stands for an object of the file: `name` of its class or function, `args` of the call, `state` set on it."""
    name = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> "Record":
        record = super().__new__(cls)
        record.args, record.state = args, {}
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dict(dict):
    """A dict whose keys are texts or numbers: nested tuples can take forever to hash."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__()
        for key, value in items:
            self[key] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | int):
            raise ValueError(f"a dict has a key of type {type(key).__name__}")
        super().__setitem__(key, value)


class _Set(list):
    """Stands for a set: its items are kept in a list, so none of them is hashed."""
    add = list.append


class Storage:
    """A block of numbers that tensors are views of. `data` (n,) is set once the whole file has been read."""

    def __init__(self, dtype: torch.dtype, key: str, n_elements: int) -> None:
        self.dtype, self.key, self.n_elements = dtype, key, n_elements
        self.n_bytes = n_elements * torch.empty((), dtype=dtype).element_size()
        self.data = torch.empty(0, dtype=dtype)

    def fill(self, raw: bytes) -> None:
        """Sets `data` from the elements, little-endian. Raises ValueError if there are too few."""
        if not 0 <= self.n_bytes <= len(raw):
            raise ValueError(f"storage {self.key} has {len(raw)} bytes, expected {self.n_bytes}")
        if self.n_bytes:
            self.data = torch.frombuffer(bytearray(raw[:self.n_bytes]), dtype=self.dtype)


CONTAINERS = {("collections", "OrderedDict"): _Dict, **{
    (module, kind): _Set for module in ("builtins", "__builtin__") for kind in ("set", "frozenset")}}


def _push(unpickler: Any, value: Any) -> None:
    """Pushes a value onto the unpickler's stack."""
    unpickler.append(value)


def _pop_items(unpickler: Any) -> list[Any]:
    """Returns what is on the stack since the last mark."""
    return unpickler.pop_mark()


def _pop_pairs(unpickler: Any) -> list[tuple[Any, Any]]:
    """Pops the items above the last mark as (key, value) pairs."""
    items = _pop_items(unpickler)
    return list(zip(items[::2], items[1::2]))


class _Unpickler(pickle._Unpickler):
    """Knows no name except those above. `storages`: by key, as the pickle mentions them."""
    dispatch = {**pickle._Unpickler.dispatch,
                pickle.EMPTY_DICT[0]: lambda self: _push(self, _Dict()),
                pickle.DICT[0]: lambda self: _push(self, _Dict(_pop_pairs(self))),
                pickle.EMPTY_SET[0]: lambda self: _push(self, _Set()),
                pickle.FROZENSET[0]: lambda self: _push(self, _Set(_pop_items(self)))}

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> type:
        """Returns what stands for a name: a container or a new Record class. Raises UserError for any other name."""
        full = f"{module}.{name}"
        if (module, name) in CONTAINERS:
            return CONTAINERS[module, name]
        inside = any(module == allowed or module.startswith(allowed + ".") for allowed in RECORDED_MODULES)
        if inside or full in RECORDED_NAMES or (module in ("torch", "torch.cuda") and name in DTYPES):
            return type(name, (Record,), {"name": full})  # new, so that a file cannot change what the next one gets
        raise UserError(f"{self.path}: holds {full}, which is no part of a WaveGlow; nothing of it was run; "
                        "get the file from a source you trust")

    def persistent_load(self, saved: Any) -> Any:
        """Returns what stands for an object outside of the pickle: a class with its source code, or a Storage."""
        if saved[0] == "module":  # (class, file, source): old files include their source code
            return saved[1]
        _, kind, key, _, n_elements, *view = saved
        if saved[0] != "storage" or not isinstance(key, str) or type(n_elements) is not int:
            raise ValueError("a storage is not described as PyTorch does it")
        storage = self.storages.setdefault(key, Storage(DTYPES[kind.name.rpartition(".")[2]], key, n_elements))
        if view and view[0] is not None:  # in the old format a storage can be a part of another one
            _, first, size = view[0]
            return Record(storage, first, size)
        return storage


def read_checkpoint(path: Path) -> Any:
    """Returns the content of a file: containers and plain values, with Records for everything else.

    Raises UserError for a file that names anything forbidden, is damaged, or is no checkpoint of PyTorch.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return _read_legacy(path)
    except UserError:
        raise
    except Exception as error:  # a broken pickle can fail in any way
        raise UserError(f"{path}: truncated or no checkpoint of PyTorch ({type(error).__name__}: "
                        f"{' '.join(str(error).split())[:100]}); copy or download it again") from None


def _read_zip(path: Path) -> Any:
    """Returns the content of a file in PyTorch's zip format."""
    fault = zip_fault(path)
    if fault:
        raise UserError(f"{path}: {fault}; copy or download it again")
    with zipfile.ZipFile(path) as archive:
        pickled = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickled) != 1 or any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise UserError(f"{path}: a zip file, but not one of torch.save; give the checkpoint itself")
        root = pickled[0].removesuffix("data.pkl")
        order = archive.read(root + "byteorder") if root + "byteorder" in archive.namelist() else b"little"
        if order != b"little":
            raise UserError(f"{path}: written on a big-endian machine; save it again on a common one")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickled[0])), path)
        content = unpickler.load()
        for storage in unpickler.storages.values():
            storage.fill(archive.read(f"{root}data/{storage.key}"))
    return content


def _read_legacy(path: Path) -> Any:
    """Returns the content of a file in PyTorch's format from before version 1.6."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        magic, _, machine = (_Unpickler(file, path).load() for _ in range(3))
        if magic != LEGACY_MAGIC or not machine["little_endian"]:
            raise ValueError("wrong magic number or byte order")
        unpickler = _Unpickler(file, path)
        content = unpickler.load()
        for key in _Unpickler(file, path).load():
            storage = unpickler.storages[key]
            (n_elements,) = struct.unpack("<q", file.read(8))
            if n_elements != storage.n_elements or not 0 <= storage.n_bytes <= size - file.tell():
                raise ValueError(f"storage {storage.key} has {n_elements} elements, expected {storage.n_elements}")
            storage.fill(file.read(storage.n_bytes))
    return content


def rebuild_tensor(value: Any) -> Tensor | None:
    """Returns the tensor that a Record (or a Parameter of one) describes, a view of its storage; None for other values.

    Raises ValueError or RuntimeError if it extends beyond its storage.
    """
    if not isinstance(value, Record):
        return None
    if value.name in ("torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"):
        return rebuild_tensor(value.args[0]) if value.args else None
    if not value.name.startswith("torch._utils._rebuild_tensor"):
        return None
    storage, offset, size, stride = value.args[:4]
    if isinstance(storage, Record):
        storage, first, _ = storage.args
        offset += first
    return storage.data.as_strided(tuple(size), tuple(stride), offset)


def named_tensors(module: Record) -> Iterator[tuple[str, Tensor]]:
    """Yields the name and tensor of every parameter and buffer of a pickled torch.nn.Module, as its state_dict would.

    Raises ValueError if a module occurs in two places: a small file could describe more of them than can be visited.
    """
    waiting, seen = [("", module)], {id(module)}
    while waiting:
        prefix, module = waiting.pop()
        for kind in ("_parameters", "_buffers"):
            for name, value in module.state.get(kind, {}).items():
                tensor = rebuild_tensor(value)
                if tensor is not None:
                    yield f"{prefix}{name}", tensor
        for name, child in module.state.get("_modules", {}).items():
            if isinstance(child, Record):
                if id(child) in seen:
                    raise ValueError(f"module {prefix}{name} occurs twice")
                seen.add(id(child))
                waiting.append((f"{prefix}{name}.", child))
