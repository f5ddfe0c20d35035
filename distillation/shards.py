"""One shard of the distilled dataset, a file of some hundred rows: its layout, its checks, writing and reading.

The rows lie end to end (here two, of 3 and 2 symbols with 7 and 4 frames):

    id_lengths  int64   3 2            mel_lengths  int64    7 4
    ids         uint8   a b c d e      mel          float16  (7 + 4, 80)
    durations   int32   2 1 4 3 1      features     float16  (3 + 2, 512), the teacher's encoder output, if kept

The metadata of the safetensors file holds, as JSON, the record of each row in the same order, then those of rejected
rows, the limits that they were judged by, and a CRC-32 of each tensor and of the records themselves.
"""
import dataclasses
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hparams import ReadingLimits, UserError
from runtime.files import atomic_write, check_readable
from runtime.settings import from_dict

_PER_SYMBOL, _PER_FRAME = ("ids", "durations", "features"), ("mel",)
_DTYPES = {"ids": torch.uint8, "durations": torch.int32, "mel": torch.float16, "features": torch.float16,
           "id_lengths": torch.int64, "mel_lengths": torch.int64}
_HEADER = "lightspeech_distilled"  # key of our JSON in the metadata
_CHECKSUMS = "checksums"  # key of the JSON with the checksums; missing in shards of earlier versions
_AGAIN = "delete it and run preprocess.py again, which makes its rows anew"


class DistilledRow(NamedTuple):
    """One reading of one text by the teacher; tensors on any device."""
    name: str
    sample: int  # which of the readings of this text, from 0
    seed: int  # of the reading's random generator
    ids: Tensor | list[int]  # (N,) integer
    durations: Tensor  # (N,) integer frames, at least 0, summing to T
    mel: Tensor  # (M, T) float, natural log
    features: Tensor | None  # (N, D) float, the teacher's encoder output; None if the manifest keeps none
    quality: dict[str, Any]  # numbers and truth values


class Record(NamedTuple):
    """The header entry of a row: everything except its tensors."""
    name: str
    sample: int
    seed: int | None  # None for a rejected row
    symbols: int  # N; 0 for a rejected row
    frames: int  # T; 0 for a rejected row
    quality: dict[str, Any]
    reason: str  # why the row was rejected; empty for a row that was kept


class Header(NamedTuple):
    """The metadata of a shard: records of its rows, limits and checksums."""
    fingerprint: str  # of the manifest
    limits: ReadingLimits | None  # None in shards of earlier versions
    records: list[Record]  # of kept rows, in the order of the tensors, then of rejected rows
    checksums: dict[str, int]  # CRC-32 by name of a tensor; empty in shards of earlier versions


def tensor_names(features: bool) -> list[str]:
    """Returns the names of a shard's tensors, with or without the teacher's encoder output."""
    return [name for name in _DTYPES if features or name != "features"]


def pack(row: DistilledRow, features: bool, n_symbols: int, n_mels: int) -> dict[str, Tensor]:
    """Returns the tensors of a shard with this row alone, on the CPU. Raises UserError for a malformed row."""
    where = f"row {row.name}/{row.sample}"
    if (row.features is not None) != features:
        raise UserError(f"{where}: encoder features are {'missing' if features else 'given'}, but the manifest says "
                        f"features={features}")
    tensors = {"ids": torch.as_tensor(row.ids), "durations": torch.as_tensor(row.durations), "mel": row.mel.t()}
    if row.features is not None:
        tensors["features"] = row.features
    packed = {name: tensor.detach().contiguous().to("cpu", _DTYPES[name], copy=True)
              for name, tensor in tensors.items()}
    for name in ("ids", "durations"):
        if not torch.equal(packed[name].double(), tensors[name].cpu().double()):
            raise UserError(f"{where}: {name} holds a number that is no {_DTYPES[name]}")
    packed.update(id_lengths=torch.tensor([len(packed["ids"])]), mel_lengths=torch.tensor([len(packed["mel"])]))
    fault = find_fault(packed, n_symbols, n_mels)
    if fault:
        raise UserError(f"{where}: {fault[1]}; nothing was written of it")
    return packed


def find_fault(tensors: dict[str, Tensor], n_symbols: int, n_mels: int) -> tuple[int, str] | None:
    """Returns (index of the first malformed row, its fault) of a shard's tensors; None if there is none.

    The same check is made before a row is written and after a shard is read.
    """
    symbols, frames = tensors["id_lengths"], tensors["mel_lengths"]
    for unit, lengths in (("symbol", symbols), ("frame", frames)):
        if (lengths < 1).any():
            return int((lengths < 1).nonzero()[0]), f"found no {unit}"
    for name, tensor in tensors.items():
        length = symbols.sum() if name in _PER_SYMBOL else frames.sum() if name in _PER_FRAME else len(symbols)
        width = {"mel": (n_mels,), "features": tensor.shape[1:2] or (0,)}.get(name, ())
        if tensor.dtype != _DTYPES[name] or tensor.shape != (length, *width):
            return 0, (f"{name} is {tensor.dtype} {tuple(tensor.shape)}, expected {_DTYPES[name]} "
                       f"{(int(length), *width)}")
    ends = symbols.cumsum(0)
    totals = torch.cat((ends.new_zeros(1), tensors["durations"].cumsum(0)))
    faults = {f"ids of {n_symbols} or above": (tensors["ids"] >= n_symbols, symbols),
              "negative durations": (tensors["durations"] < 0, symbols),
              "durations that do not sum to its mel frames": (totals[ends] - totals[ends - symbols] != frames, None),
              "a mel that is not finite": (~tensors["mel"].isfinite().all(1), frames)}
    if "features" in tensors:
        faults["encoder features that are not finite"] = (~tensors["features"].isfinite().all(1), symbols)
    for message, (bad, lengths) in faults.items():
        if bad.any():
            index = bad.nonzero()[0]
            row = index if lengths is None else torch.searchsorted(lengths.cumsum(0), index, right=True)
            return int(row), f"found {message}"
    return None


def save(folder: Path, rank: int, header: Header, rows: Sequence[dict[str, Tensor]], features: bool,
         n_mels: int) -> None:
    """Writes packed rows and the header (its checksums are computed here) as the next shard of process `rank`.

    The file appears complete or not at all. Raises UserError if it cannot be written.
    """
    from safetensors.torch import save as to_bytes
    widths = {"mel": (0, n_mels), "features": (0, 0)}
    tensors = {name: torch.cat([row[name] for row in rows]) if rows else
               torch.empty(widths.get(name, (0,)), dtype=_DTYPES[name]) for name in tensor_names(features)}
    about = json.dumps({"fingerprint": header.fingerprint, "records": header.records,
                        "limits": header.limits and dataclasses.asdict(header.limits)})
    checksums = {_HEADER: zlib.crc32(about.encode()), **{name: _crc(tensor) for name, tensor in tensors.items()}}
    data = to_bytes(tensors, metadata={_HEADER: about, _CHECKSUMS: json.dumps(checksums)})
    advice = "make room or give another folder, then run again: the shards before it are kept"
    with atomic_write(_next_path(folder, rank), advice=advice) as file:
        file.write(data)


def _crc(tensor: Tensor) -> int:
    """Returns the CRC-32 of a tensor's bytes."""
    return zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy())


def _next_path(folder: Path, rank: int) -> Path:
    """Returns the path of a process's next shard."""
    numbers = [int(match[1]) for path in paths(folder, f"shard-{rank:03d}-*")
               if (match := re.fullmatch(r"shard-\d+-(\d+)", path.stem))]
    return folder / f"shard-{rank:03d}-{max(numbers, default=-1) + 1:05d}.safetensors"


def paths(folder: Path, pattern: str = "shard-*") -> list[Path]:
    """Returns the complete shards of a folder, sorted by name. The list is empty if there is no folder."""
    return sorted(Path(folder).glob(pattern + ".safetensors"))


def load(path: Path, fingerprint: str, names: list[str], n_symbols: int, n_mels: int) -> tuple[dict[str, Tensor],
                                                                                                Header]:
    """Reads and checks a shard: its tensors of these names, and its header.

    Raises UserError if the file is damaged, made under another fingerprint, or holds a malformed row.
    """
    header, tensors = _read(path, names)
    if header.fingerprint != fingerprint:
        raise UserError(f"{path}: fingerprint {str(header.fingerprint)[:40]}, expected {fingerprint} of the manifest "
                        f"beside it; {_AGAIN}")
    kept = [record for record in header.records if not record.reason]
    fault = find_fault(tensors, n_symbols, n_mels)
    if fault is None and len(kept) != len(tensors["id_lengths"]):
        fault = 0, f"{len(kept)} records for {len(tensors['id_lengths'])} rows"
    if fault:
        name = f"row {kept[fault[0]].name}: " if fault[0] < len(kept) else ""
        raise UserError(f"{path}: {name}{fault[1]}; {_AGAIN}")
    return tensors, header


def read_header(path: Path) -> Header:
    """Reads the metadata of a shard, but no tensor. Raises UserError for a damaged file."""
    return _read(path, [])[0]


def _read(path: Path, names: list[str]) -> tuple[Header, dict[str, Tensor]]:
    """Returns the header and some tensors of a shard. Raises UserError for a damaged or incomplete file."""
    from safetensors import SafetensorError, safe_open
    check_readable(path, "its rows are missing")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in names}
        checksums = json.loads(metadata.get(_CHECKSUMS, "{}"))
        header = _parse_header(path, metadata[_HEADER], checksums)
        damaged = [name for name in tensors if checksums and _crc(tensors[name]) != checksums[name]]
        if damaged:
            raise ValueError(f"the checksum of {damaged[0]} differs")
        return header, tensors
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); its rows are missing") from None
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not a complete shard of a distilled dataset ({error}); {_AGAIN}") from None


def _parse_header(path: Path, text: str, checksums: dict[str, int]) -> Header:
    """Returns the header of a shard from its JSON. Raises ValueError or the like for a damaged one."""
    if checksums and zlib.crc32(text.encode()) != checksums[_HEADER]:
        raise ValueError("the checksum of the records differs")
    about = json.loads(text)
    limits = about.get("limits")
    return Header(about["fingerprint"], None if limits is None else from_dict(ReadingLimits, limits, f"{path}: limits"),
                  [_parse_record(values) for values in about["records"]], checksums)


def _parse_record(values: list[Any]) -> Record:
    """Returns a record from its JSON list. Raises TypeError for a value of the wrong type."""
    record = Record(*values)
    kinds = (str, int, int | None, int, int, dict, str)
    for field, value, kind in zip(Record._fields, record, kinds, strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"{field} of a row is {str(value)[:40]!r}")
    record.name.encode()  # raises UnicodeEncodeError for half a surrogate pair, which no file can be written with
    return record
