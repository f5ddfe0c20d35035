"""What the student says of recordings (preprocess.py --student), and the vocoder's training on it."""
import csv
import dataclasses
import math
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import distillation.run
import lightspeech
import preprocess
import tacotron2
from audio import Ragged, mel_spectrogram, read_corpus
from distillation.dataset import DistilledDataset
from distillation.inference import TeacherInference
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from experiments.clock import add_clock
from hparams import CONFIGS, AudioConfig, TextConfig, UserError, WaveGlowConfig
from lightspeech.pitch import estimate_pitch
from runtime.settings import named_config, override
from tacotron2.data import TeacherDataset, mels_from_waves
from text import read_metadata, symbols
from training.distributed import Workers
from training.log import TrainingLog
from training.tasks import make_task
from training.vocoder import VocoderTask

CPU = Workers(0, 1, torch.device("cpu"))
VOCODER = WaveGlowConfig(squeeze="mdct", n_flows=0, n_blocks=1, block_channels=16, block_hidden=32)
TEXTS = ["Printing, in the only sense.", "Yes.", "It was good.", "The cat|{DH AH0} {K AE1 T}.", "One two three."]
LAX = ["--min-focus", "0", "--min-coverage", "0", "--max-jump", "1000", "--max-stay", "1000", "--device", "cpu"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Hums of half a second and more, none of whole frames; the second is held out."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    for number in range(len(TEXTS)):
        time = np.arange(11025 + 2100 * number) / 22050
        noise = 0.02 * np.random.default_rng(number).standard_normal(len(time))
        hum = sum(np.sin(2 * np.pi * (110 + 40 * number) * k * time) / k for k in range(1, 9))
        soundfile.write(folder / "wavs" / f"clip-{number}.wav", 0.15 * hum + noise, 22050)
    lines = [f"clip-{number}|{text}\n" for number, text in enumerate(TEXTS)]
    (folder / "metadata.csv").write_text("".join(lines[:1] + lines[2:]))
    (folder / "heldout.csv").write_text(lines[1])
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    model = tacotron2.Tacotron2(CONFIGS["tacotron2"]["tiny"][0], TextConfig()).eval()
    add_clock(model)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    tacotron2.save(path, model, model.text, {})
    return path


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch) -> None:
    monkeypatch.setattr(distillation.run, "PICTURES", 0)  # they take longer than all else


def command(corpus: Path, out: Path, teacher: Path, student: Path, *more: str) -> list[str]:
    return [str(corpus), "-o", str(out), "--weights", str(teacher), "--student", str(student), *LAX, *more]


def write_mels(folder: Path, corpus: Path, louder: float = 0.0, frames: int = 0) -> Path:
    """A folder with the recordings' own mels as the student's, so much louder (log), and so many frames longer."""
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=1, seed=0, features=False)
    with DistilledWriter(folder, manifest) as writer:
        for path in sorted((corpus / "wavs").iterdir(), reverse=True):
            wave = read_corpus(corpus, [path.stem]).flat / 32768
            mel = torch.nn.functional.pad(mel_spectrogram(wave[None])[0] + louder, (0, frames))
            writer.add(DistilledRow(path.stem, 0, 0, torch.tensor([1]), torch.tensor([mel.shape[1]]), mel, None, {}))
    return folder


def task_of(data: Path, mels: Path | None, **changes: str) -> VocoderTask:
    settings = override(named_config("waveglow", "tiny")[1], changes)
    return make_task("waveglow", VOCODER, settings, data, AudioConfig(), CPU, True, mels)


# preprocess.py --student


@pytest.mark.parametrize("batch", [[], ["--batch-symbols", "1"]])
def test_student_says_each_recording_in_step_with_it(corpus, teacher, student, tmp_path, batch):
    assert preprocess.main(command(corpus, tmp_path / "out", teacher, student, *batch)) == 0
    said, model = DistilledDataset.read(tmp_path / "out"), lightspeech.load(student)
    lines = {line.name: line for file in ("metadata.csv", "heldout.csv") for line in read_metadata(corpus / file)}
    assert sorted(said.names) == sorted(lines) and said.features is None
    for row, name in enumerate(said.names):
        wave = read_corpus(corpus, [name]).flat[None] / 32768
        ids, durations, mel = (part.row(row) for part in (said.ids, said.durations, said.mels))
        recorded = TeacherDataset([lines[name]], Ragged.from_rows([mel.float()]))
        assert ids.tolist() == recorded.read_row(0, 1.0, random.Random(1))  # as it was spoken
        assert len(mel) == wave.shape[1] // 256 + 1 and durations.min() >= 1
        lengths, heard = torch.tensor([len(ids)]), estimate_pitch(mel_spectrogram(wave), model.harmonics).log_hz
        alone, hoarse = (model(ids[None].long(), lengths, durations[None].long(), len(mel), pitch).mel[0].t()
                         for pitch in (heard, None))
        torch.testing.assert_close(mel.float(), alone, atol=4e-3, rtol=4e-3)
        assert (hoarse - alone).abs().max() > 0.02


def test_durations_are_those_of_the_teacher_as_it_listens(corpus, teacher, student, tmp_path):
    options = command(corpus, tmp_path / "out", teacher, student, "--batch-symbols", "1", "--seed", "3")
    assert preprocess.main(options) == 0
    said = DistilledDataset.read(tmp_path / "out")
    config = preprocess.read_config(preprocess.get_parser().parse_args(options))
    teacher_inference = TeacherInference(tacotron2.load(teacher), config, CPU.device)
    lines = read_metadata(corpus / "metadata.csv")
    dataset = TeacherDataset(lines, mels_from_waves(read_corpus(corpus, [line.name for line in lines]), "cpu"))
    for row, (line, request) in enumerate(zip(lines, teacher_inference.recorded_requests(dataset, 0))):
        (reading,) = teacher_inference.infer_teacher_forced(dataset, [row], [request], 0)
        place = said.names.index(line.name)
        assert said.durations.row(place).tolist() == reading.durations.tolist()
        assert not np.allclose(reading.mel.t(), said.mels.row(place), atol=0.1)  # the teacher's own
        (again,) = teacher_inference.infer_teacher_forced(dataset, [row], [request], 1)
        assert not torch.equal(again.mel, reading.mel)  # another chance


def test_finished_rows_are_not_made_again_and_rejected_ones_are_listed(corpus, teacher, student, tmp_path, capsys):
    options = command(corpus, tmp_path / "out", teacher, student, "--max-steps", "60", "--retries", "0")
    assert preprocess.main(options) == 0
    rejected = list(csv.DictReader(open(tmp_path / "out" / "rejected.csv")))
    assert {row["name"]: row["reason"] for row in rejected} == {"clip-4": "did not stop within 76 frames",
                                                                "clip-3": "did not stop within 68 frames"}
    assert preprocess.main(options) == 0
    assert "3 rows kept" in (told := capsys.readouterr().out.splitlines())[0] and "this run 0 rows" in told[1]
    task = task_of(corpus, tmp_path / "out")
    assert task.recordings == ["clip-0", "clip-2"]
    assert f"2 of 5 recordings are left out: no mel in {tmp_path / 'out'}" in capsys.readouterr().err


@pytest.mark.parametrize("change, told", [
    (lambda options, corpus: [f"{corpus}/metadata.csv", *options[1:]], "metadata.csv, expected one folder in LJSpeech"),
    (lambda options, corpus: [str(corpus), *options], "expected one folder in LJSpeech's layout"),
    (lambda options, corpus: [*options, "--samples", "2"], "--samples: found 2, expected 1 with --student"),
    (lambda options, corpus: [*options, "--student", "none.safetensors"], "none.safetensors: no such file")])
def test_mistakes_get_one_line(corpus, teacher, student, tmp_path, capsys, change, told):
    assert preprocess.main(change(command(corpus, tmp_path / "out", teacher, student), corpus)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line and not (tmp_path / "out").exists()


def test_student_and_teacher_must_read_alike(corpus, teacher, student, tmp_path, capsys):
    lightspeech.save(tmp_path / "letters.safetensors", lightspeech.load(student), TextConfig(phonemes=False))
    assert preprocess.main(command(corpus, tmp_path / "out", teacher, tmp_path / "letters.safetensors")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "phonemes=False), expected TextConfig" in line and not (tmp_path / "out").exists()


# train.py --model waveglow --mels


def test_half_of_a_batch_hears_the_students_mels(corpus, tmp_path):
    plain, task = task_of(corpus, None), task_of(corpus, write_mels(tmp_path / "mels", corpus, louder=1.0))
    for step in range(3):
        for one in (plain, task):
            one._draw(step)
        recorded, segments = plain.sampler.cut(plain.positions), task.sampler.cut(task.positions)
        assert torch.equal(segments.wave[1::2], recorded.wave[1::2])
        assert torch.equal(segments.mel[1::2], recorded.mel[1::2])
        for wave, mel in zip(segments.wave[::2], segments.mel[::2]):
            own = mel_spectrogram(wave[None])[0, :, 2:-2]  # as far as the segment's edges are not seen
            spoken = mel[:, task.model.context:-task.model.context][:, 2:]
            torch.testing.assert_close(spoken[:, :own.shape[1] - 1], own[:, :-1] + 1, atol=0.02, rtol=0)


def test_validation_hears_both_and_the_newest_network_is_the_best(corpus, tmp_path):
    figures = []
    for louder in (0.0, 2.0):
        task = task_of(corpus, write_mels(tmp_path / str(louder), corpus, louder), spectral_steps="1")
        with torch.no_grad():
            blurred = task.validate(task.model, 1, TrainingLog(tmp_path, False, 0, 2))
            figures.append(task.validate(task.model, 2, TrainingLog(tmp_path, False, 0, 2)))
        assert blurred["score"] == math.inf  # before the discriminators take part
    same, other = figures
    assert set(same) == {"mel", "stft", "student mel", "student stft", "score"}
    assert same["student mel"] == pytest.approx(same["mel"], abs=1e-3)
    assert same["mel"] == other["mel"] and abs(other["student mel"] - other["mel"]) > 0.01
    assert same["score"] == other["score"] == -2


def test_mels_of_other_recordings_are_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="--mels .*/none: no such folder; make the mels of this corpus with preproc"):
        task_of(corpus, tmp_path / "none")
    longer = write_mels(tmp_path / "longer", corpus, frames=1)
    with pytest.raises(UserError, match="longer: found 45 mel frames of clip-0, expected the 44 of its recording; ma"):
        task_of(corpus, longer)
    (tmp_path / "other" / "wavs").mkdir(parents=True)
    (tmp_path / "other" / "wavs" / "clip-0.wav").symlink_to(corpus / "wavs" / "clip-0.wav")
    with pytest.raises(UserError, match="found none of the held-out lines of .*, expected most; make the mels"):
        task_of(corpus, write_mels(tmp_path / "few", tmp_path / "other"))
    with DistilledWriter(tmp_path / "hop", dataclasses.replace(
            DistilledDataset.read(longer).manifest, audio=AudioConfig(hop_length=300))):
        with pytest.raises(UserError, match="mel definition hop_length 300, expected 256"):
            task_of(corpus, tmp_path / "hop")
