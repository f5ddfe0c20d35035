"""Making a voice of recordings, on tiny networks: its preparation, its stages, stopping and going on, and speaking."""
import dataclasses
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import lightspeech
import synthesize
import tacotron2
import train
import training.loop
import waveglow
from audio import read_wav
from audio.preparation import LEVEL, even_level, level_of, trim
from audio.recordings import split_lines
from distillation.dataset import DistilledDataset, read_records
from distillation.recordings import add_recordings
from experiments.clock import add_clock
from hparams import VOICE_CONFIGS, DistillationConfig, UserError
from runtime.weights import weights_notes
from synthesis import Synthesizer
from synthesis.voices import find_voice
from text import read_metadata
from training.state import TrainingState
from voice.progress import Progress, duration
from voice.recordings import metadata_line, prepare, split_by_sentence
from voice.stage import Job, Stage
from voice.stages import MORE_TEXTS, _align_with_held_out, all_stages
from voice.trial import measured

RATE = 22050
TEXTS = ["Hello there.", "One two three.", "It was good.", "Printing, in the only sense.", "Two four six.",
         "hello there", "A red fox and a very long text that nobody could ever say in the short time of a recording."]
FEW = ["--model", "voice", "--config", "tiny", "--device", "cpu", "--teacher-steps", "4", "--student-steps", "4",
       "--vocoder-steps", "2", "--joint-steps", "2"]


def speechlike(rng: np.random.Generator, seconds: float, level: float) -> np.ndarray:
    """Returns a hum with noise (S,) float."""
    time = np.arange(round(seconds * RATE)) / RATE
    return level * (np.sin(2 * np.pi * rng.uniform(120, 250) * time) + 0.05 * rng.standard_normal(len(time)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder of seven recordings: soft, with silence at the ends, two takes of a sentence, one text too long."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    rng = np.random.default_rng(0)
    for number in range(len(TEXTS)):
        before, after = (0.0005 * rng.standard_normal(round(seconds * RATE)) for seconds in (0.4, 0.9))
        wave = np.concatenate((before, speechlike(rng, 0.7 + 0.1 * number, 0.05), after))
        soundfile.write(folder / "wavs" / f"clip-{number}.wav", wave, RATE)
    (folder / "metadata.csv").write_text("".join(f"clip-{n}|{text}\n" for n, text in enumerate(TEXTS)))
    (folder / "LICENSE").write_text("CC0")
    return folder


@pytest.fixture(scope="module")
def voice(corpus, tmp_path_factory) -> Path:
    """A voice made from nothing, in one go."""
    folder = tmp_path_factory.mktemp("voices") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voice.run.measured", lambda job, stages: stages)
        assert run(corpus, folder, "--init", "none") == 0
    return folder


def run(data: Path, out: Path, *more: object) -> int:
    """Runs train.py --model voice and returns its exit status."""
    return train.main([*FEW, "--data", str(data), "--out", str(out), *map(str, more)])


def test_trimming_keeps_the_speech_and_a_margin():
    rng = np.random.default_rng(0)
    speech = speechlike(rng, 1.0, 0.1)
    wave = np.concatenate((np.zeros(RATE), speech, 0.0005 * rng.standard_normal(2 * RATE)))
    wave[RATE // 2] = 0.9  # a click is no speech
    wave = np.round(wave * 32767).astype(np.int16)
    cut = trim(wave, RATE)
    assert abs(len(cut) - 1.2 * RATE) < 0.05 * RATE
    assert len(cut) - len(trim(cut, RATE)) < 0.02 * RATE  # the frames lie elsewhere
    loudest = np.abs(speech).argmax()
    assert np.round(speech[loudest] * 32767).astype(np.int16) in cut
    assert len(trim(np.zeros(RATE, np.int16), RATE)) == RATE and len(trim(wave[:10], RATE)) == 10


def test_soft_ends_of_words_survive_trimming():
    rng = np.random.default_rng(0)
    consonant = 0.003 * rng.standard_normal(RATE // 5)  # 27 dB below the vowel
    wave = np.concatenate((speechlike(rng, 1.0, 0.1), consonant, 0.0002 * rng.standard_normal(RATE)))
    assert len(trim(np.round(wave * 32767).astype(np.int16), RATE)) > 1.2 * RATE


def test_levels_are_made_alike_without_clipping():
    rng = np.random.default_rng(0)
    for level in (0.001, 0.01, 0.3):
        wave = np.round(speechlike(rng, 1.0, level) * 32767).astype(np.int16)
        assert abs(level_of(even_level(wave)) - LEVEL) < 0.2
    wave[100] = 30000
    wave[200:] //= 100
    peaky = even_level(wave)
    assert np.abs(peaky.astype(int)).max() < 32767 and level_of(peaky) < LEVEL
    assert not even_level(np.zeros(100, np.int16)).any()


def test_takes_of_a_sentence_stay_on_one_side(corpus, tmp_path):
    training, held_out = split_by_sentence(corpus)
    assert len(training) + len(held_out) == len(TEXTS)
    shutil.copytree(corpus, tmp_path / "corpus")
    (tmp_path / "corpus" / "heldout.csv").write_text("clip-0|Hello there.\n")
    training, held_out = split_by_sentence(tmp_path / "corpus")
    assert [line.name for line in held_out] == ["clip-0"] and "clip-5" not in [line.name for line in training]
    (tmp_path / "corpus" / "metadata.csv").write_text("clip-0|Hello there.\nclip-5|hello there\n")
    with pytest.raises(UserError, match="record other sentences"):
        split_by_sentence(tmp_path / "corpus")


def test_preparation_says_and_does_what_the_corpus_needs(corpus, tmp_path):
    notes = []
    prepared = prepare(corpus, tmp_path, True, notes.append)
    assert (prepared.training, prepared.held_out) == tuple(map(len, split_lines(tmp_path)))
    assert prepared.training + prepared.held_out == 6 and prepared.notes == notes[:len(prepared.notes)]
    text = "\n".join(notes)
    assert "more than 0.2 s from 7" in text and "do not fit" not in text and "does not fit their length: 1" in text
    assert re.search(r"changed by \+\d", text) and "minutes of speech are little" in text
    for line in [line for part in split_lines(tmp_path) for line in part]:
        wave = read_wav(tmp_path / "wavs" / f"{line.name}.wav")
        assert abs(level_of(np.round(wave * 32768).astype(np.int16)) - LEVEL) < 0.1 and len(wave) < 1.7 * RATE
    prepare(corpus, tmp_path / "whole", False, notes.append)
    assert len(read_wav(tmp_path / "whole" / "wavs" / "clip-0.wav")) == 2 * RATE


def test_names_that_are_paths_stay_in_the_folder(corpus, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(corpus / "wavs", data / "wavs")
    (data / "wavs" / "sub").mkdir()
    shutil.copy(corpus / "wavs" / "clip-1.wav", data / "wavs" / "sub" / "Clip-0.wav")
    shutil.copy(corpus / "wavs" / "clip-2.wav", tmp_path / "data" / "up.wav")
    (data / "metadata.csv").write_text("clip-0.wav|Hello there.\nsub/Clip-0|One two three.\n../up|It was good.\n")
    prepare(data, tmp_path / "out", True, lambda note: None)
    lines = [line for part in split_lines(tmp_path / "out") for line in part]
    assert sorted(line.name for line in lines) == ["_up", "clip-0", "sub_Clip-0"]
    assert {path.stem for path in (tmp_path / "out" / "wavs").iterdir()} == {line.name for line in lines}


def test_a_voice_speaks_and_reports(voice, corpus, tmp_path, capsys):
    out = tmp_path / "hello.wav"
    assert synthesize.main(["--voice", str(voice), "Hello there.", "-o", str(out), "--device", "cpu"]) == 0
    speech = Synthesizer(voice=voice, device="cpu").speak("Hello there.")
    assert np.abs(read_wav(out) - speech.wave).max() < 1e-3
    report, page = (voice / "README.md").read_text(), (voice / "index.html").read_text()
    assert "[LICENSE](LICENSE)" in report and (voice / "LICENSE").read_text() == "CC0"
    for name in ("recordings", "teacher", "align", "student", "vocoder", "joint"):
        assert f"| {name} |" in report
    for line in read_metadata(voice / "work" / "recordings" / "heldout.csv"):
        assert line.text in page
    for sample in re.findall(r'src="([^"]+)"', page):
        assert (voice / sample).is_file()


def test_the_student_learns_the_recordings_mels(voice):
    dataset = DistilledDataset.read(voice / "work" / "distilled")
    training = read_metadata(voice / "work" / "recordings" / "metadata.csv")
    assert sorted(dataset.names) == sorted(line.name for line in training) and set(dataset.samples) == {0}
    assert dataset.manifest.text.phonemes
    for name, mel, durations in zip(dataset.names, map(dataset.mels.row, range(len(dataset))),
                                    map(dataset.durations.row, range(len(dataset)))):
        samples = len(read_wav(voice / "work" / "recordings" / "wavs" / f"{name}.wav"))
        assert len(mel) == int(durations.sum()) == samples // 256 + 1


def test_stopped_anywhere_it_goes_on_to_the_same_voice(voice, corpus, tmp_path, monkeypatch, capsys):
    ends = {"tacotron2": "signal", "lightspeech": "kill", "waveglow": "signal", "joint": "signal"}  # the first attempts
    real = training.loop.train_step

    def train_step(state: TrainingState) -> dict:
        losses = real(state)
        how = ends.pop(state.task.model_name, None)
        if how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "kill":
            raise MemoryError("as if killed")
        return losses

    monkeypatch.setattr(training.loop, "train_step", train_step)
    monkeypatch.setattr("voice.run.measured", lambda job, stages: stages)
    out, statuses = tmp_path / "mine", []
    more = ["--init", "none"]
    while ends:
        try:
            statuses.append(run(corpus, out, *more))
        except MemoryError:
            statuses.append("killed")
    assert statuses == [1, "killed", 1, 1] and "the same command goes on" in capsys.readouterr().err
    assert not (out / "lightspeech.safetensors").exists()
    assert run(corpus, out, *more) == 0
    for package in (lightspeech, waveglow):
        found, expected = (package.load(folder / f"{package.__name__}.safetensors").state_dict()
                           for folder in (out, voice))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert run(corpus, out, *more) == 0  # nothing is left to do
    with_trim = run(corpus, out, *more, "--trim", "false")
    assert with_trim == 2 and "trim True (now False)" in capsys.readouterr().err


def test_it_starts_from_the_weights_of_a_folder_and_reads_more_texts(voice, corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("voice.run.measured", lambda job, stages: stages)
    init = tmp_path / "init"
    init.mkdir()
    for model, stage in (("tacotron2", "teacher"), ("lightspeech", "student"), ("waveglow", "vocoder")):
        shutil.copy(voice / "work" / f"{stage}.safetensors", init / f"{model}.safetensors")
    teacher = tacotron2.load(init / "tacotron2.safetensors")
    add_clock(teacher)  # a few steps do not teach it to stop
    tacotron2.save(init / "tacotron2.safetensors", teacher, teacher.text, {})
    (tmp_path / "more.txt").write_text("A new text.\n")
    out = tmp_path / "mine"
    status = run(corpus, out, "--init", init, "--samples", 2, "--texts", tmp_path / "more.txt", "--more-texts", 2,
                 "--phoneme-share", 0)
    assert status == 0
    notes = weights_notes(out / "work" / "teacher.safetensors")
    assert notes["training"]["learning_rate"] == 3e-4 and notes["sharpened"] == 1.15
    rows = read_records(out / "work" / "distilled").rows
    recorded = [line.name for line in read_metadata(out / "work" / "recordings" / "metadata.csv")]
    ours = [line.name for line in read_metadata(MORE_TEXTS)[:2]]
    assert sorted(rows) == sorted((name, sample) for name in [*recorded, "more-000001", *ours] for sample in (0, 1))
    assert not DistilledDataset.read(out / "work" / "distilled", with_features=False).manifest.text.phonemes
    assert "starts from" in capsys.readouterr().err


def test_the_joint_training_has_a_held_out_recording(voice, tmp_path, capsys):
    """If the limits reject the held-out recording, all recordings are used; a second call finds the rows again."""
    job = Job(tmp_path, tmp_path, VOICE_CONFIGS["tiny"], {}, device="cpu")
    shutil.copytree(voice / "work" / "recordings", job.recordings)
    shutil.copy(voice / "work" / "teacher.safetensors", job.work)
    lines = [line for part in split_lines(job.recordings) for line in part]
    frames = {line: len(read_wav(job.recordings / "wavs" / f"{line.name}.wav")) // 256 + 1 for line in lines}
    *shorter, longest = sorted(lines, key=frames.__getitem__)
    (job.recordings / "metadata.csv").write_text("".join(metadata_line(line.name, line) for line in shorter))
    (job.recordings / "heldout.csv").write_text(metadata_line(longest.name, longest))
    limits = dataclasses.replace(job.config.limits, max_steps=frames[longest] - 1)
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, limits=limits))
    assert add_recordings(job.recordings, tmp_path / "few", job.weights("teacher"), DistillationConfig(limits=limits),
                          "cpu", lines) == (len(lines) - 1, 1)
    assert f"{longest.name},0,did not stop within" in (tmp_path / "few" / "rejected.csv").read_text()
    for _ in range(2):
        _align_with_held_out(job, tmp_path / "aligned")
        rows = read_records(tmp_path / "aligned").rows
        assert not any(row.reason for row in rows.values()) and len(rows) == len(lines)
    assert capsys.readouterr().err.count("now all recordings are used") == 1


@pytest.mark.parametrize("more, expected", [
    (["--init", "/nowhere"], "/nowhere/tacotron2.safetensors: no such file; --init takes a folder"),
    (["--texts", "/nowhere.txt"], "/nowhere.txt: no such file"),
    (["--networks", "huge"], "networks: found 'huge', expected one of default, tiny"),
    (["--resume"], "unrecognized arguments: --resume"),
    (["--config", "huge"], "--config: found 'huge', expected one of default, tiny for voice")])
def test_mistakes_get_one_line_before_any_work(corpus, tmp_path, capsys, more, expected):
    try:
        status = run(corpus, tmp_path / "mine", *more)
    except SystemExit as exit:  # argparse's own
        status = exit.code
    assert status == 2 and expected in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "mine").exists()


def test_damaged_weights_are_refused_before_any_work(voice, corpus, tmp_path, capsys):
    for model in ("tacotron2", "lightspeech", "waveglow"):
        (tmp_path / f"{model}.safetensors").write_bytes(b"damaged")
    assert run(corpus, tmp_path / "mine", "--init", tmp_path) == 2
    assert "not a complete safetensors file" in capsys.readouterr().err and not (tmp_path / "mine").exists()


def test_a_missing_recording_is_named_and_can_be_mended(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(corpus, data)
    (data / "wavs" / "clip-1.wav").unlink()
    assert run(data, tmp_path / "mine", "--init", "none") == 2
    assert "clip-1.wav: no such file" in capsys.readouterr().err
    assert not (tmp_path / "mine" / "work" / "voice.json").exists()


def test_voices_are_found_by_folder_and_by_name(voice, tmp_path, monkeypatch):
    monkeypatch.setattr("synthesis.voices.SHIPPED", voice.parent)
    assert Synthesizer(voice="mine", device="cpu").speak("Hello.").wave.any()
    (tmp_path / "small").mkdir()
    for model in ("lightspeech", "waveglow"):
        (tmp_path / "small" / f"{model}.onnx").write_text("")
    assert [path.name for path in find_voice(tmp_path / "small")] == ["lightspeech.onnx", "waveglow.onnx"]
    with pytest.raises(UserError, match="voice nobody: no such folder, and .* has mine; make one with"):
        Synthesizer(voice="nobody")
    with pytest.raises(UserError, match="lightspeech.safetensors and waveglow.safetensors not found there"):
        Synthesizer(voice=tmp_path)
    with pytest.raises(UserError, match="leave one out"):
        Synthesizer("x.safetensors", voice=voice)


def test_remaining_time_follows_the_pace():
    now, lines = [0.0], []
    stages = [Stage("a", "", 100.0, None, steps=10), Stage("b", "", 50.0, None, steps=10), Stage("c", "", 20.0, None)]
    progress = Progress(stages, lines.append, lambda: now[0])
    progress.begin(0)
    assert progress.remaining() == 170
    progress.watch(2)
    now[0] = 40.0
    progress.watch(4)  # 20 s a step: 120 s more
    assert progress.remaining() == 190
    now[0] = 200.0
    assert progress.end(False) == 200  # twice as long as expected
    progress.begin(1)
    assert progress.remaining() == 140
    assert lines[0].startswith("stage 1 of 3, a: begins") and "stage 1 of 3, a: 40%" in lines[1]
    assert [duration(seconds) for seconds in (40, 720, 27000)] == ["40 s", "12 min", "7.5 h"]


def test_a_few_steps_tell_the_time_on_a_cpu(voice, corpus):
    job = Job(corpus, voice, dataclasses.replace(VOICE_CONFIGS["tiny"], more_texts=3600), {}, device="cpu")
    stages = [dataclasses.replace(stage, seconds=0.0) for stage in all_stages(job)[:5]]
    found = {stage.name: stage.seconds for stage in measured(job, stages)}
    assert found["teacher"] > 0 and found["student"] > 0 and found["recordings"] == found["align"] == 0
    assert found["read"] > 3600


def test_the_state_of_another_program_is_refused(voice, corpus, tmp_path, capsys):
    (tmp_path / "mine" / "work").mkdir(parents=True)
    for content in ("{}", "[1]", json.dumps({"settings": {}, "finished": {"teacher": "x"}, "spent": {}})):
        (tmp_path / "mine" / "work" / "voice.json").write_text(content)
        assert run(corpus, tmp_path / "mine", "--init", "none") == 2
        assert "not the state of a voice" in capsys.readouterr().err
