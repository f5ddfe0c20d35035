"""The distilled dataset, which the student learns from: what is in a folder, and its rows in memory.

A folder holds manifest.json (manifest.py) and shards of some hundred rows each (shards.py, writer.py). A shard appears
under its name only when it is complete: after a kill at any moment, the rows are those of the complete shards, and the
next run adds the others.
"""
import dataclasses
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from audio import Ragged
from distillation import shards
from distillation.manifest import Manifest, check_definition, read_manifest
from distillation.quality import stricter_limit
from distillation.shards import Record
from hparams import AudioConfig, ReadingLimits, UserError
from runtime.console import print_notice
from text import symbols as todays_symbols

RowKey = tuple[str, int]  # name and sample


class FolderRecords(NamedTuple):
    """The records of all rows of a folder."""
    rows: dict[RowKey, Record]  # the latest state of each: once kept, a row stays kept
    limits: dict[RowKey, ReadingLimits | None]  # that each was judged by
    doubled: list[RowKey]  # kept more than once; only the first counts


def read_records(folder: Path) -> FolderRecords:
    """Reads the record of every row from the shards' headers. The result is empty if there is no folder.

    Raises UserError with the path of a damaged shard.
    """
    found = FolderRecords({}, {}, [])
    for path in shards.paths(folder):
        header = shards.read_header(path)
        for record in header.records:
            _add_record(found, record, header.limits)
    return found


def _add_record(found: FolderRecords, record: Record, limits: ReadingLimits | None) -> None:
    """Adds a record, in place. A kept row replaces a rejected one; a rejection under looser limits stays."""
    key = record.name, record.sample
    before = found.rows.get(key)
    if before and not before.reason:
        if not record.reason:
            found.doubled.append(key)
        return
    if before and record.reason and _looser_or_same(found.limits[key], limits):
        return
    found.rows[key], found.limits[key] = record, limits


def _looser_or_same(limits: ReadingLimits | None, other: ReadingLimits | None) -> bool:
    """Returns whether no limit of `limits` is stricter than in `other`; False if either is unknown."""
    return limits is not None and other is not None and stricter_limit(limits, other) is None


def finished_rows(found: FolderRecords, limits: ReadingLimits) -> set[RowKey]:
    """Returns (name, sample) of every row that is kept, or was rejected under limits no stricter than these.

    Processes that start together should share out *all* rows before they leave out the finished ones. Then it does not
    matter that one of them may already see another's new shard.
    """
    return {key for key, record in found.rows.items()
            if not record.reason or _looser_or_same(found.limits[key], limits)}


@dataclasses.dataclass(frozen=True)
class DistilledDataset:
    """The kept rows of a folder, in memory. Their order is that of the shards' names; it depends on resuming."""
    manifest: Manifest
    names: list[str]
    samples: list[int]
    ids: Ragged  # (N,) uint8 a row
    durations: Ragged  # (N,) int32 frames
    mels: Ragged  # (T, M) float16, natural log
    features: Ragged | None  # (N, D) float16
    pitch: Ragged | None = None  # (T, 2) float32 from lightspeech.pitch, if the student needs it; not on disk

    @classmethod
    def read(cls, folder: Path, with_features: bool = True) -> Self:
        """Reads a folder onto the CPU and checks every row.

        with_features: False leaves the teacher's encoder outputs on disk. The mel definition and the symbol table must
        be today's. The text settings are the folder's own, see .manifest.text; the student must use the same.
        A row that is there twice is read once. Raises UserError if the folder is no distilled dataset, has no row or
        was made under another definition or format, and for a damaged shard or a malformed row.
        """
        manifest = read_manifest(folder)
        check_definition(folder, manifest, AudioConfig(), todays_symbols)
        tensors, kept = _read_shards(folder, manifest, shards.tensor_names(manifest.features and with_features))
        symbols, frames = tensors["id_lengths"], tensors["mel_lengths"]
        features = Ragged(tensors["features"], symbols) if "features" in tensors else None
        return cls(manifest, [record.name for record in kept], [record.sample for record in kept],
                   Ragged(tensors["ids"], symbols), Ragged(tensors["durations"], symbols),
                   Ragged(tensors["mel"], frames), features)

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Self:
        """Returns the dataset with its rows on a device (lengths stay on the CPU)."""
        features = None if self.features is None else self.features.to(device)
        return dataclasses.replace(self, ids=self.ids.to(device), durations=self.durations.to(device),
                                   mels=self.mels.to(device), features=features)


def _read_shards(folder: Path, manifest: Manifest, names: list[str]) -> tuple[dict[str, Tensor], list[Record]]:
    """Returns the tensors of all shards joined, and the records of their rows."""
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    kept: list[Record] = []
    seen: set[RowKey] = set()
    doubled = unchecked = 0
    for path in shards.paths(folder):
        tensors, header = shards.load(path, manifest.fingerprint(), names, len(manifest.symbols),
                                      manifest.audio.n_mels)
        unchecked += not header.checksums
        rows = [record for record in header.records if not record.reason]
        first = []  # whether each row is there for the first time
        for record in rows:
            first.append((record.name, record.sample) not in seen)
            seen.add((record.name, record.sample))
        if not all(first):
            tensors = _select(tensors, torch.tensor(first))
            doubled += first.count(False)
        rows = [record for record, is_first in zip(rows, first) if is_first]
        if rows:  # a shard may hold rejected rows alone
            kept += rows
            for name in names:
                parts[name].append(tensors[name])
    if not kept:
        raise UserError(f"{folder}: no row was kept; look at the reasons in rejected.csv")
    if doubled:
        print_notice(f"{folder}: {doubled} rows are there twice, as two runs once wrote there; each is read once")
    if unchecked:
        print_notice(f"{folder}: {unchecked} shards of an earlier version have no checksum; damage may go unnoticed")
    return {name: torch.cat(parts.pop(name)) for name in names}, kept


def _select(tensors: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Returns a shard's tensors with only the rows where `rows` (R,) bool is True."""
    masks = {"id_lengths": rows, "mel_lengths": rows, "mel": rows.repeat_interleave(tensors["mel_lengths"])}
    per_symbol = rows.repeat_interleave(tensors["id_lengths"])
    return {name: tensor[masks.get(name, per_symbol)] for name, tensor in tensors.items()}
