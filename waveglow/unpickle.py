"""Reads tensors out of PyTorch checkpoints that hold pickled modules, without running anything of the file.

A pickle is a program: it may call whatever it can name. Here the names it may use are PyTorch's layers, the classes
of NVIDIA's glow.py and the functions that rebuild tensors, and none of them is the real thing: each becomes a fresh
class that only keeps what it was called with (`Record`). Any other name is refused before anything has run.
Both of PyTorch's formats are read: the zip archive (1.6 on) and the older row of pickles.
"""
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from runtime.errors import UserError

CONTAINERS = {("collections", "OrderedDict"): OrderedDict, **{
    (module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)}}
RECORDED_MODULES = ("glow", "glow_old", "torch.nn")  # with all that lies below them
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

    def __new__(cls, *args: Any, **kwargs: Any) -> "Record":
        record = super().__new__(cls)
        record.args, record.state = args, {}
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Storage:
    """A stretch of numbers that tensors are views of; `data` (n,) is there once the file has been read on to it."""

    def __init__(self, dtype: torch.dtype, key: str, n_elements: int) -> None:
        self.dtype, self.key, self.n_elements = dtype, key, n_elements
        self.data: Tensor | None = None

    def fill(self, raw: bytes) -> None:
        """raw: the elements, little-endian. Raises ValueError if there are too few."""
        width = torch.empty((), dtype=self.dtype).element_size()
        if len(raw) < self.n_elements * width:
            raise ValueError(f"storage {self.key} has {len(raw)} bytes, expected {self.n_elements * width}")
        self.data = torch.frombuffer(bytearray(raw[:self.n_elements * width]) or bytearray(width), dtype=self.dtype)


class _Unpickler(pickle.Unpickler):
    """Knows no name but those above, and keeps the storages it was told of."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> type:
        """What stands for a name of the file: a container, or a fresh Record. Raises UserError for any other name."""
        full = f"{module}.{name}"
        if (module, name) in CONTAINERS:
            return CONTAINERS[module, name]
        inside = any(module == allowed or module.startswith(allowed + ".") for allowed in RECORDED_MODULES)
        if inside or full in RECORDED_NAMES or (module in ("torch", "torch.cuda") and name in DTYPES):
            return type(name, (Record,), {"name": full})  # fresh, so that a file cannot change what the next one sees
        raise UserError(f"{self.path}: holds {full}, which is no part of a WaveGlow; nothing of it was run; "
                        "get the file from a source you trust")

    def persistent_load(self, saved: Any) -> Any:
        """What stands for an object that the file keeps outside of the pickle: a class's source, or a Storage."""
        if saved[0] == "module":  # (class, file, source): old files carry their source code
            return saved[1]
        assert saved[0] == "storage"
        kind, key, n_elements = saved[1], saved[2], saved[4]
        storage = self.storages.setdefault(key, Storage(DTYPES[kind.name.rpartition(".")[2]], key, n_elements))
        if len(saved) > 5 and saved[5] is not None:  # the row of pickles can have a storage be a part of another
            _, first, size = saved[5]
            return Record(storage, first, size)
        return storage


def read(path: Path) -> Any:
    """Returns what the file holds: containers and plain values, with Records for everything else.

    Raises UserError for a file that names anything not allowed, is truncated, or is no checkpoint of PyTorch.
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
    with open(path, "rb") as file:
        magic, _, machine = (_Unpickler(file, path).load() for _ in range(3))
        if magic != LEGACY_MAGIC or not machine["little_endian"]:
            raise ValueError("wrong magic number or byte order")
        unpickler = _Unpickler(file, path)
        content = unpickler.load()
        for key in _Unpickler(file, path).load():
            storage = unpickler.storages[key]
            (n_elements,) = struct.unpack("<q", file.read(8))
            assert n_elements == storage.n_elements
            storage.fill(file.read(n_elements * torch.empty((), dtype=storage.dtype).element_size()))
    return content


def tensor_of(value: Any) -> Tensor | None:
    """The tensor that a rebuild Record (or a Parameter of one) stands for; None for anything else.

    Raises ValueError or RuntimeError if it reaches beyond its storage.
    """
    if not isinstance(value, Record):
        return None
    if value.name in ("torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"):
        return tensor_of(value.args[0]) if value.args else None
    if not value.name.startswith("torch._utils._rebuild_tensor"):
        return None
    storage, offset, size, stride = value.args[:4]
    if isinstance(storage, Record):
        storage, first, _ = storage.args
        offset += first
    return storage.data.as_strided(tuple(size), tuple(stride), offset).clone()


def tensors_of_module(module: Record, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of every parameter and buffer of a pickled torch.nn.Module, as its state_dict would have them."""
    for kind in ("_parameters", "_buffers"):
        for name, value in module.state.get(kind, {}).items():
            tensor = tensor_of(value)
            if tensor is not None:
                yield prefix + name, tensor
    for name, child in module.state.get("_modules", {}).items():
        if isinstance(child, Record):
            yield from tensors_of_module(child, f"{prefix}{name}.")
