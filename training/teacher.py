"""Training of the teacher: Tacotron2 on a folder in LJSpeech's layout, with all mels in the device's memory."""
import random
from pathlib import Path

import torch
from torch import nn

from audio.recordings import Corpus, read_folder
from hparams import AudioConfig, Tacotron2Config, TeacherTraining, TextConfig, UserError
from runtime.console import print_notice
from tacotron2 import Tacotron2, Tacotron2Output
from tacotron2.data import TeacherBatch, TeacherDataset, mels_from_waves
from tacotron2.loss import LossWeights, losses, total
from tacotron2.recurrence import PLAIN
from tacotron2.recurrence_choice import best_recurrence
from training.distributed import Workers
from training.log import TrainingLog
from training.mel_discriminators import AdversarialMelLoss, variance_ratio
from training.sampler import BucketSampler, round_up
from training.student_mels import report_left_out


class TeacherTask:
    """See state.Task. Validates on letters only and on phonemes only; the score is the mean of both losses.

    If it learns only one of them, the score is the loss on that one. With discriminators, the newest checkpoint is the
    best one.
    """
    model_name = "tacotron2"

    def __init__(self, config: Tacotron2Config, settings: TeacherTraining, data: Path, audio: AudioConfig,
                 workers: Workers, fast: bool) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.workers, self.device = settings, workers, workers.device
        self.text: TextConfig | None = TextConfig(phonemes=settings.phoneme_share > 0)
        self.model = Tacotron2(config, self.text).to(self.device)
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.adversarial = AdversarialMelLoss(settings, self.device) if settings.adversarial_weight else None
        if self.adversarial:
            self.networks["discriminators"] = self.adversarial.discriminators
            self.rates["discriminators"] = settings.discriminator_rate
        self.recurrence = best_recurrence(self.device, config) if fast else PLAIN
        training, validation = read_folder(data, audio, print_notice if workers.is_main else None)
        self.training = self._dataset(training, audio)
        self.validation = self._dataset(validation, audio)
        lengths = self.training.mels.lengths.tolist()
        self.rows = [row for row, frames in enumerate(lengths) if frames <= settings.max_frames]
        if not self.rows:
            raise UserError(f"{data}: no recording has at most {settings.max_frames} frames; raise --max-frames")
        report_left_out(len(lengths) - len(self.rows), len(lengths), "too long, see --max-frames", workers)
        mean = self.training.mels.flat.mean(0)
        self.model.decoder.linear_projection.linear_layer.bias.data.copy_(mean)  # learns faster from the mean mel on
        self.sampler = BucketSampler([lengths[row] for row in self.rows], settings.batch_size, settings.seed,
                                     workers.rank, workers.count)

    def _dataset(self, corpus: Corpus, audio: AudioConfig) -> TeacherDataset:
        """Returns the rows of a corpus with the mels of their recordings."""
        return TeacherDataset(corpus.lines, mels_from_waves(corpus.waves, self.device, audio))

    def _batch(self, dataset: TeacherDataset, rows: list[int], share: float, seed: str) -> TeacherBatch:
        """Returns rows as a batch, padded to round lengths; `share` of the words are given as phonemes."""
        frames = round_up(int(dataset.mels.lengths[rows].max()), 16)
        symbols = round_up(max(dataset.id_bounds[row] for row in rows), 16)
        return dataset.collate(rows, frames, symbols, share, random.Random(seed))

    def _forward(self, model: nn.Module, batch: TeacherBatch) -> tuple[Tacotron2Output, dict[str, torch.Tensor]]:
        """Returns the teacher-forced output, and its losses and the focus of its attention by name."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            output = model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, self.recurrence)
        focus = output.alignments.detach().amax(2).sum() / output.mel_mask.sum()
        return output, {**losses(output, batch.mel), "focus": focus}

    def _rows(self, step: int) -> list[int]:
        """Returns this process's row numbers at a step."""
        return [self.rows[index] for index in self.sampler.rows(step)]

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """See state.Task; also returns the focus of the attention."""
        settings = self.settings
        decay = min(1.0, step / max(1.0, settings.guided_until * (settings.phase_steps or settings.steps)))
        weights = LossWeights(attention=settings.guided_attention * 0.01**decay)
        seed = f"{settings.seed} {step} {self.workers.rank}"
        batch = self._batch(self.training, self._rows(step), settings.phoneme_share, seed)
        if self.adversarial and self.adversarial.is_active(step):
            self.model.postnet.eval()  # discriminators would see its dropout, which synthesis does not have
        output, parts = self._forward(self.model, batch)
        loss, adversarial_losses = total(parts, weights), {}
        if self.adversarial:
            loss, adversarial_losses = self.adversarial.add_to(loss, output.mel_postnet, batch.mel,
                                                               batch.mel_lengths.to(self.device), step)
        self.model.zero_grad()
        loss.backward(inputs=list(self.model.parameters()))
        return {"loss": loss.detach(), **parts, **adversarial_losses}

    def names(self, step: int) -> list[str]:
        """See state.Task."""
        return [self.training.lines[row].name for row in self._rows(step)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Returns teacher-forced losses on the held-out rows, for letters and for phonemes; logs images of one."""
        figures, rows = {}, sorted(range(len(self.validation)), key=lambda row: int(self.validation.mels.lengths[row]))
        size = self.settings.batch_size
        for mode, share in (("letters", 0.0), ("phonemes", 1.0)):
            for start in range(0, len(rows), size):
                chunk = rows[start:start + size]
                batch = self._batch(self.validation, chunk, share, "validation")
                output, found = self._forward(model, batch)
                found["variance"] = variance_ratio(output.mel_postnet, batch.mel, batch.mel_lengths.to(self.device))
                for name in ("mel_postnet", "gate", "focus", "variance"):
                    key = f"{mode} {name}"
                    figures[key] = figures.get(key, 0.0) + found[name].item() * len(chunk) / len(rows)
            self._draw(model, self._batch(self.validation, rows[-1:], share, "validation"), mode, step, log)
        learned = {0.0: ("letters",), 1.0: ("phonemes",)}.get(self.settings.phoneme_share, ("letters", "phonemes"))
        score = sum(figures[f"{mode} mel_postnet"] for mode in learned) / len(learned)
        return {**figures, "score": self.adversarial.score(step) if self.adversarial else score}

    def _draw(self, model: nn.Module, batch: TeacherBatch, mode: str, step: int, log: TrainingLog) -> None:
        """Logs pictures of the first row: its alignment, its mel and the recording's."""
        output = model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths, PLAIN)
        symbols, frames = int(batch.id_lengths[0]), int(batch.mel_lengths[0])
        log.add_image(step, f"alignment, {mode}", output.alignments[0, :frames, :symbols].t().float().cpu().numpy())
        both = torch.cat((batch.mel[0, :, :frames], output.mel_postnet[0, :, :frames]))
        log.add_image(step, f"mel, {mode}: recording below, teacher above", both.float().cpu().numpy())
