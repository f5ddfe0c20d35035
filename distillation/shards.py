"""One shard of the distilled dataset: its layout, its checks, and how it is written and read as a whole.

The rows lie end to end (here two, of 3 and 2 symbols with 7 and 4 frames):

    id_lengths  int64   3 2            mel_lengths  int64    7 4
    ids         uint8   a b c d e      mel          float16  (7 + 4, 80)
    durations   int32   2 1 4 3 1      features     float16  (3 + 2, 512), the teacher's encoder output, if kept

and the header of the safetensors file holds, as JSON, the record of each row in the same order, then those of rejected
rows. The same check guards both sides: a row before it is taken, a whole shard after it is read.
"""
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from runtime.errors import UserError
from runtime.files import atomic_write

_PER_SYMBOL, _PER_FRAME = ("ids", "durations", "features"), ("mel",)
_DTYPES = {"ids": torch.uint8, "durations": torch.int32, "mel": torch.float16, "features": torch.float16,
           "id_lengths": torch.int64, "mel_lengths": torch.int64}
_HEADER = "lightspeech_distilled"  # key of our JSON in the safetensors metadata
_AGAIN = "delete it and run preprocess.py again, which makes its rows anew"


class DistilledRow(NamedTuple):
    """One reading of one text by the teacher; tensors on any device."""
    name: str
    sample: int  # which of the readings of this text, from 0
    seed: int  # of the generator that this reading drew from
    ids: Tensor | list[int]  # (N,) integer
    durations: Tensor  # (N,) integer frames, at least 0, summing to T
    mel: Tensor  # (M, T) float, natural log
    features: Tensor | None  # (N, D) float, the teacher's encoder output; None where the manifest keeps none
    quality: dict[str, Any]  # numbers and truth values


class Record(NamedTuple):
    """What is known of a row without its tensors."""
    name: str
    sample: int
    seed: int | None  # None for a rejected row
    symbols: int  # N; 0 for a rejected row
    frames: int  # T; 0 for a rejected row
    quality: dict[str, Any]
    reason: str  # why the row was rejected; empty for a row that was kept


def tensor_names(features: bool) -> list[str]:
    """Returns the names of a shard's tensors, with or without the teacher's encoder output."""
    return [name for name in _DTYPES if features or name != "features"]


def pack(row: DistilledRow, features: bool, n_symbols: int, n_mels: int) -> dict[str, Tensor]:
    """Returns the tensors of a shard that holds this row alone, on the CPU. Raises UserError for a malformed row."""
    where = f"row {row.name}/{row.sample}"
    if (row.features is not None) != features:
        raise UserError(f"{where}: encoder features are {'missing' if features else 'given'}, but the manifest says "
                        f"features={features}")
    given = {"ids": torch.as_tensor(row.ids), "durations": torch.as_tensor(row.durations), "mel": row.mel.t()}
    if features:
        given["features"] = row.features
    packed = {name: tensor.detach().contiguous().to("cpu", _DTYPES[name], copy=True) for name, tensor in given.items()}
    for name in ("ids", "durations"):
        if not torch.equal(packed[name].double(), given[name].cpu().double()):
            raise UserError(f"{where}: {name} holds a number that is no {_DTYPES[name]}")
    packed.update(id_lengths=torch.tensor([len(packed["ids"])]), mel_lengths=torch.tensor([len(packed["mel"])]))
    fault = find_fault(packed, n_symbols, n_mels)
    if fault:
        raise UserError(f"{where}: {fault[1]}; nothing was written of it")
    return packed


def find_fault(tensors: dict[str, Tensor], n_symbols: int, n_mels: int) -> tuple[int, str] | None:
    """Returns (number of the first bad row, what is wrong with it) of a shard's tensors, None if all is well."""
    symbols, frames = tensors["id_lengths"], tensors["mel_lengths"]
    for name, lengths in (("symbol", symbols), ("frame", frames)):
        if (lengths < 1).any():
            return int((lengths < 1).nonzero()[0]), f"found no {name}"
    for name, tensor in tensors.items():
        length = symbols.sum() if name in _PER_SYMBOL else frames.sum() if name in _PER_FRAME else len(symbols)
        width = {"mel": (n_mels,), "features": tensor.shape[1:2] or (0,)}.get(name, ())
        if tensor.dtype != _DTYPES[name] or tensor.shape != (length, *width):
            return 0, (f"{name} is {tensor.dtype} {tuple(tensor.shape)}, expected {_DTYPES[name]} "
                       f"{(int(length), *width)}")
    ends = symbols.cumsum(0)
    total = torch.cat((ends.new_zeros(1), tensors["durations"].cumsum(0)))
    faults = {f"ids of {n_symbols} or above": (tensors["ids"] >= n_symbols, symbols),
              "negative durations": (tensors["durations"] < 0, symbols),
              "durations that do not sum to its mel frames": (total[ends] - total[ends - symbols] != frames, None),
              "a mel that is not finite": (~tensors["mel"].isfinite().all(1), frames)}
    if "features" in tensors:
        faults["encoder features that are not finite"] = (~tensors["features"].isfinite().all(1), symbols)
    for message, (bad, lengths) in faults.items():
        if bad.any():
            place = bad.nonzero()[0]
            row = place if lengths is None else torch.searchsorted(lengths.cumsum(0), place, right=True)
            return int(row), f"found {message}"
    return None


def save(folder: Path, rank: int, fingerprint: str, rows: list[dict[str, Tensor]], records: list[Record],
               features: bool, n_mels: int) -> None:
    """Writes packed rows, their records and those of rejected rows as the rank's next shard, atomically.

    Raises UserError, and leaves nothing behind, where the file cannot be written.
    """
    from safetensors.torch import save
    widths = {"mel": (0, n_mels), "features": (0, 0)}
    tensors = {name: torch.cat([row[name] for row in rows]) if rows else
               torch.empty(widths.get(name, (0,)), dtype=_DTYPES[name]) for name in tensor_names(features)}
    path = _next_path(folder, rank)
    header = json.dumps({"fingerprint": fingerprint, "records": records})
    data = save(tensors, metadata={_HEADER: header})
    with atomic_write(path, advice="make room or give another folder, then run again: the shards before it are kept"
                      ) as file:
        file.write(data)


def _next_path(folder: Path, rank: int) -> Path:
    taken = [int(re.fullmatch(r"shard-\d+-(\d+)", path.stem).group(1))
             for path in paths(folder, f"shard-{rank:03d}-*")]
    return folder / f"shard-{rank:03d}-{max(taken, default=-1) + 1:05d}.safetensors"


def paths(folder: Path, pattern: str = "shard-*") -> list[Path]:
    """Returns the complete shards of a folder in the order of their names; none where there is no folder."""
    return sorted(Path(folder).glob(pattern + ".safetensors"))


def load(path: Path, fingerprint: str, names: list[str], n_symbols: int,
               n_mels: int) -> tuple[dict[str, Tensor], list[Record]]:
    """Reads and checks a shard: its tensors of these names, and the records of its kept rows.

    Raises UserError for a file that is damaged, made under another fingerprint, or holds a malformed row.
    """
    found, records, tensors = _read(path, names)
    if found != fingerprint:
        raise UserError(f"{path}: fingerprint {found}, expected {fingerprint} of the manifest beside it; {_AGAIN}")
    kept = [record for record in records if not record.reason]
    fault = find_fault(tensors, n_symbols, n_mels)
    if fault is None and len(kept) != len(tensors["id_lengths"]):
        fault = 0, f"{len(kept)} records for {len(tensors['id_lengths'])} rows"
    if fault:
        name = f"row {kept[fault[0]].name}: " if fault[0] < len(kept) else ""
        raise UserError(f"{path}: {name}{fault[1]}; {_AGAIN}")
    return tensors, kept


def read_records(path: Path) -> list[Record]:
    """Reads the records of a shard's kept and rejected rows, and no tensor. Raises UserError for a damaged file."""
    return _read(path, [])[1]


def _read(path: Path, names: list[str]) -> tuple[str, list[Record], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[_HEADER])
            tensors = {name: file.get_tensor(name) for name in names}
        return header["fingerprint"], [Record(*record) for record in header["records"]], tensors
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a complete shard of a distilled dataset ({error}); {_AGAIN}") from None
