"""Writes the rows of a distilled dataset, shard by shard."""
import time
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from distillation import shards
from distillation.manifest import Manifest, claim_folder
from distillation.shards import DistilledRow, Header, Record


class DistilledWriter:
    """Adds the rows of one process to a folder. Use it in a `with` statement, which writes the last shard also after
    an error.

    rank: number of the process, which writes shards of its own. rows_per_shard (kept and rejected rows) and
    seconds_per_shard limit what a kill can undo. To an existing folder, new shards are added.
    Raises UserError if the folder was made under another manifest, a row is malformed or the disk is full.
    """

    def __init__(self, folder: Path, manifest: Manifest, rank: int = 0, rows_per_shard: int = 512,
                 seconds_per_shard: float = float("inf")) -> None:
        self.folder, self.manifest, self.rank = Path(folder), manifest, rank
        self.rows_per_shard, self.seconds_per_shard = rows_per_shard, seconds_per_shard
        self._rows: list[dict[str, Tensor]] = []
        self._kept: list[Record] = []
        self._rejected: list[Record] = []
        self._written_at = time.monotonic()
        claim_folder(self.folder, manifest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, row: DistilledRow) -> None:
        """Adds a row; it is on disk with its shard. Raises UserError for a malformed row, which is not added."""
        manifest = self.manifest
        packed = shards.pack(row, manifest.features, len(manifest.symbols), manifest.audio.n_mels)
        self._kept.append(Record(row.name, row.sample, row.seed, len(packed["ids"]), len(packed["mel"]),
                                 _to_python(row.quality), ""))
        self._rows.append(packed)
        self._write_if_due()

    def reject(self, name: str, sample: int, reason: str, quality: dict[str, Any]) -> None:
        """Records that a row was rejected. A later run under the same limits does not try it again."""
        assert reason, "a rejected row needs a reason"
        self._rejected.append(Record(name, sample, None, 0, 0, _to_python(quality), reason))
        self._write_if_due()

    def close(self) -> None:
        """Writes the rows still in memory as a last, shorter shard."""
        if self._kept or self._rejected:
            self._write_shard()

    def _write_if_due(self) -> None:
        """Writes a shard if enough rows are in memory or enough time has passed."""
        if (len(self._kept) + len(self._rejected) >= self.rows_per_shard
                or time.monotonic() - self._written_at > self.seconds_per_shard):
            self._write_shard()

    def _write_shard(self) -> None:
        """Writes all rows in memory as a shard."""
        rows, manifest = self._rows, self.manifest
        header = Header(manifest.fingerprint(), manifest.limits, self._kept + self._rejected, {})
        self._rows, self._kept, self._rejected = [], [], []
        shards.save(self.folder, self.rank, header, rows, manifest.features, manifest.audio.n_mels)
        self._written_at = time.monotonic()


def _to_python(quality: dict[str, Any]) -> dict[str, Any]:
    """Replaces zero-dimensional tensors and arrays by Python numbers, for JSON."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in quality.items()}
