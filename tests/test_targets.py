"""experiments/targets.py: the whole command with tiny networks, and its parts."""
import json

import numpy as np
import pytest
import soundfile
import torch

import tacotron2
from distillation.dataset import DistilledDataset
from experiments.clock import add_clock
from experiments.target_experiment import CELLS, SIZES, Cell, Experiment
from experiments.target_sets import GROUPS, MEL_TARGETS, SETS, make_part, rescale
from experiments.target_students import spoken_rows, train_student
from experiments.targets import main, recorded_settings, remaining_error, run
from hparams import CONFIGS, LightSpeechConfig, TextConfig, UserError
from lightspeech import LightSpeech
from runtime.weights import weights_notes

LINES = ["Hello.", "One two three.", "It was good.", "Printing, in the only sense.", "No, no, no.", "Yes it is.",
         "The cat|{DH AH0} {K AE1 T}."]
LAX = ("--min-focus", "0", "--min-coverage", "0", "--max-jump", "1000", "--max-stay", "1000", "--max-steps", "200")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, vocoder) -> Experiment:
    """Returns an experiment on seven hums, two of them held out, with a teacher that stops and three students."""
    folder = tmp_path_factory.mktemp("targets")
    (folder / "corpus" / "wavs").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(len(LINES)):
        time = np.arange(11025 + 1000 * number) / 22050
        wave = 0.3 * np.sin(2 * np.pi * (120 + 30 * number) * time) + 0.02 * rng.standard_normal(len(time))
        soundfile.write(folder / "corpus" / "wavs" / f"clip-{number}.wav", wave, 22050)
    lines = [f"clip-{number}|{line}\n" for number, line in enumerate(LINES)]
    (folder / "corpus" / "metadata.csv").write_text("".join(lines[2:]))
    (folder / "corpus" / "heldout.csv").write_text("".join(lines[:2]))
    torch.manual_seed(0)
    teacher = tacotron2.Tacotron2(CONFIGS["tacotron2"]["tiny"][0], TextConfig()).eval()
    add_clock(teacher)
    tacotron2.save(folder / "teacher.safetensors", teacher, teacher.text, {})
    cells = (Cell("recorded", "published", True), Cell("free-scaled", "published", False), Cell("free", "small", False))
    sizes = {"published": LightSpeechConfig(embedding_dim=8, encoder_dim=16, decoder_dim=8),
             "small": LightSpeechConfig(embedding_dim=4, encoder_dim=4, decoder_dim=4)}
    return Experiment(folder / "corpus", folder / "work", folder / "out", folder / "teacher.safetensors", vocoder,
                      steps=4, seeds=(0, 1), cells=cells, sizes=sizes, spoken=1, repeats=2, reading=LAX,
                      training=("--mel-loss", "l2", "--batch-size", "2", "--adversarial-weight", "0"))


@pytest.fixture(scope="module")
def done(experiment) -> Experiment:
    run(experiment, ["cpu"], 1, None)
    return experiment


def rows(experiment: Experiment, group: str, name: str) -> dict[tuple[str, int], list[torch.Tensor]]:
    data = DistilledDataset.read(experiment.source.folder / group / name)
    ragged = [data.ids, data.durations, data.mels, *([data.features] if data.features else [])]
    return {key: [part.row(row) for part in ragged] for row, key in enumerate(zip(data.names, data.samples))}


def test_target_sets_share_what_they_should(done):
    for group, count in zip(GROUPS, (5, 2)):
        sets = {name: rows(done, group, name) for name in SETS}
        for key in sets["free"]:
            (_, aligned, recorded, features), trained, forced, free, scaled = (sets[name][key] for name in SETS)
            assert torch.equal(aligned, forced[1]) and recorded.shape == forced[2].shape
            assert torch.equal(trained[2], recorded) and trained[1].sum() == aligned.sum()
            assert not torch.equal(trained[3], features)
            assert not torch.equal(recorded, forced[2]) and torch.equal(free[2], scaled[2])
            assert torch.equal(scaled[1], rescale(aligned.long(), len(free[2])))
            torch.testing.assert_close(features, free[3], atol=2e-3, rtol=2e-3)
        assert {len(found) for found in sets.values()} == {count}
    repeated = rows(done, "repeats", "free")
    assert len(repeated) == 10 and not torch.equal(repeated["clip-2", 0][2], repeated["clip-2", 1][2])
    assert torch.equal(repeated["clip-2", 0][2], rows(done, "train", "free")["clip-2", 0][2])


def test_a_missing_shard_is_made_again_as_it_was(done):
    path, before = next((done.source.folder / "train" / "forced").glob("*.safetensors")), rows(done, "train", "forced")
    path.unlink()
    make_part(done.source, "train", 0, "cpu")
    for key, found in rows(done, "train", "forced").items():
        assert all(torch.equal(*pair) for pair in zip(found, before[key]))


def test_rescaled_durations():
    assert rescale(torch.tensor([3, 3, 3, 3]), 6).tolist() == [2, 1, 1, 2]
    generator = torch.Generator().manual_seed(0)
    for frames in (30, 97, 214, 1000):
        assert rescale(torch.randint(1, 9, (60,), generator=generator), frames).sum() == frames


def test_students_speak_and_are_measured(done):
    judged = json.loads((done.out / "figures.json").read_text())
    assert len(judged["judged"]) == 3 * 2 + 3 and set(judged["sets"]) == set(SETS)
    free = judged["sets"]["free"]
    assert free["rows"] == 5 and free["spread"] > 0 and 0 < free["unexplained"] < 2
    assert "spread" not in judged["sets"]["recorded"]
    references = {one["targets"]: one for one in judged["judged"] if not one["parameters"]}
    assert references["recorded"]["mcd_mel"] == 0 and references["recorded"]["duration_ms"] == 0
    assert references["free"]["mcd_mel"] > 0 and references["forced"]["length"] == 1
    seeds = [one["var_l"] for one in judged["judged"] if one["size"] == "small"]
    assert len(set(seeds)) == 2
    speech = done.folder("free-small-1") / "speech"
    assert np.load(speech / "clip-0.npy").shape[0] == 80 and soundfile.info(speech / "clip-0.flac").samplerate == 22050
    assert (done.work / "lines.csv").read_text() == "clip-0|Hello.\n"
    table = (done.out / "tables.md").read_text()
    assert table.count("\n| small |") == 1 and table.count("\n| published |") == 2 and "±" in table
    assert {path.name for path in done.out.glob("*.png")} == {"cells.png", "sizes.png", "variance.png"}


def test_remaining_error_is_the_last_error_divided_by_the_first(tmp_path):
    rows = [{"kind": "train", "step": 20, "mel": 4.0}, {"kind": "validation", "step": 30, "mel": 3.0},
            {"kind": "train", "step": 40, "mel": 2.5}, {"kind": "validation", "step": 40, "mel": 1.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert remaining_error(tmp_path) == 0.25


@pytest.fixture
def without_plots(monkeypatch) -> None:
    """Leaves out the plots, which take seconds."""
    monkeypatch.setattr("experiments.target_tables.draw_plots", lambda *_: None)


def test_a_second_run_only_adds_the_scores(done, without_plots, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in done.work.rglob("*")}
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({f"free-small-{seed}": {"wer": 0.1 + 0.1 * seed, "mos": 3} for seed in (0, 1)}))
    run(done, ["cpu"], 1, scores)
    assert {path: path.stat().st_mtime_ns for path in done.work.rglob("*")} == before
    assert "| 15.0 ± 7.1 | 3.00 ± 0.00 |" in (done.out / "tables.md").read_text()


@pytest.mark.parametrize("text, expected", [
    ('{"nobody": {"wer": 1}}', "'nobody' is no student"), ("[]", "expected {"), ("{", "expected {"),
    ('{"free-small-0": {"wer": "high"}}', "expected {")])
def test_wrong_scores_are_named(done, tmp_path, text, expected):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(UserError, match=expected):
        run(done, ["cpu"], 1, tmp_path / "scores.json")


def test_other_steps_need_another_folder(done):
    with pytest.raises(UserError, match="begun with 4 steps, expected 5"):
        run(Experiment(**{**vars(done), "steps": 5}), ["cpu"], 1, None)


def test_other_weights_are_refused_while_students_are_missing(done, without_plots, student):
    other = {**vars(done), "vocoder": student}
    run(Experiment(**other), ["cpu"], 1, None)  # the tables alone
    with pytest.raises(UserError, match="begun with teacher.safetensors .*, vocoder.safetensors .*, found"):
        run(Experiment(**{**other, "seeds": (0, 1, 5)}), ["cpu"], 1, None)


def test_sets_are_not_made_by_two_teachers(experiment, student, tmp_path):
    begun = {**vars(experiment), "work": tmp_path / "work"}
    recorded_settings(Experiment(**begun))
    with pytest.raises(UserError, match="begun with teacher.safetensors"):
        run(Experiment(**{**begun, "teacher": student}), ["cpu"], 1, None)
    assert not (tmp_path / "work" / "sets").exists()


def test_a_training_that_fails_is_named_and_can_be_resumed(done):
    cell = Cell("free", "small", False)
    broken = Experiment(**{**vars(done), "training": ("--batch-size", "0")})
    with pytest.raises(UserError, match="free-small-2: the training failed, see train.log"):
        train_student(broken, cell, 2, "cpu")
    assert "batch_size: found 0" in (done.folder("free-small-2") / "train.log").read_text()
    train_student(done, cell, 2, "cpu").unlink()  # as if killed after the training, before its export
    assert weights_notes(train_student(done, cell, 2, "cpu"))["steps"] == 4


def test_what_is_fixed():
    counts = {size: sum(p.numel() for p in LightSpeech(config).parameters()) for size, config in SIZES.items()}
    assert counts == {"small": 300_381, "published": 1_867_089, "large": 8_036_329}
    assert len(set(CELLS)) == len(CELLS) == 16
    assert [cell.name for cell in CELLS if cell.size == "small"] == [f"{name}-small" for name in MEL_TARGETS]
    assert spoken_rows(100, 4) == [0, 25, 50, 75] and spoken_rows(3, 24) == [0, 1, 2]


@pytest.mark.parametrize("arguments, expected", [
    (["--data", "/nowhere"], "/nowhere/metadata.csv"), (["--data", "x", "--steps", "0"], "--steps: found 0"),
    (["--data", "x", "--at-once", "0"], "--at-once: found 0"),
    (["--data", "x", "--cells", "none*"], "--cells: 'none*' fits none of recorded-large, "),
    (["--data", "x", "--teacher", "/nowhere.safetensors"], "/nowhere.safetensors")])
def test_mistakes_get_one_line(arguments, expected, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line and not list(tmp_path.iterdir())
