"""The student's training: LightSpeech on a distilled dataset that lives on the device."""
import dataclasses
import zlib
from pathlib import Path

import torch
from torch import nn

from distillation.batches import collate
from distillation.dataset import DistilledDataset
from hparams import LightSpeechConfig, StudentTraining
from lightspeech import LightSpeech, LightSpeechOutput
from lightspeech.data import StudentBatch
from lightspeech.loss import student_loss
from lightspeech.pitch import estimate_pitch_of_rows
from runtime.errors import UserError
from training.distributed import Workers
from training.log import TrainingLog
from training.mel_discriminators import MelAdversary, variance_ratio
from training.sampler import BucketSampler, round_up
from training.student_mels import report_left_out

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
        self.adversary = MelAdversary(settings, self.device) if settings.adversarial_weight else None
        if self.adversary:
            self.networks["discriminators"] = self.adversary.network
            self.rates["discriminators"] = settings.discriminator_rate
        dataset = dataset.to(workers.device)
        with torch.no_grad():  # from zero, the way to it saturates the decoder, which then is long deaf to the text
            self.model.mel_linear.bias.copy_(dataset.mels.flat.mean(0, dtype=torch.float32))
        pitch = estimate_pitch_of_rows(dataset.mels, self.model.harmonics) if config.pitch else None
        self.dataset = dataclasses.replace(dataset, pitch=pitch)
        short = [row for row, frames in enumerate(dataset.mels.lengths.tolist()) if frames <= settings.max_frames]
        names = {dataset.names[row] for row in short}
        unseen = {name for name in names if zlib.crc32(name.encode()) % 50 == 0} or {min(names, default="")}
        held_out = {row for row in short if dataset.names[row] in unseen}
        self.training_rows = [row for row in short if row not in held_out]
        self.validation_rows = sorted(held_out)[:MOST_VALIDATION_ROWS]
        if not self.training_rows:
            raise UserError(f"{data}: found {len(names)} texts of at most {settings.max_frames} frames, expected at "
                            "least 2; distil more texts or raise --max-frames")
        report_left_out(len(dataset) - len(short), len(dataset), "too long, see --max-frames", workers)
        lengths = dataset.mels.lengths[self.training_rows].tolist()
        self.sampler = BucketSampler(lengths, settings.batch_size, settings.seed, workers.rank, workers.count)

    def _collate(self, rows: list[int]) -> StudentBatch:
        symbols, frames = (int(ragged.lengths[rows].max()) for ragged in (self.dataset.ids, self.dataset.mels))
        return collate(self.dataset, rows, round_up(symbols, 16), round_up(frames, 64))

    def _speak(self, model: nn.Module, batch: StudentBatch) -> tuple[LightSpeechOutput, dict[str, torch.Tensor]]:
        """The student's output with the teacher's durations and pitch, and its losses by name."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            pitch = None if batch.pitch is None else batch.pitch[..., 0]
            output = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2], pitch)
        return output, student_loss(output, batch, self.settings)

    def _rows(self, step: int) -> list[int]:
        return [self.training_rows[index] for index in self.sampler.rows(step)]

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Leaves the gradients of a batch in .grad; returns its losses."""
        batch = self._collate(self._rows(step))
        output, losses = self._speak(self.model, batch)
        loss, verdict = losses["loss"], {}
        if self.adversary:
            loss, verdict = self.adversary.join(loss, output.mel.float(), batch.mel, batch.mel_lengths, step)
        self.model.zero_grad()
        loss.backward(inputs=list(self.model.parameters()))
        return {**losses, **verdict, "loss": loss.detach()}

    def names(self, step: int) -> list[str]:
        """Names of the batch's rows."""
        return [self.dataset.names[row] for row in self._rows(step)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Mean losses over the held-out rows; draws the mel of the first beside its target."""
        size, totals = self.settings.batch_size, {}
        chunks = [self.validation_rows[start:start + size] for start in range(0, len(self.validation_rows), size)]
        for rows in chunks:
            batch = self._collate(rows)
            output, losses = self._speak(model, batch)
            losses["variance"] = variance_ratio(output.mel, batch.mel, batch.mel_lengths)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.item() * len(rows) / len(self.validation_rows)
        batch = self._collate(self.validation_rows[:1])
        frames = int(batch.mel_lengths[0])
        spoken = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2]).mel[0, :, :frames]
        both = torch.cat((batch.mel[0, :, :frames], spoken)).float().cpu().numpy()  # the student's above
        log.add_image(step, "mel: teacher below, student above", both)
        return {**totals, "score": self.adversary.score(step) if self.adversary else totals["loss"]}
