"""Training of the student: LightSpeech on a distilled dataset that is kept in the device's memory."""
import dataclasses
import zlib
from pathlib import Path

import torch
from torch import nn

from distillation.batches import collate
from distillation.dataset import DistilledDataset
from hparams import LightSpeechConfig, StudentTraining, TextConfig, UserError
from lightspeech import LightSpeech, LightSpeechOutput
from lightspeech.data import StudentBatch
from lightspeech.loss import student_loss
from lightspeech.pitch import estimate_pitch_of_rows
from training.distributed import Workers
from training.log import TrainingLog
from training.mel_discriminators import AdversarialMelLoss, variance_ratio
from training.sampler import BucketSampler, round_up
from training.student_mels import report_left_out

MOST_VALIDATION_ROWS = 256


class StudentTask:
    """See state.Task. One text in fifty, chosen by its name, is held out with all its readings."""
    model_name = "lightspeech"

    def __init__(self, config: LightSpeechConfig, settings: StudentTraining, data: Path, workers: Workers) -> None:
        torch.manual_seed(settings.seed)
        dataset = DistilledDataset.read(data, with_features=settings.feature_weight > 0)
        self.settings, self.device = settings, workers.device
        self.text: TextConfig | None = dataset.manifest.text
        self.model = LightSpeech(config).to(workers.device)
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.adversarial = AdversarialMelLoss(settings, self.device) if settings.adversarial_weight else None
        if self.adversarial:
            self.networks["discriminators"] = self.adversarial.discriminators
            self.rates["discriminators"] = settings.discriminator_rate
        dataset = dataset.to(workers.device)
        with torch.no_grad():  # starting from zero saturates the decoder, which then ignores the text for long
            self.model.mel_linear.bias.copy_(dataset.mels.flat.mean(0, dtype=torch.float32))
        pitch = estimate_pitch_of_rows(dataset.mels, self.model.harmonics) if config.pitch else None
        self.dataset = dataclasses.replace(dataset, pitch=pitch)
        self.training_rows, self.validation_rows = self._split(data, workers)
        lengths = dataset.mels.lengths[self.training_rows].tolist()
        self.sampler = BucketSampler(lengths, settings.batch_size, settings.seed, workers.rank, workers.count)

    def _split(self, data: Path, workers: Workers) -> tuple[list[int], list[int]]:
        """Returns the rows for training and validation, without those of more than max_frames frames."""
        names, longest = self.dataset.names, self.settings.max_frames
        short = [row for row, frames in enumerate(self.dataset.mels.lengths.tolist()) if frames <= longest]
        texts = {names[row] for row in short}
        held_out = {name for name in texts if zlib.crc32(name.encode()) % 50 == 0} or {min(texts, default="")}
        training = [row for row in short if names[row] not in held_out]
        if not training:
            raise UserError(f"{data}: found {len(texts)} texts of at most {longest} frames, expected at least 2; "
                            "distil more texts or raise --max-frames")
        report_left_out(len(names) - len(short), len(names), "too long, see --max-frames", workers)
        return training, [row for row in short if names[row] in held_out][:MOST_VALIDATION_ROWS]

    def _collate(self, rows: list[int]) -> StudentBatch:
        """Returns rows of the dataset as a batch, padded to round lengths."""
        symbols, frames = (int(ragged.lengths[rows].max()) for ragged in (self.dataset.ids, self.dataset.mels))
        return collate(self.dataset, rows, round_up(symbols, 16), round_up(frames, 64))

    def _forward(self, model: nn.Module, batch: StudentBatch) -> tuple[LightSpeechOutput, dict[str, torch.Tensor]]:
        """Returns the student's output for the teacher's durations and pitch, and its losses by name."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            pitch = None if batch.pitch is None else batch.pitch[..., 0]
            output = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2], pitch)
        return output, student_loss(output, batch, self.settings)

    def _rows(self, step: int) -> list[int]:
        """Returns this process's row numbers at a step."""
        return [self.training_rows[index] for index in self.sampler.rows(step)]

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """See state.Task."""
        batch = self._collate(self._rows(step))
        output, losses = self._forward(self.model, batch)
        loss, adversarial_losses = losses["loss"], {}
        if self.adversarial:
            loss, adversarial_losses = self.adversarial.add_to(loss, output.mel.float(), batch.mel, batch.mel_lengths,
                                                               step)
        self.model.zero_grad()
        loss.backward(inputs=list(self.model.parameters()))
        return {**losses, **adversarial_losses, "loss": loss.detach()}

    def names(self, step: int) -> list[str]:
        """See state.Task."""
        return [self.dataset.names[row] for row in self._rows(step)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Returns mean losses over the held-out rows; logs an image of the first one's mel and target."""
        size, totals = self.settings.batch_size, {}
        chunks = [self.validation_rows[start:start + size] for start in range(0, len(self.validation_rows), size)]
        for rows in chunks:
            batch = self._collate(rows)
            output, losses = self._forward(model, batch)
            losses["variance"] = variance_ratio(output.mel, batch.mel, batch.mel_lengths)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.item() * len(rows) / len(self.validation_rows)
        batch = self._collate(self.validation_rows[:1])
        frames = int(batch.mel_lengths[0])
        mel = model(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2]).mel[0, :, :frames]
        both = torch.cat((batch.mel[0, :, :frames], mel)).float().cpu().numpy()  # the student's above
        log.add_image(step, "mel: teacher below, student above", both)
        if log.samples:
            for row in self.validation_rows[:log.most_samples]:  # with the student's own durations, as in synthesis
                ids = self.dataset.ids.row(row)[None].long()
                output = model.infer(ids, torch.tensor([ids.shape[1]], device=ids.device))
                log.add_mel(f"{self.dataset.names[row]}-{row}", output.mel[0])
        return {**totals, "score": self.adversarial.score(step) if self.adversarial else totals["loss"]}
