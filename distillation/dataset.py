"""The distilled dataset: what the teacher said, as the student learns it. The format's one writer and one reader.

A folder holds manifest.json and shards of some hundred utterances each (their layout: shards.py). A shard appears under
its name only when it is complete, so whatever moment a run is killed at, its rows are those of its whole shards;
`finished_rows` names them, and the next run adds new shards.
"""
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from audio import Ragged
from distillation import shards
from distillation.shards import DistilledRow, Record
from hparams import AudioConfig, TextConfig
from runtime.errors import UserError
from runtime.files import make_folder, write_text
from text import symbols as todays_symbols

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """How a dataset was made. Rows made under different manifests never meet in one folder."""
    audio: AudioConfig
    text: TextConfig  # how texts became ids; the student speaks with the same
    symbols: list[str]
    teacher: str  # which weights spoke, such as a file's name and hash
    samples: int  # readings of each text
    seed: int
    features: bool = True  # whether the teacher's encoder output is kept

    def fingerprint(self) -> str:
        """Returns 16 hex digits of what ids and mels mean: the audio and text settings and the symbol table."""
        meaning = [dataclasses.asdict(self.audio), dataclasses.asdict(self.text), self.symbols]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


class DistilledWriter:
    """Writes the rows of one process; use it in a `with` statement, which closes it also after an error.

    rank: number of the process, each writes shards of its own; rows_per_shard: kept and rejected rows, the most that a
    kill can lose. A folder that exists is gone on with: new shards are added.
    Raises UserError where the folder was made under another manifest, a row is malformed or the disk is full.
    """

    def __init__(self, folder: Path, manifest: Manifest, rank: int = 0, rows_per_shard: int = 512) -> None:
        self.folder, self.manifest, self.rank, self.rows_per_shard = Path(folder), manifest, rank, rows_per_shard
        self._rows: list[dict[str, Tensor]] = []
        self._kept: list[Record] = []
        self._rejected: list[Record] = []
        _claim(self.folder, manifest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, row: DistilledRow) -> None:
        """Takes a row; on disk only with its shard. Raises UserError for a malformed row, which is then not taken."""
        manifest = self.manifest
        packed = shards.pack(row, manifest.features, len(manifest.symbols), manifest.audio.n_mels)
        self._kept.append(Record(row.name, row.sample, row.seed, len(packed["ids"]), len(packed["mel"]),
                                 _plain(row.quality), ""))
        self._rows.append(packed)
        self._flush_if_full()

    def reject(self, name: str, sample: int, reason: str, quality: dict[str, Any]) -> None:
        """Notes that a row was read and rejected, so that a resumed run does not read it again."""
        assert reason, "a rejected row needs a reason"
        self._rejected.append(Record(name, sample, None, 0, 0, _plain(quality), reason))
        self._flush_if_full()

    def close(self) -> None:
        """Writes the rows still held as a last, shorter shard."""
        if self._kept or self._rejected:
            self._flush()

    def _flush_if_full(self) -> None:
        if len(self._kept) + len(self._rejected) >= self.rows_per_shard:
            self._flush()

    def _flush(self) -> None:
        rows, records = self._rows, self._kept + self._rejected
        self._rows, self._kept, self._rejected = [], [], []
        shards.save(self.folder, self.rank, self.manifest.fingerprint(), rows, records, self.manifest.features,
                   self.manifest.audio.n_mels)


@dataclasses.dataclass(frozen=True)
class DistilledDataset:
    """The kept rows of a folder, in memory: in the order of the shards' names, which resuming and ranks change."""
    manifest: Manifest
    names: list[str]
    samples: list[int]
    ids: Ragged  # (N,) uint8 a row
    durations: Ragged  # (N,) int32 frames
    mels: Ragged  # (T, M) float16, natural log
    features: Ragged | None  # (N, D) float16
    pitch: Ragged | None = None  # (T, 2) float32, of pitch.estimate_pitch_of_rows, by whoever needs it; not on disk

    @classmethod
    def read(cls, folder: Path, with_features: bool = True) -> Self:
        """Reads a folder onto the CPU and checks every row of it.

        The mel definition and the symbol table must be today's; the text settings are the folder's own, to be handed
        on to the student: see .manifest.text. with_features False leaves the teacher's encoder outputs on disk.
        Raises UserError for a folder that is no distilled dataset, has no row, or was made under another definition or
        format, for a damaged shard, a malformed row and a row that is there twice.
        """
        manifest = read_manifest(folder)
        _check_definition(folder, manifest, AudioConfig(), todays_symbols)
        whole, kept = _read_shards(folder, manifest, shards.tensor_names(manifest.features and with_features))
        symbols, frames = whole["id_lengths"], whole["mel_lengths"]
        features = Ragged(whole["features"], symbols) if "features" in whole else None
        return cls(manifest, [record.name for record in kept], [record.sample for record in kept],
                   Ragged(whole["ids"], symbols), Ragged(whole["durations"], symbols), Ragged(whole["mel"], frames),
                   features)

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Self:
        """Returns the dataset with its rows on a device (lengths stay on the CPU)."""
        features = None if self.features is None else self.features.to(device)
        return dataclasses.replace(self, ids=self.ids.to(device), durations=self.durations.to(device),
                                   mels=self.mels.to(device), features=features)


def records(folder: Path) -> Iterator[Record]:
    """Yields the record of every kept and rejected row, reading only the shards' headers; none if there is no folder.

    Unfinished shards, left by a kill, are no shards. Raises UserError naming a damaged one.
    """
    for path in shards.paths(folder):
        yield from shards.read_records(path)


def finished_rows(folder: Path) -> set[tuple[str, int]]:
    """Returns (name, sample) of every row, kept or rejected, that needs no second reading.

    Processes that start together should share out *all* rows before they leave out the finished ones: then it does not
    matter that one of them may already see another's new shard.
    """
    return {(record.name, record.sample) for record in records(folder)}


def read_manifest(folder: Path) -> Manifest:
    """Reads a folder's manifest. Raises UserError where there is none, or one of another format."""
    path = Path(folder) / "manifest.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise UserError(f"{path}: format {about['format']}, expected {FORMAT}; make it again with preprocess.py")
        manifest = Manifest(AudioConfig(**about["audio"]), TextConfig(**about["text"]), about["symbols"],
                            about["teacher"], about["samples"], about["seed"], about["features"])
    except OSError:
        raise UserError(f"{path}: not found, expected the manifest of a distilled dataset; make one with "
                        "preprocess.py") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the manifest of a distilled dataset ({error}); make it again with "
                        "preprocess.py") from None
    if manifest.fingerprint() != about["fingerprint"]:
        raise UserError(f"{path}: fingerprint {about['fingerprint']}, expected {manifest.fingerprint()} for its "
                        "settings: it was changed by hand; make it again with preprocess.py")
    return manifest


def _claim(folder: Path, manifest: Manifest) -> None:
    """Makes the folder with its manifest, or checks that it was made under the same one. Raises UserError."""
    path = folder / "manifest.json"
    if path.exists():
        before = read_manifest(folder)
        _check_definition(folder, before, manifest.audio, manifest.symbols)
        for name in ("text", "teacher", "samples", "seed", "features"):
            _check_same(folder, name, getattr(before, name), getattr(manifest, name))
        return
    make_folder(folder)
    about = {"format": FORMAT, "fingerprint": manifest.fingerprint(), **dataclasses.asdict(manifest)}
    write_text(path, json.dumps(about, indent=1))  # several processes may do so at once


def _check_definition(folder: Path, manifest: Manifest, audio: AudioConfig, symbols: list[str]) -> None:
    for field in dataclasses.fields(AudioConfig):
        _check_same(folder, f"mel definition {field.name}", getattr(manifest.audio, field.name),
                    getattr(audio, field.name))
    if manifest.symbols != symbols:
        raise UserError(f"{folder}: another symbol table ({len(manifest.symbols)} symbols), expected the "
                        f"{len(symbols)} of text/symbols.py; make it again with preprocess.py")


def _check_same(folder: Path, name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise UserError(f"{folder}: made with {name} {found}, expected {expected}; give another folder or the same "
                        "settings")


def _read_shards(folder: Path, manifest: Manifest, names: list[str]) -> tuple[dict[str, Tensor], list[Record]]:
    """Returns the tensors of all shards joined, and the records of their rows."""
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    kept: list[Record] = []
    for path in shards.paths(folder):
        tensors, found = shards.load(path, manifest.fingerprint(), names, len(manifest.symbols), manifest.audio.n_mels)
        if found:  # a shard may hold rejected rows alone
            kept += found
            for name in names:
                parts[name].append(tensors[name])
    if not kept:
        raise UserError(f"{folder}: no row was kept; look at the reasons in rejected.csv")
    _check_once(folder, kept)
    return {name: torch.cat(parts.pop(name)) for name in names}, kept


def _check_once(folder: Path, kept: list[Record]) -> None:
    seen: set[tuple[str, int]] = set()
    for record in kept:
        if (record.name, record.sample) in seen:
            raise UserError(f"{folder}: row {record.name}/{record.sample} is there twice; two runs wrote into one "
                            "folder at once: make it again with preprocess.py")
        seen.add((record.name, record.sample))


def _plain(quality: dict[str, Any]) -> dict[str, Any]:
    """Replaces zero-dimensional tensors and arrays by the Python numbers that JSON knows."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in quality.items()}
