"""The three real trainings on a corpus that the test makes: resuming, what is held out, settings that cannot be."""
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import lightspeech
import train as script
from audio import Ragged
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import CONFIGS, AudioConfig, TextConfig, UserError
from runtime.settings import named_config, override
from text import symbols
from training.checkpoint import load_newest
from training.distributed import Workers
from training.judge import check_judge
from training.loop import fit
from training.state import Task, setup
from training.tasks import make_task
from waveglow.data import SegmentSampler

CPU = Workers(0, 1, torch.device("cpu"))
TEXTS = ["Hello.", "One two three.", "It was good.", "Printing, in the only sense."]
FEW = {"steps": "4", "batch_size": "2", "log_every": "2", "validate_every": "2"}
SETTINGS = {"tacotron2": {**FEW, "adversarial_weight": "0.1"}, "lightspeech": {**FEW, "adversarial_weight": "0.1"},
            "waveglow": {**FEW, "spectral_steps": "2", "segment": "2048"},
            "joint": {**FEW, "distilled_batch_size": "2", "segment": "2048"}}  # discriminators join half-way


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder in LJSpeech's layout: noise of half a second and more."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    for number in range(len(TEXTS)):
        wave = 0.1 * np.random.default_rng(number).standard_normal(11025 + 2000 * number)
        soundfile.write(folder / "wavs" / f"clip-{number}.wav", wave, 22050)
    (folder / "metadata.csv").write_text("".join(f"clip-{n}|{text}\n" for n, text in enumerate(TEXTS)))
    return folder


@pytest.fixture(scope="module")
def distilled(tmp_path_factory) -> Path:
    """A distilled dataset of three texts, each read twice."""
    folder = tmp_path_factory.mktemp("data") / "distilled"
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=2, seed=0, features=False)
    with DistilledWriter(folder, manifest) as writer:
        for number in range(6):
            ids = torch.arange(4 + number)
            mel = torch.randn(80, 3 * len(ids), generator=torch.Generator().manual_seed(number))
            writer.add(DistilledRow(f"text-{number // 2}", number % 2, number, ids, torch.full_like(ids, 3), mel, None,
                                    {}))
    return folder


@pytest.fixture(scope="module")
def said(corpus, tmp_path_factory) -> Path:
    """What a student might say of the corpus, by preprocess.py --student."""
    folder = tmp_path_factory.mktemp("said") / "mels"
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", samples=1, seed=0, features=False)
    with DistilledWriter(folder, manifest) as writer:
        for number in range(len(TEXTS)):
            frames = (11025 + 2000 * number) // 256 + 1
            mel = torch.randn(80, frames, generator=torch.Generator().manual_seed(number)) - 4
            writer.add(DistilledRow(f"clip-{number}", 0, 0, [1], torch.tensor([frames]), mel, None, {}))
    return folder


def task_of(model: str, data: Path, mels: Path | None = None, distilled: Path | None = None, **changes: str) -> Task:
    config, settings = named_config(model, "tiny")
    return make_task(model, config, override(settings, {**SETTINGS[model], **changes}), data, AudioConfig(), CPU, True,
                     mels, distilled)


def train(task: Task, folder: Path, resume: bool = False) -> bool:
    folder.mkdir(exist_ok=True)
    return fit(setup(task, task.settings, CPU, folder, load_newest(folder, task.model_name) if resume else None))


def leaves(value: object, path: str = "") -> dict[str, object]:
    """All that is in nested containers, by its path."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else None
    if parts is None:
        return {path: value}
    return {name: leaf for key, part in parts for name, leaf in leaves(part, f"{path}/{key}").items()}


@pytest.mark.parametrize("model, tuned", [*((model, False) for model in CONFIGS), ("waveglow", True)])
def test_resume_equals_no_interruption(model, tuned, corpus, distilled, said, tmp_path):
    data = distilled if model == "lightspeech" else corpus
    inputs = data, said if tuned or model == "joint" else None, distilled if model == "joint" else None
    assert train(task_of(model, *inputs), tmp_path / "whole")
    task = task_of(model, *inputs)
    step = task.train_step

    def stopped(number: int) -> dict[str, torch.Tensor]:
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(number)
    task.train_step = stopped
    assert not train(task, tmp_path / "parts")
    torch.rand(5)  # whatever the new process drew before
    assert train(task_of(model, *inputs), tmp_path / "parts", resume=True)
    for name in ("latest.pt", "best.pt"):
        whole, parts = (leaves(torch.load(tmp_path / run / name, weights_only=True)) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys() and len(whole) > 50
        for path, leaf in whole.items():
            assert torch.equal(leaf, parts[path]) if isinstance(leaf, torch.Tensor) else leaf == parts[path], path


def test_a_student_begins_at_the_mean_of_its_targets(distilled):
    """From far below it, the published recipe takes a thousand steps to find the mean, and some never get beyond."""
    task = task_of("lightspeech", distilled)
    mels = [torch.randn(80, 3 * (4 + number), generator=torch.Generator().manual_seed(number)) for number in range(6)]
    torch.testing.assert_close(task.model.mel_linear.bias.detach(), torch.cat(mels, 1).mean(1), atol=2e-3, rtol=0)


def test_all_readings_of_a_held_out_text_are_held_out(distilled):
    task = task_of("lightspeech", distilled)
    names = task.dataset.names
    assert len(task.validation_rows) == 2 and len(task.training_rows) == 4
    assert not {names[row] for row in task.validation_rows} & {names[row] for row in task.training_rows}


def test_rows_that_are_left_out_are_reported(corpus, capsys):
    task_of("tacotron2", corpus, max_frames="60")
    assert "1 of 3 recordings are left out: too long, see --max-frames" in capsys.readouterr().err
    task_of("waveglow", corpus, segment="16384")
    assert "2 of 3 recordings are left out: too short, see --segment" in capsys.readouterr().err


def test_segments_are_named_by_their_recordings(corpus):
    task = task_of("waveglow", corpus, segment="12800")  # two of the three are as long, the later ones
    waves = [task.sampler.waves.row(row).float() / 32768 for row in range(3)]
    for step in range(4):
        names = task.names(step)
        for name, wave in zip(names, task.sampler.cut(task.positions).wave, strict=True):
            recording = waves[task.recordings.index(name)]
            assert (recording.unfold(0, len(wave), 1) == wave).all(1).any()


def test_a_part_without_a_usable_recording_is_refused(corpus, tmp_path):
    (tmp_path / "wavs").mkdir()
    for number, samples in enumerate((11025, 700)):
        soundfile.write(tmp_path / "wavs" / f"clip-{number}.wav", np.full(samples, 0.1), 22050)
    (tmp_path / "metadata.csv").write_text("clip-0|Hello.\nclip-1|Hello.\n")
    for model in ("tacotron2", "waveglow"):
        with pytest.raises(UserError, match="no row is left for training: 1 row shorter than 2048 samples"):
            task_of(model, tmp_path)


@pytest.mark.parametrize("model, name, value, expected", [
    ("tacotron2", "encoder_dim", "33", "an even number"), ("tacotron2", "location_kernel_size", "30", "an odd number"),
    ("tacotron2", "attention_dropout", "1", "below 1"), ("tacotron2", "phoneme_share", "1.5", "at most 1"),
    ("tacotron2", "postnet_n_convolutions", "1", "at least 2"), ("waveglow", "n_layers", "0", "at least 1"),
    ("waveglow", "segment", "512", "at least 2048"), ("waveglow", "sigma", "0", "above 0"),
    ("lightspeech", "learning_rate", "-1", "at least 0"), ("lightspeech", "ema_decay", "nan", "at least 0"),
    ("lightspeech", "beta1", "1", "below 1"), ("lightspeech", "seed", "-1", "at least 0")])
def test_settings_out_of_range_are_refused(model, name, value, expected):
    config, settings = named_config(model, "tiny")
    owner = config if name in {field.name for field in dataclasses.fields(config)} else settings
    with pytest.raises(UserError, match=f"{name}: found .*, expected {expected}"):
        override(owner, {name: value})


def test_sizes_that_the_data_do_not_have_are_refused(corpus, distilled):
    for model, name in (("tacotron2", "n_mels"), ("waveglow", "n_mels"), ("lightspeech", "n_symbols")):
        config, settings = named_config(model, "tiny")
        with pytest.raises(UserError, match=f"{name}: found 40, expected"):
            make_task(model, override(config, {name: "40"}), settings, corpus, AudioConfig(), CPU, True)


def test_every_configuration_of_the_vocoder_cuts_whole_frames():
    waves = Ragged.from_rows([torch.zeros(60000, dtype=torch.int16)])
    for _, settings in CONFIGS["waveglow"].values():
        assert SegmentSampler(waves, settings.segment, 5).draw(1).wave.shape == (1, settings.segment)
    with pytest.raises(UserError, match="segment: found 16000 samples, expected a multiple of 256"):
        SegmentSampler(waves, 16000, 5)


def test_the_postnet_has_no_dropout_once_discriminators_judge_it(corpus):
    task = task_of("tacotron2", corpus)  # they join at step 2 of 4
    modes = []
    for step in range(4):
        task.train_step(step)
        modes.append(task.model.postnet.training)
    assert modes == [True, True, False, False] and task.model.encoder.training


@pytest.mark.parametrize("model", ["lightspeech", "waveglow"])
def test_a_judge_scores_the_samples_of_each_validation(model, corpus, distilled, tmp_path, capfd):
    script = tmp_path / "judge.py"
    script.write_text("import pathlib, sys\nfiles = sorted(pathlib.Path(sys.argv[1]).iterdir())\n"
                      "calls = pathlib.Path(__file__).with_name('calls')\n"
                      "calls.write_text(calls.read_text() + '.' if calls.exists() else '.')\n"
                      "assert calls.read_text() != '...', 'the third call fails'\n"
                      "print('MOS of', len(files), 'files')\nprint(5 - len(calls.read_text()))\n")
    task = task_of(model, distilled if model == "lightspeech" else corpus, steps="6")
    task.model.train()
    (tmp_path / "run").mkdir()
    state = setup(task, task.settings, CPU, tmp_path / "run", judge=f"'{sys.executable}' {script}")
    assert fit(state)
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    judged = [record["judge"] for record in records if record["kind"] == "validation"]
    assert judged[:2] == [4.0, 3.0] and np.isnan(judged[2]) and "--judge: no number from" in capfd.readouterr().err
    assert state.best_score == -4 and load_newest(tmp_path / "run", task.model_name)[1]["step"] == 6
    (sample,) = [path for path in (tmp_path / "run" / "samples").iterdir()][:1]
    if model == "lightspeech":
        assert np.load(sample).shape[0] == 80 and np.load(sample).dtype == np.float32
    else:
        assert sample.suffix == ".wav" and len(soundfile.read(sample)[0]) > 10000


def test_a_judge_that_cannot_be_run_is_refused():
    for command in ("", "no-such-program-here -x", "'"):
        with pytest.raises(UserError, match="--judge: found"):
            check_judge(command)


def test_by_the_script_a_run_is_resumed_and_exported_and_damage_is_refused(distilled, tmp_path, capsys):
    run = tmp_path / "run"
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in FEW.items()]
    common = ["--config", "tiny", "--data", str(distilled), "--out", str(run), "--device", "cpu", *settings]
    assert script.main(common) == 0
    assert load_newest(run, "lightspeech")[1]["train_config"]["phase_steps"] == 4  # stored, also without --resume
    assert script.main([*common, "--resume", "--steps", "6", "--batch-size", "1", "--checkpoint-seconds", "9"]) == 0
    assert "resumed with other settings: steps 4 (now 6), batch_size 2 (now 1)" in capsys.readouterr().err
    assert json.loads((run / "config.json").read_text())["training"]["phase_steps"] == 4
    export = ["--out", str(run), "--export", str(tmp_path / "student.safetensors")]
    assert script.main(export) == 0
    model, saved = lightspeech.load(tmp_path / "student.safetensors"), load_newest(run, "lightspeech")[1]
    torch.testing.assert_close(model.mel_linear.weight, saved["average"]["mel_linear.weight"], atol=1e-3, rtol=1e-3)
    for path in (run / "best.pt", run / "latest.pt"):
        content = bytearray(path.read_bytes())
        start = content.index(saved["average"]["embedding.weight"].numpy().tobytes())
        content[start:start + 4096] = bytes(4096)
        path.write_bytes(content)
    capsys.readouterr()
    for arguments in (export, [*common, "--resume", "--steps", "8"]):
        assert script.main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "damaged (the checksum of" in line and "move it away" in line


def test_a_checkpoint_with_discriminators_from_before_format_2_is_resumed(distilled, tmp_path):
    train(task_of("lightspeech", distilled), tmp_path)
    state = torch.load(tmp_path / "latest.pt", weights_only=True)
    state["networks"]["discriminators"] = {name.replace("discriminators.", "judges.", 1): tensor for name, tensor
                                           in state["networks"]["discriminators"].items()}
    del state["train_config"]["phase_steps"]
    torch.save({**state, "format": 1, "random": state["random"][0]}, tmp_path / "latest.pt")
    resumed = task_of("lightspeech", distilled)
    setup(resumed, resumed.settings, CPU, tmp_path, load_newest(tmp_path, "lightspeech"))
    weights = list(resumed.networks["discriminators"].state_dict().values())
    assert all(torch.equal(one, two) for one, two in
               zip(weights, state["networks"]["discriminators"].values(), strict=True))
