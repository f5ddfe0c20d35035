"""A few steps of each training, to tell how long all of them will take on a CPU."""
import dataclasses
import random
import tempfile
import time
from pathlib import Path

import torch

from audio import read_corpus
from audio.recordings import split_lines
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import CONFIGS, AudioConfig, TextConfig
from tacotron2.data import TeacherDataset, mels_from_waves
from text import symbols
from training.distributed import Workers
from training.loop import train_step
from training.state import setup
from training.tasks import make_task
from voice.stage import Job, Stage
from voice.stages import seconds_of_reading, settings_of

ROWS = 2  # of a batch; the time of a step is taken to grow with the rows
FEW_LINES = 16  # recordings that the student's trial learns from


def measured(job: Job, stages: list[Stage]) -> list[Stage]:
    """Returns the stages with their times on the CPU, those of the trainings as measured by two steps of each.

    A step of the joint training is taken to last as long as one of the vocoder and the student's for as many rows.
    """
    seconds: dict[str, float] = {stage.model: _seconds_per_step(job, stage.model) for stage in stages
                                 if stage.steps and stage.model != "joint"}
    if "lightspeech" in seconds and "waveglow" in seconds:
        rows = CONFIGS["joint"][job.config.networks][1].batch_size / settings_of(job, "lightspeech")[1].batch_size
        seconds["joint"] = seconds["waveglow"] + seconds["lightspeech"] * rows

    def expected(stage: Stage) -> float:
        """Returns the seconds of a stage on the CPU."""
        if stage.steps:
            return stage.steps * seconds[stage.model]
        return seconds_of_reading(job, "cpu") if stage.name == "read" else stage.seconds
    return [dataclasses.replace(stage, seconds=expected(stage)) for stage in stages]


def _seconds_per_step(job: Job, model: str) -> float:
    """Returns the seconds of a training step of a model, from the second of two with ROWS rows."""
    network, settings = settings_of(job, model)
    few = dataclasses.replace(settings, batch_size=min(ROWS, settings.batch_size))
    few = dataclasses.replace(few, **{name: 0 for name in ("spectral_steps", "adversarial_from") if hasattr(few, name)})
    workers = Workers(0, 1, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = job.recordings
        if model == "lightspeech":
            data = folder / "rows"
            _write_rows(job, data)
        state = setup(make_task(model, network, few, data, AudioConfig(), workers, False), few, workers, folder)
        train_step(state)
        start = time.perf_counter()
        train_step(state)
        return (time.perf_counter() - start) * settings.batch_size / few.batch_size


def _write_rows(job: Job, folder: Path) -> None:
    """Writes a distilled dataset of some recordings whose symbols all last equally long."""
    lines = split_lines(job.recordings)[0][:FEW_LINES]
    waves = read_corpus(job.recordings, [line.name for line in lines], AudioConfig().sample_rate)
    dataset = TeacherDataset(lines, mels_from_waves(waves, "cpu"))
    size = settings_of(job, "tacotron2")[0].encoder_dim
    config = TextConfig(phonemes=job.config.phoneme_share > 0)
    with DistilledWriter(folder, Manifest(AudioConfig(), config, symbols, "none", 1, 0)) as writer:
        for row, line in enumerate(lines):
            ids = torch.tensor(dataset.read_row(row, float(config.phonemes), random.Random(0)))
            mel = dataset.mels.row(row).t()
            ends = torch.linspace(0, mel.shape[1], len(ids) + 1).round().long()
            writer.add(DistilledRow(line.name, 0, 0, ids, ends.diff(), mel, torch.zeros(len(ids), size), {}))
