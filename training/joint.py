"""Student and vocoder trained as one network on recordings (JETS: Lim, Jung, Kim 2022, arXiv 2203.16852).

The student speaks each recording with the durations of the teacher's alignment and the pitch of the recording. The
vocoder makes a segment of the wave from the student's mel. Discriminators judge mels and waves, and what the losses of
the wave say changes the student too. The losses of mels stay, so that the mels remain readable by other vocoders.
"""
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from distillation.dataset import DistilledDataset
from hparams import AudioConfig, JointConfig, JointTraining, TextConfig, VocoderTraining
from lightspeech import LightSpeech, LightSpeechOutput
from lightspeech.data import StudentBatch
from lightspeech.loss import student_loss
from runtime.graphs import Step, record_graph
from training.aligned import collate_both, cut_frames, read_distilled, read_recordings
from training.distributed import Workers
from training.log import TrainingLog
from training.mel_discriminators import AdversarialMelLoss
from training.sampler import BucketSampler
from training.wave_loss import WaveLoss, autocast, write_gradients
from waveglow import build

RECORDED_EVERY = 4  # one segment in so many is made from the recording's mel, so that the vocoder stays good for these
MOST_VALIDATION_ROWS = 16


class SpeechModel(nn.Module):
    """Student and vocoder; each is released in a file of its own."""

    def __init__(self, config: JointConfig, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        self.config = config
        self.student = LightSpeech(config.student)
        self.vocoder = build(config.vocoder, audio)


def _speak(student: nn.Module, batch: StudentBatch) -> LightSpeechOutput:
    """Returns the student's output for the durations and the pitch of a batch."""
    pitch = None if batch.pitch is None else batch.pitch[..., 0]
    return student(batch.ids, batch.id_lengths, batch.durations, batch.mel.shape[2], pitch)


class JointTask:
    """See state.Task. On a GPU the vocoder's part of a step is one CUDA graph, unless not `fast`.

    data: a folder in LJSpeech's layout; mels: what preprocess.py --student made of it, of which the durations are used;
    distilled: a distilled dataset of other texts, which keep the student's words right; None: recordings alone.
    """
    model_name = "joint"

    def __init__(self, config: JointConfig, settings: JointTraining, data: Path, mels: Path, distilled: Path | None,
                 audio: AudioConfig, workers: Workers, fast: bool) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.workers, self.device, self.audio = settings, workers, workers.device, audio
        self.model = SpeechModel(config, audio).to(self.device)
        self.mel_loss = AdversarialMelLoss(settings, self.device)
        self.wave_loss = WaveLoss(VocoderTraining(), audio, self.device)
        self.networks: dict[str, nn.Module] = {"model": self.model, "discriminators": self.mel_loss.discriminators,
                                               "wave discriminators": self.wave_loss.discriminators}
        self.rates = {"model": 1.0, "discriminators": settings.discriminator_rate,
                      "wave discriminators": settings.discriminator_rate}
        self.recorded, self.validation = read_recordings(data, mels, audio, settings.segment, settings.max_frames,
                                                         workers)
        self.text: TextConfig | None = self.recorded.rows.manifest.text
        self.sampler = self._sampler(self.recorded.rows, settings.batch_size)
        self.distilled: DistilledDataset | None = None
        if distilled:
            self.distilled = read_distilled(distilled, self.recorded.rows.manifest.text, self.device)
            self.distilled_sampler = self._sampler(self.distilled, settings.distilled_batch_size)
        self._make_buffers()
        self.fast = fast and self.device.type == "cuda"
        self.wave_step: Step | None = None  # made at the first step, when the weights are loaded
        torch.backends.cudnn.benchmark = self.fast  # the vocoder's shapes stay the same

    def _sampler(self, rows: DistilledDataset, batch_size: int) -> BucketSampler:
        """Returns the sampler of the batches of some rows."""
        return BucketSampler(rows.mels.lengths.tolist(), batch_size, self.settings.seed, self.workers.rank,
                             self.workers.count)

    def _make_buffers(self) -> None:
        """Creates what the vocoder's part of a step reads and writes; a CUDA graph needs it to stay in its place."""
        B, vocoder = self.settings.batch_size, self.model.vocoder
        frames = self.settings.segment // self.audio.hop_length
        width = frames + 2 * vocoder.context
        spoken, recorded = torch.zeros(2, B, self.audio.n_mels, width, device=self.device)
        self.spoken, self.recorded_mel = spoken.requires_grad_(), recorded  # segments of mels
        self.spoken_gradient = torch.zeros_like(spoken)
        self.wave = torch.zeros(B, self.settings.segment, device=self.device)
        self.noise = torch.zeros(B, *vocoder.noise_shape(frames, vocoder.context), device=self.device)
        number = torch.arange(B, device=self.device)[:, None, None]
        self.from_recording = number % RECORDED_EVERY == RECORDED_EVERY - 1

    def _rows(self, step: int) -> tuple[list[int], list[int]]:
        """Returns this process's recordings and distilled rows at a step."""
        return self.sampler.rows(step), self.distilled_sampler.rows(step) if self.distilled else []

    def train_step(self, step: int) -> dict[str, Tensor]:
        """See state.Task."""
        rows, others = self._rows(step)
        batch = collate_both(self.recorded.rows, rows, self.distilled, others)
        with autocast(self.device):
            output = _speak(self.model.student, batch)
        mel = output.mel.detach().float().requires_grad_()  # where the gradients of mel and wave meet
        losses = student_loss(output._replace(mel=mel), batch, self.settings)
        loss, judged = self.mel_loss.add_to(losses["loss"], mel, batch.mel, batch.mel_lengths, step)
        segments, wave_losses = self._vocoder_step(mel[:len(rows)], batch, rows, step)
        of_mel, = torch.autograd.grad(loss, mel, retain_graph=True)
        of_wave, = torch.autograd.grad(segments, mel, self.spoken_gradient)
        of_wave *= self.settings.wave_weight * of_mel.norm() / of_wave.norm().clamp(min=1e-12)
        student = list(self.model.student.parameters())
        for parameter in student:
            parameter.grad = None
        torch.autograd.backward([loss, output.mel], [None, (of_mel + of_wave).to(output.mel.dtype)], inputs=student)
        return {**losses, **judged, **{f"wave {name}": value for name, value in wave_losses.items()},
                "loss": loss.detach()}

    def _vocoder_step(self, mel: Tensor, batch: StudentBatch, rows: list[int], step: int
                      ) -> tuple[Tensor, dict[str, Tensor]]:
        """Computes the gradients of the vocoder, its discriminators and `spoken_gradient` for random segments.

        mel: (R, M, T) float32, the student's of recordings number `rows`. Returns the segments that were cut from it
        (R, M, W), with their history, and the losses of the waves.
        """
        generator = torch.Generator(self.device)
        generator.manual_seed((self.settings.seed * 1_000_003 + step) * self.workers.count + self.workers.rank)
        hop, context = self.audio.hop_length, self.model.vocoder.context
        samples = self.recorded.waves.lengths[rows].to(self.device, non_blocking=True)
        share = torch.rand(len(rows), generator=generator, device=self.device)
        starts = (share * ((samples - self.settings.segment) // hop + 1)).long()  # frames
        lengths, silence = batch.mel_lengths[:len(rows)], math.log(self.audio.log_floor)
        segments, recorded = (cut_frames(whole, starts - context, lengths, self.spoken.shape[2], silence)
                              for whole in (mel, batch.mel[:len(rows)]))
        first = self.recorded.waves.starts[rows].to(self.device, non_blocking=True) + starts * hop
        wave = self.recorded.waves.flat[first[:, None] + torch.arange(self.settings.segment, device=self.device)]
        with torch.no_grad():
            self.spoken.copy_(segments)
            self.recorded_mel.copy_(recorded)
            self.wave.copy_(wave.float() / 32768)
            self.noise.normal_(generator=generator)
        if self.wave_step is None:
            self.wave_step = self._prepare_wave_step()
        return segments, dict(self.wave_step())

    def _prepare_wave_step(self) -> Step:
        """Returns the vocoder's part of a step, on a GPU as a CUDA graph."""
        for network in (self.model.vocoder, self.wave_loss.discriminators):
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter)
        return record_graph(self._wave_gradients) if self.fast else self._wave_gradients

    def _wave_gradients(self) -> dict[str, Tensor]:
        """Computes the gradients for the segments in the buffers. Returns the losses."""
        mel = torch.where(self.from_recording, self.recorded_mel, self.spoken)
        with autocast(self.device):
            wave = self.model.vocoder.infer(mel, noise=self.noise, crop=self.model.vocoder.context)
        loss, losses = self.wave_loss.with_discriminators(wave, self.wave)
        gradient, = torch.autograd.grad(loss, self.spoken, retain_graph=True)
        self.spoken_gradient.copy_(gradient)
        write_gradients(loss, self.model.vocoder.parameters())
        return losses

    def names(self, step: int) -> list[str]:
        """See state.Task."""
        rows, others = self._rows(step)
        recorded = [self.recorded.rows.names[row] for row in rows]
        return recorded + [self.distilled.names[row] for row in others] if self.distilled else recorded

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Returns the losses of held-out recordings, spoken with their own durations and pitch.

        "length" is the length that the student would give them by itself, divided by their own. The newest network is
        the best one: no loss of an adversarial training says how it sounds.
        """
        rows, figures, frames = self.validation.rows, {}, [0, 0]
        count = min(MOST_VALIDATION_ROWS, len(rows))
        for row in range(count):
            batch = collate_both(rows, [row], None, [])
            output = _speak(model.student, batch)
            losses = student_loss(output, batch, self.settings)
            wave = self.validation.waves.row(row).float()[None] / 32768
            spoken = model.vocoder.infer(output.mel[:, :, :int(batch.mel_lengths[0])],
                                         generator=torch.Generator().manual_seed(row))[:, :wave.shape[1]]
            distances = self.wave_loss.spectral(spoken, wave[:, :spoken.shape[1]])
            for name, value in {**losses, **{f"wave {name}": value for name, value in distances.items()}}.items():
                figures[name] = figures.get(name, 0.0) + value.item() / count
            free = model.student.infer(batch.ids[:, :int(batch.id_lengths[0])], batch.id_lengths)
            frames = [frames[0] + free.frames[0], frames[1] + int(batch.mel_lengths[0])]
            if row < log.most_samples:
                sound = model.vocoder.infer(free.mel, generator=torch.Generator().manual_seed(row))
                log.add_audio(step, f"validation {rows.names[row]}", sound[0], self.audio.sample_rate)
        return {**figures, "length": frames[0] / frames[1], "score": self.mel_loss.score(step)}
