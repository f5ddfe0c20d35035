"""Reading files of torch.save that are not trusted or may be damaged."""
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from runtime.errors import UserError
from runtime.files import check_readable


def read_torch_file(path: Path, advice: str) -> Any:
    """Returns the content of a torch.save file on the CPU: tensors, numbers, texts and plain containers of these.

    A zip file (PyTorch 1.6 or later) is checked by the checksums inside. Nothing in the file is ever run. Raises
    UserError, which ends in `advice`, for a file that is missing, damaged, of another kind, or made to fill the memory.
    """
    check_readable(path, advice)
    try:
        fault = zip_fault(path) if zipfile.is_zipfile(path) else None
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
