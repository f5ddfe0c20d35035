"""The teacher's training: Tacotron2 on a folder in LJSpeech's layout, its mels whole on the device."""
import random
from pathlib import Path

import torch
from torch import nn

from audio.recordings import Corpus, read_folder
from hparams import AudioConfig, Tacotron2Config, TeacherTraining, TextConfig
from runtime.errors import UserError
from tacotron2 import Tacotron2, Tacotron2Output
from tacotron2.data import TeacherBatch, TeacherDataset, mels_from_waves
from tacotron2.fused import best_recurrence
from tacotron2.loss import LossWeights, losses, total
from tacotron2.recurrence import PLAIN
from training.distributed import Workers
from training.log import TrainingLog
from training.mel_discriminators import MelAdversary, variance_ratio
from training.sampler import BucketSampler, round_up
from training.student_mels import report_left_out


class TeacherTask:
    """See loop.Task. Validates twice, on letters alone and on phonemes alone; the score is the mean of both
    losses, or the adversary's."""
    model_name = "tacotron2"

    def __init__(self, config: Tacotron2Config, settings: TeacherTraining, data: Path, audio: AudioConfig,
                 workers: Workers, fast: bool) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.workers, self.device = settings, workers, workers.device
        self.text = TextConfig(phonemes=settings.phoneme_share > 0)
        self.model = Tacotron2(config, self.text).to(self.device)
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.adversary = MelAdversary(settings, self.device) if settings.adversarial_weight else None
        if self.adversary:
            self.networks["discriminators"] = self.adversary.network
            self.rates["discriminators"] = settings.discriminator_rate
        self.recurrence = best_recurrence(self.device, config) if fast else PLAIN
        training, validation = read_folder(data, audio)
        self.training = self._dataset(training, audio)
        self.validation = self._dataset(validation, audio)
        lengths = self.training.mels.lengths.tolist()
        self.rows = [row for row, frames in enumerate(lengths) if frames <= settings.max_frames]
        if not self.rows:
            raise UserError(f"{data}: no recording has at most {settings.max_frames} frames; raise --max-frames")
        report_left_out(len(lengths) - len(self.rows), len(lengths), "too long, see --max-frames", workers)
        mean = self.training.mels.flat.mean(0)
        self.model.decoder.linear_projection.linear_layer.bias.data.copy_(mean)  # from the mean mel on: a faster start
        self.sampler = BucketSampler([lengths[row] for row in self.rows], settings.batch_size, settings.seed,
                                     workers.rank, workers.count)

    def _dataset(self, corpus: Corpus, audio: AudioConfig) -> TeacherDataset:
        return TeacherDataset(corpus.lines, mels_from_waves(corpus.waves, self.device, audio))

    def _batch(self, dataset: TeacherDataset, rows: list[int], share: float, seed: str) -> TeacherBatch:
        frames = round_up(int(dataset.mels.lengths[rows].max()), 16)
        symbols = round_up(max(dataset.id_bounds[row] for row in rows), 16)
        return dataset.collate(rows, frames, symbols, share, random.Random(seed))

    def _read(self, model: nn.Module, batch: TeacherBatch) -> tuple[Tacotron2Output, dict[str, torch.Tensor]]:
        """A teacher-forced reading, its losses by name and how focused its attention is."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            output = model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, self.recurrence)
        focus = output.alignments.detach().amax(2).sum() / output.mel_mask.sum()
        return output, {**losses(output, batch.mel), "focus": focus}

    def _rows(self, step: int) -> list[int]:
        return [self.rows[index] for index in self.sampler.rows(step)]

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Leaves the gradients of a batch in .grad; returns its losses and the attention's focus."""
        settings = self.settings
        decay = min(1.0, step / max(1.0, settings.guided_until * settings.steps))
        weights = LossWeights(attention=settings.guided_attention * 0.01**decay)
        seed = f"{settings.seed} {step} {self.workers.rank}"
        batch = self._batch(self.training, self._rows(step), settings.phoneme_share, seed)
        if self.adversary and self.adversary.joined(step):
            self.model.postnet.eval()  # its dropout is noise that is not there when the network is used
        output, parts = self._read(self.model, batch)
        loss, verdict = total(parts, weights), {}
        if self.adversary:
            loss, verdict = self.adversary.join(loss, output.mel_postnet, batch.mel, batch.mel_lengths.to(self.device),
                                                step)
        self.model.zero_grad()
        loss.backward(inputs=list(self.model.parameters()))
        return {"loss": loss.detach(), **parts, **verdict}

    def names(self, step: int) -> list[str]:
        """Names of the batch's recordings."""
        return [self.training.lines[row].name for row in self._rows(step)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Teacher-forced losses on the held-out rows, in letters and in phonemes; draws the longest row's alignment."""
        figures, rows = {}, sorted(range(len(self.validation)), key=lambda row: int(self.validation.mels.lengths[row]))
        size = self.settings.batch_size
        for mode, share in (("letters", 0.0), ("phonemes", 1.0)):
            for start in range(0, len(rows), size):
                chunk = rows[start:start + size]
                batch = self._batch(self.validation, chunk, share, "validation")
                output, found = self._read(model, batch)
                found["variance"] = variance_ratio(output.mel_postnet, batch.mel, batch.mel_lengths.to(self.device))
                for name in ("mel_postnet", "gate", "focus", "variance"):
                    key = f"{mode} {name}"
                    figures[key] = figures.get(key, 0.0) + found[name].item() * len(chunk) / len(rows)
            self._draw(model, self._batch(self.validation, rows[-1:], share, "validation"), mode, step, log)
        score = (figures["letters mel_postnet"] + figures["phonemes mel_postnet"]) / 2
        return {**figures, "score": self.adversary.score(step) if self.adversary else score}

    def _draw(self, model: nn.Module, batch: TeacherBatch, mode: str, step: int, log: TrainingLog) -> None:
        output = model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, PLAIN)
        symbols, frames = int(batch.id_lengths[0]), int(batch.mel_lengths[0])
        log.add_image(step, f"alignment, {mode}", output.alignments[0, :frames, :symbols].t().float().cpu().numpy())
        both = torch.cat((batch.mel[0, :, :frames], output.mel_postnet[0, :, :frames]))
        log.add_image(step, f"mel, {mode}: recording below, teacher above", both.float().cpu().numpy())
