"""Reading files of torch.save that are not trusted or may be damaged."""
import io
import pickle
import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from hparams import UserError
from runtime.files import check_readable

MAX_REUSED_OBJECTS = 40  # torch.save writes next to none; 2^20 steps at the most
LEGACY_PICKLES = 5  # magic number, protocol, system, content, storages


def read_torch_file(path: Path, advice: str) -> Any:
    """Returns the content of a torch.save file on the CPU: tensors, numbers, texts and plain containers of these.

    A zip file (PyTorch 1.6 or later) is checked by the checksums inside. Nothing in the file is ever run. Raises
    UserError, which ends in `advice`, for a file that is missing, damaged, of another kind, or made to fill the memory.
    """
    check_readable(path, advice)
    try:
        fault = zip_fault(path) if zipfile.is_zipfile(path) else None
        fault = fault or _reference_fault(path)
        with warnings.catch_warnings(action="ignore"):  # of torch, of odd pickles
            content = None if fault else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        fault = f"found {found[1]}, expected plain tensors; nothing was run" if found else "damaged, or of another kind"
    except Exception as error:  # zip, pickle and tensor errors of many types all mean the same here
        reason = (str(error).strip().splitlines() or [""])[0]
        fault = f"not a complete torch file ({type(error).__name__}: {reason[:100]})"
    fault = fault or _tensor_fault(content)
    if fault:
        raise UserError(f"{path}: {fault}; {advice}")
    return content


def zip_fault(path: Path) -> str | None:
    """Returns what is wrong with a zip file of torch.save, None if nothing is. PyTorch itself looks at no checksum."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        size = path.stat().st_size
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            return "has compressed parts, which torch.save never writes"
        if sum(entry.file_size for entry in entries) > size:
            return "its parts are larger than the file"
        damaged = archive.testzip()
    return f"damaged (the checksum of {damaged} is wrong)" if damaged else None


def _reference_fault(path: Path) -> str | None:
    """Returns what is wrong with the pickles of a file whose objects are used again and again, None if nothing is."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return _pickle_fault(io.BytesIO(archive.read(names[0]))) if names else None
    with open(path, "rb") as file:  # PyTorch before 1.6: some pickles one after the other, then the tensors
        for _ in range(LEGACY_PICKLES):
            try:
                fault = _pickle_fault(file)
            except ValueError:  # damaged, or no pickle: torch will say so
                return None
            if fault:
                return fault
    return None


def _pickle_fault(file: IO[bytes]) -> str | None:
    """Returns what is wrong with a pickle that uses its tuples and other objects again and again, None if it does not.

    Tuples nested two by two are exponential work for whoever hashes or prints them. Strings and names are no objects.
    """
    objects, reused, is_object = set(), 0, False  # objects: memo indices
    for code, argument, _ in pickletools.genops(file):
        name = code.name
        if "PUT" in name:
            if is_object:
                objects.add(argument)
        else:
            is_object = argument in objects if "GET" in name else not re.search("UNICODE|STRING|GLOBAL|INT", name)
            reused += "GET" in name and is_object
    return "its objects refer to each other too often to be weights" if reused > MAX_REUSED_OBJECTS else None


def _tensor_fault(content: Any) -> str | None:
    """Returns what is wrong with a tensor that has more elements than its storage (stride 0 makes such), or None."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.numel() * value.element_size() > value.untyped_storage().nbytes():
                return f"has a tensor of shape {str(tuple(value.shape))[:60]} that its data does not fill"
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend(value)
    return None
