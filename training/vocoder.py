"""The vocoder's training: WaveGlow on random segments of a folder in LJSpeech's layout.

Likelihood alone, as published, teaches a small WaveGlow too little. Adversarial training takes the network's inverse,
noise and mel in and wave out, as the generator of a GAN: first spectral losses alone, then discriminators too.
"""
import math
from pathlib import Path

import torch
from torch import nn

from audio import MelSpectrogram
from audio.recordings import read_folder
from hparams import AudioConfig, TextConfig, UserError, VocoderTraining, WaveGlowConfig
from runtime.console import print_notice
from runtime.graphs import Step, record_graph
from training.distributed import Workers
from training.log import TrainingLog
from training.student_mels import read_with_mels, report_left_out
from training.wave_loss import WaveLoss, autocast, write_gradients
from waveglow import WaveGlow, build
from waveglow.coupling import coupling_network
from waveglow.data import SegmentSampler
from waveglow.loss import likelihood_loss

MOST_VALIDATION_ROWS = 16


class VocoderTask:
    """See state.Task. On a GPU the flows' core is compiled and the whole step is one CUDA graph, unless not `fast`.

    mels: a folder made by preprocess.py --student. Then one half of every batch is spoken from the student's mels, the
    other from the recordings' own, so that the network stays good for these; both are compared with the recordings.
    """
    model_name = "waveglow"
    text: TextConfig | None = None

    def __init__(self, config: WaveGlowConfig, settings: VocoderTraining, data: Path, audio: AudioConfig,
                 workers: Workers, fast: bool, mels: Path | None = None) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.workers, self.device, self.audio = settings, workers, workers.device, audio
        self.fast = fast and workers.device.type == "cuda"
        if settings.objective == "likelihood" and config.squeeze == "mdct":
            raise UserError("--objective: found likelihood, expected adversarial for a vocoder at the mel rate")
        self.model = build(config, audio).to(self.device)
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.wave_loss = WaveLoss(settings, audio, self.device)
        if settings.objective == "adversarial":
            self.networks["discriminators"] = self.wave_loss.discriminators
            self.rates["discriminators"] = settings.discriminator_rate
        notify = print_notice if workers.is_main else None
        training, self.validation = (read_with_mels(data, mels, audio, workers) if mels
                                     else read_folder(data, audio, notify))
        self.recordings = [line.name for line in training.lines]
        self.sampler = SegmentSampler(training.waves.to(self.device), settings.segment, self.model.context, audio,
                                      training.mels and training.mels.to(self.device))
        report_left_out(self.sampler.skipped, len(self.recordings), "too short, see --segment", workers)
        self.mel = MelSpectrogram(audio).to(self.device)
        self.positions = torch.zeros(settings.batch_size, dtype=torch.int64, device=self.device)
        noise_shape = self.model.noise_shape(settings.segment // audio.hop_length, self.model.context)
        self.noise = torch.zeros(settings.batch_size, *noise_shape, device=self.device)
        self.ready: dict[str, Step] = {}  # phase -> its step
        if self.fast:
            torch.backends.cudnn.benchmark = True  # the shapes stay the same
            if isinstance(self.model, WaveGlow):
                self.model.core = torch.compile(coupling_network, dynamic=False, fullgraph=True)

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Computes the gradients of a batch into .grad. Returns its losses."""
        self._draw(step)
        if self.settings.objective == "likelihood":
            return dict(self._phase(self._likelihood_step, ["model"])())
        if step < self.settings.spectral_steps:
            return dict(self._phase(self._spectral_step, ["model"])())
        return dict(self._phase(self._adversarial_step, ["model", "discriminators"])())

    def _draw(self, step: int) -> None:
        """Draws the positions of the batch's segments and its noise, which depend only on the seed and the step."""
        generator = torch.Generator(self.device)
        generator.manual_seed((self.settings.seed * 1_000_003 + step) * self.workers.count + self.workers.rank)
        self.positions.copy_(self.sampler.draw_positions(len(self.positions), generator))
        self.noise.normal_(generator=generator)

    def _phase(self, step: Step, trained: list[str]) -> Step:
        """Returns the step of a phase that trains these networks, on a GPU as a CUDA graph."""
        if step.__name__ not in self.ready:
            self.ready.clear()  # frees the graph of the phase before
            for name in trained:
                for parameter in self.networks[name].parameters():  # gradients stay where they are, as a graph needs
                    parameter.grad = torch.zeros_like(parameter)
            self.ready[step.__name__] = record_graph(step) if self.fast else step
        return self.ready[step.__name__]

    def _likelihood_step(self) -> dict[str, torch.Tensor]:
        """Computes the gradients of the likelihood loss. Returns the losses."""
        segments = self.sampler.cut(self.positions)
        with autocast(self.device):
            output = self.model(segments.mel, segments.wave, crop=self.model.context)
        loss = likelihood_loss(output)
        write_gradients(loss, self.model.parameters())
        return {"loss": loss.detach()}

    def _generated(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the generated and the recorded waves of the batch, each (B, segment)."""
        segments = self.sampler.cut(self.positions)
        with autocast(self.device):
            wave = self.model.infer(segments.mel, noise=self.noise, crop=self.model.context)
        return wave, segments.wave

    def _spectral_step(self) -> dict[str, torch.Tensor]:
        """Computes the gradients of the spectral losses, without discriminators. Returns the losses."""
        loss, parts = self.wave_loss.without_discriminators(*self._generated())
        write_gradients(loss, self.model.parameters())
        return {"loss": loss.detach(), **parts}

    def _adversarial_step(self) -> dict[str, torch.Tensor]:
        """Computes the gradients of both sides. Returns the losses."""
        loss, parts = self.wave_loss.with_discriminators(*self._generated())
        write_gradients(loss, self.model.parameters())
        return {"loss": loss.detach(), **parts}

    def names(self, step: int) -> list[str]:
        """Returns the names of the recordings that the batch's segments are cut from."""
        self._draw(step)
        return [self.recordings[row] for row in self.sampler.rows(self.positions)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Returns the figures of waves from held-out recordings' mels, and from the student's mels if there are any.

        With discriminators the newest network is the best one, and none is before they take part: no distance says how
        it sounds. (Two trainings of 35,000 steps had their least mel distance at 12,000, at a high learning rate.)
        Else the score is the multi-resolution mel distance, the mean of both.
        """
        figures, rows = {}, min(MOST_VALIDATION_ROWS, len(self.validation.lines))
        if isinstance(model, WaveGlow):
            model.core = coupling_network  # compiled, it would be compiled anew for every length
        for row in range(rows):
            wave = self.validation.waves.row(row).to(self.device).float()[None] / 32768
            heard = {"": self.mel(wave)}
            if self.validation.mels is not None:
                heard["student "] = self.validation.mels.row(row).to(self.device).float().t()[None]
            for kind, mel in heard.items():
                spoken = model.infer(mel, generator=torch.Generator().manual_seed(row))[:, :wave.shape[1]]
                for name, value in self.wave_loss.spectral(spoken, wave[:, :spoken.shape[1]]).items():
                    figures[kind + name] = figures.get(kind + name, 0.0) + value.item() / rows
                if row < log.most_samples:
                    log.add_audio(step, f"{kind}validation {row}", spoken[0], self.audio.sample_rate)
                    log.add_image(step, f"mel of {kind}validation {row}", self.mel(spoken)[0].cpu().numpy())
        score = (figures["mel"] + figures.get("student mel", figures["mel"])) / 2
        if self.settings.objective == "adversarial":
            score = -float(step) if step > self.settings.spectral_steps else math.inf
        return {**figures, "score": score}
