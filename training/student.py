"""The student's training: LightSpeech on a distilled dataset that lives on the device."""
import zlib
from pathlib import Path

import torch
from torch import nn

from hparams import LightSpeechConfig, StudentTraining, UserError
from lightspeech import LightSpeech
from lightspeech.data import StudentBatch, collate
from lightspeech.distilled import DistilledDataset
from lightspeech.loss import student_loss
from training.distributed import Workers
from training.journal import Journal
from training.sampler import BucketSampler, round_up

MOST_VALIDATION_ROWS = 256


class StudentTask:
    """See loop.Task. One text in fifty, by its name, is held out with all its readings."""
    model_name = "lightspeech"

    def __init__(self, config: LightSpeechConfig, settings: StudentTraining, data: Path, workers: Workers) -> None:
        torch.manual_seed(settings.seed)
        dataset = DistilledDataset.read(data, with_features=settings.feature_weight > 0)
        self.settings, self.device, self.text = settings, workers.device, dataset.manifest.text
        self.model = LightSpeech(config).to(workers.device)
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.dataset = dataset.to(workers.device)
        short = [row for row, frames in enumerate(dataset.mels.lengths.tolist()) if frames <= settings.max_frames]
        held_out = {row for row in short if zlib.crc32(dataset.names[row].encode()) % 50 == 0} or set(short[:1])
        self.training_rows = [row for row in short if row not in held_out]
        self.validation_rows = sorted(held_out)[:MOST_VALIDATION_ROWS]
        if not self.training_rows:
            raise UserError(f"{data}: {len(short)} rows of at most {settings.max_frames} frames, expected at least 2; "
                            "distil more texts or raise --max-frames")
        lengths = dataset.mels.lengths[self.training_rows].tolist()
        self.sampler = BucketSampler(lengths, settings.batch_size, settings.seed, workers.rank, workers.count)

    def _collate(self, rows: list[int]) -> StudentBatch:
        symbols, frames = (int(ragged.lengths[rows].max()) for ragged in (self.dataset.ids, self.dataset.mels))
        return collate(self.dataset, rows, round_up(symbols, 16), round_up(frames, 64))

    def _losses(self, model: nn.Module, batch: StudentBatch) -> dict[str, torch.Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            output = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2])
        return student_loss(output, batch, self.settings)

    def _rows(self, step: int) -> list[int]:
        return [self.training_rows[index] for index in self.sampler.rows(step)]

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Leaves the gradients of a batch in .grad; returns its losses."""
        losses = self._losses(self.model, self._collate(self._rows(step)))
        self.model.zero_grad()
        losses["loss"].backward()
        return losses

    def names(self, step: int) -> list[str]:
        """Names of the batch's rows."""
        return [self.dataset.names[row] for row in self._rows(step)]

    def validate(self, model: nn.Module, step: int, journal: Journal) -> dict[str, float]:
        """Mean losses over the held-out rows; draws the mel of the first beside its target."""
        size, totals = self.settings.batch_size, {}
        chunks = [self.validation_rows[start:start + size] for start in range(0, len(self.validation_rows), size)]
        for rows in chunks:
            for name, value in self._losses(model, self._collate(rows)).items():
                totals[name] = totals.get(name, 0.0) + value.item() * len(rows) / len(self.validation_rows)
        batch = self._collate(self.validation_rows[:1])
        frames = int(batch.mel_lengths[0])
        spoken = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2]).mel[0, :, :frames]
        both = torch.cat((batch.mel[0, :, :frames], spoken)).float().cpu().numpy()  # the student's above
        journal.picture(step, "mel: teacher below, student above", both)
        return {**totals, "score": totals["loss"]}
