"""preprocess.py: with a tiny random teacher that stops by itself, the whole script in this process and in others."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import preprocess
import tacotron2
import text
from distillation import run
from distillation.dataset import DistilledDataset, read_records
from distillation.inference import TeacherInference
from experiments.clock import add_clock
from hparams import CONFIGS, TextConfig
from runtime.batching import row_seed
from runtime.locks import folder_lock
from text import symbols

ROOT = Path(__file__).resolve().parent.parent
LETTERS = TextConfig("english_cleaners", phonemes=False)
LAX = ["--min-focus", "0", "--min-coverage", "0", "--max-jump", "1000", "--max-stay", "100000", "--max-steps", "200",
       "--device", "cpu"]
TEXTS = ["Hello.", "Printing, in the only sense.", "One two three.", "A", "It was good.", "Yes.", "No, no, no."]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """Weights of a tiny teacher that stops by itself."""
    torch.manual_seed(0)
    model = tacotron2.Tacotron2(CONFIGS["tacotron2"]["tiny"][0], LETTERS).eval()
    add_clock(model)
    path = tmp_path_factory.mktemp("teacher") / "tiny.safetensors"
    tacotron2.save(path, model, LETTERS, {})
    return path


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch) -> None:
    monkeypatch.setattr(run, "PICTURES", 0)  # they take longer than all else


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def script(teacher: Path, out: Path, texts: Path, *more: str) -> list[str]:
    return [str(texts), "-o", str(out), "--weights", str(teacher), *LAX, *more]


def content(folder: Path) -> dict[tuple[str, int], list[torch.Tensor]]:
    data = DistilledDataset.read(folder)
    return {(name, sample): [ragged.row(row) for ragged in (data.ids, data.durations, data.mels, data.features)]
            for row, (name, sample) in enumerate(zip(data.names, data.samples))}


def assert_same(found: dict, expected: dict, exact: bool) -> None:
    assert found.keys() == expected.keys()
    for key in expected:
        for a, b in zip(found[key], expected[key]):
            if exact:
                assert torch.equal(a, b)
            else:  # other batches round differently
                torch.testing.assert_close(a.float(), b.float(), atol=4e-3, rtol=4e-3)


def test_rows_and_summary(teacher, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "PICTURES", 3)
    texts = write(tmp_path / "lines.txt", *TEXTS, "", "\U0001f600")
    assert preprocess.main(script(teacher, tmp_path / "out", texts, "--samples", "2")) == 0
    rows = content(tmp_path / "out")
    assert len(rows) == 14 and ("lines-000001", 1) in rows
    model = tacotron2.load(teacher)
    for (name, sample), (ids, durations, mel, features) in rows.items():
        text = TEXTS[int(name[-6:]) - 1]
        assert [symbols[number] for number in ids] == list(text.lower())
        assert durations.sum() == len(mel) and len(features) == len(ids) == len(durations)
        alone = model.infer(ids[None].long(), torch.tensor([len(ids)]),
                            [torch.Generator().manual_seed(row_seed(0, name, sample, 0))], 200)
        torch.testing.assert_close(mel.float(), alone.mel[0].T, atol=4e-3, rtol=4e-3)  # as it would be alone
        torch.testing.assert_close(features.float(), alone.encoder_outputs[0], atol=2e-3, rtol=2e-3)
    assert not torch.equal(rows["lines-000001", 0][2], rows["lines-000001", 1][2])
    told = capsys.readouterr()
    assert "14 rows kept (0.0" in told.out and "2 rejected (12.5%); this run 16 rows" in told.out
    rejected = list(csv.DictReader(open(tmp_path / "out/rejected.csv", encoding="utf-8")))
    assert [(row["name"], row["sample"]) for row in rejected] == [("lines-000009", "0"), ("lines-000009", "1")]
    assert "nothing to say" in rejected[0]["reason"] and rejected[0]["text"] == "\U0001f600"
    pictures = list((tmp_path / "out/pictures").iterdir())
    assert len(pictures) == 3 and all(path.read_bytes()[:4] == b"\x89PNG" for path in pictures)


def test_same_seed_same_rows_other_seed_others(teacher, tmp_path):
    texts = write(tmp_path / "lines.txt", *TEXTS)
    for out, more in (("a", []), ("b", []), ("c", ["--seed", "1"]), ("d", ["--batch-symbols", "1"])):
        assert preprocess.main(script(teacher, tmp_path / out, texts, *more)) == 0
    assert_same(content(tmp_path / "b"), content(tmp_path / "a"), exact=True)
    assert_same(content(tmp_path / "d"), content(tmp_path / "a"), exact=False)
    assert not torch.equal(content(tmp_path / "c")["lines-000001", 0][2], content(tmp_path / "a")["lines-000001", 0][2])


def test_argmax_and_no_features(teacher, tmp_path):
    texts = write(tmp_path / "lines.txt", "One two three.")
    assert preprocess.main(script(teacher, tmp_path / "a", texts)) == 0
    assert preprocess.main(script(teacher, tmp_path / "b", texts, "--durations", "argmax", "--no-features")) == 0
    monotonic, argmax = (DistilledDataset.read(tmp_path / out) for out in "ab")
    assert argmax.features is None and argmax.durations.flat.sum() == monotonic.durations.flat.sum()
    assert not torch.equal(argmax.durations.flat, monotonic.durations.flat)
    assert monotonic.durations.flat.min() >= 1


def test_resume_adds_nothing_twice(teacher, tmp_path, monkeypatch, capsys):
    texts = write(tmp_path / "lines.txt", *TEXTS, "\U0001f600")
    monkeypatch.setattr(run, "FLUSH_SECONDS", 0.0)
    infer, calls = TeacherInference.infer, []

    def infer_then_die(self, requests, attempt):
        calls.append([request.name for request in requests])
        if len(calls) == 3:
            raise MemoryError  # as good as any other sudden end
        return infer(self, requests, attempt)
    monkeypatch.setattr(TeacherInference, "infer", infer_then_die)
    command = script(teacher, tmp_path / "out", texts, "--batch-symbols", "20")
    with pytest.raises(MemoryError):
        preprocess.main(command)
    done = {name for name, _ in read_records(tmp_path / "out").rows}
    assert done == {*calls[0], *calls[1], "lines-000008"}
    calls += [None] * 10
    assert preprocess.main(command) == 0
    again = [name for call in calls[13:] for name in call]
    assert sorted(again) == sorted({f"lines-{number:06d}" for number in range(1, 8)} - done)
    monkeypatch.undo()
    assert preprocess.main(script(teacher, tmp_path / "whole", texts)) == 0
    assert_same(content(tmp_path / "out"), content(tmp_path / "whole"), exact=False)
    assert len(read_records(tmp_path / "out").rows) == 8
    shards = sorted(path.name for path in (tmp_path / "out").glob("shard*"))
    capsys.readouterr()
    assert preprocess.main(command) == 0  # nothing is left to do
    assert shards == sorted(path.name for path in (tmp_path / "out").glob("shard*"))
    assert "this run 0 rows" in capsys.readouterr().out


def test_batches_are_bounded_in_symbols_and_rows(teacher, tmp_path, monkeypatch):
    texts = write(tmp_path / "lines.txt", *TEXTS, "word " * 25)
    infer, sizes = TeacherInference.infer, []
    monkeypatch.setattr(TeacherInference, "infer", lambda self, requests, attempt: (
        sizes.append([len(request.ids) for request in requests]), infer(self, requests, attempt))[1])
    assert preprocess.main(script(teacher, tmp_path / "out", texts, "--batch-symbols", "200", "--retries", "0")) == 0
    assert sizes[0] == [124] and [len(rows) for rows in sizes] == [1, 1, 3, 3]  # 64 at least are counted a row


def run_script(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
    code = ("import sys, preprocess; from distillation import run; run.FLUSH_SECONDS, run.PICTURES = 0.0, 0; "
            "sys.exit(preprocess.main(sys.argv[1:]))")
    return subprocess.Popen([sys.executable, "-c", code, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                            stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})})


@pytest.mark.parametrize("how, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 1), (signal.SIGINT, 1)])
def test_killed_and_stopped(teacher, tmp_path, how, status):
    texts = write(tmp_path / "lines.txt", *(TEXTS * 12))
    command = script(teacher, tmp_path / "out", texts, "--batch-symbols", "20")
    process = run_script(command)
    while process.poll() is None and len(list((tmp_path / "out").glob("shard*.safetensors"))) < 3:
        time.sleep(0.01)
    process.send_signal(how)
    told = process.communicate()
    assert process.returncode == status, told
    if status == 1:
        assert "stopped before the last row" in told[1] and "Traceback" not in told[1]
        assert (tmp_path / "out/rejected.csv").exists()
    done = read_records(tmp_path / "out").rows
    assert 3 <= len(done) < 84
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    assert len(content(tmp_path / "out")) == len(read_records(tmp_path / "out").rows) == 84


def test_two_processes_share_the_rows(teacher, tmp_path):
    """The first has nearly nothing to do, and must wait for the second before it counts."""
    lines = [line for text in TEXTS * 4 for line in ("\U0001f600", text)]
    texts = write(tmp_path / "lines.txt", "Ha.", *lines[1:])
    assert preprocess.main(script(teacher, tmp_path / "one", texts)) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "preprocess.py",
               *script(teacher, tmp_path / "two", texts, "--batch-symbols", "1")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("29 rows kept") == 1 and "27 rejected" in done.stdout
    assert {path.name[:9] for path in (tmp_path / "two").glob("shard*")} == {"shard-000", "shard-001"}
    assert_same(content(tmp_path / "two"), content(tmp_path / "one"), exact=False)
    one, two = ({tuple(row.items()) for row in csv.DictReader(open(tmp_path / out / "rejected.csv", encoding="utf-8"))}
                for out in ("one", "two"))
    assert one == two and len(one) == 27


def test_retries_and_reasons(teacher, tmp_path, capsys):
    texts = write(tmp_path / "lines.txt", *(TEXTS * 2))
    out = {retries: tmp_path / retries for retries in ("0", "4")}
    focus = [record.quality["focus"] for record in _records(teacher, tmp_path / "all", texts)]
    limit = str(sorted(focus)[len(focus) // 2])
    for retries, folder in out.items():
        arguments = script(teacher, folder, texts, "--retries", retries)
        arguments[arguments.index("--min-focus") + 1] = limit
        assert preprocess.main(arguments) == 0
    kept = {retries: content(folder) for retries, folder in out.items()}
    assert len(kept["0"]) < len(kept["4"])
    assert_same({key: kept["4"][key] for key in kept["0"]}, kept["0"], exact=False)
    rejected = list(csv.DictReader(open(out["0"] / "rejected.csv", encoding="utf-8")))
    assert len(rejected) == len(TEXTS) * 2 - len(kept["0"])
    assert all("blurred" in row["reason"] and float(row["focus"]) < float(limit) for row in rejected)
    seeds = {(record.name, record.seed) for record in read_records(out["4"]).rows.values() if not record.reason}
    assert any(seed != row_seed(0, name, 0, 0) for name, seed in seeds)


def _records(teacher: Path, out: Path, texts: Path) -> list:
    assert preprocess.main(script(teacher, out, texts)) == 0
    return list(read_records(out).rows.values())


def test_step_limit(teacher, tmp_path):
    texts = write(tmp_path / "m.csv", "short|Yes.", "long|" + "very " * 30)
    arguments = [*script(teacher, tmp_path / "out", texts), "--max-steps", "32"]
    assert preprocess.main(arguments) == 0
    reasons = {record.name: record.reason for record in read_records(tmp_path / "out").rows.values()}
    assert reasons["short"] == "did not stop within 32 frames"
    assert reasons["long"] == "149 symbols cannot be said in 32 frames"


def test_a_text_that_breaks_the_reader_is_a_rejected_row(teacher, tmp_path, monkeypatch):
    read = text.read

    def fragile_read(words, config):
        if words == "Odd.":
            raise RecursionError("maximum recursion depth exceeded")
        return read(words, config)
    monkeypatch.setattr(text, "read", fragile_read)
    texts = write(tmp_path / "lines.txt", "Yes.", "Odd.")
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    assert [record.reason for record in read_records(tmp_path / "out").rows.values()] == [
        "", "the text cannot be read (RecursionError)"]


def test_a_very_long_word_is_no_reason_to_stop(teacher, tmp_path):
    texts = write(tmp_path / "lines.txt", "Yes.", "x" + "'s" * 330)
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    assert len(read_records(tmp_path / "out").rows) == 2


def test_a_second_run_in_the_folder_is_refused(teacher, tmp_path, capsys):
    texts = write(tmp_path / "lines.txt", "Yes.")
    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out"):
        assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "out: in use by another process" in line and not list((tmp_path / "out").iterdir())
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    assert not (tmp_path / "out" / ".lock").exists()


def test_pictures_that_cannot_be_drawn_cost_nothing_else(teacher, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "PICTURES", 1)
    texts = write(tmp_path / "lines.txt", "Yes.")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pictures").touch()
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    told = capsys.readouterr()
    assert "1 rows kept" in told.out and "warning: " in told.err and "pictures: the folder cannot be made" in told.err
    assert (tmp_path / "out" / "rejected.csv").exists()


def test_looser_limits_try_rejected_rows_again_and_nothing_else_may_change(teacher, tmp_path, capsys):
    texts = write(tmp_path / "lines.txt", *TEXTS[:3])
    strict = script(teacher, tmp_path / "out", texts, "--retries", "0")
    strict[strict.index("--min-focus") + 1] = "1"
    assert preprocess.main(strict) == 0
    assert "0 rows kept" in capsys.readouterr().out
    assert preprocess.main(strict) == 0
    assert "this run 0 rows" in capsys.readouterr().out
    assert preprocess.main(script(teacher, tmp_path / "out", texts, "--retries", "0")) == 0
    assert "3 rows kept" in (out := capsys.readouterr().out) and "0 rejected (0.0%); this run 3 rows" in out
    assert list(csv.DictReader(open(tmp_path / "out/rejected.csv"))) == []
    write(texts, *TEXTS[:5])
    for change, told in ((["--durations", "argmax"], "made with durations monotonic, expected argmax"),
                         (["--min-focus", "0.1"], "made with min_focus 0.0, found the stricter 0.1")):
        assert preprocess.main(script(teacher, tmp_path / "out", texts, "--retries", "0", *change)) == 2
        assert told in capsys.readouterr().err
    assert len(read_records(tmp_path / "out").rows) == 3


@pytest.mark.parametrize("lines, more, told", [
    (None, [], "texts.csv: cannot be read (No such file"),
    ([""], [], "texts.csv: empty"),
    (["a|One.", "Two."], [], "line 2: no '|'"),
    (["a|One.", "a|Two."], [], "line 2: id 'a' came before"),
    (["One."], ["--device", "cuda:99"], "--device cuda"),
    (["One."], ["--device", "gpu"], "expected auto, cpu, cuda or cuda:N"),
    (["One."], ["--weights", "none.safetensors"], "none.safetensors: no such file"),
    (["One."], ["--samples", "0"], "--samples: found 0, expected at least 1"),
    (["One."], ["--retries", "-1"], "--retries: found -1, expected at least 0"),
    (["One."], ["--min-focus", "nan"], "--min-focus: found nan, expected at least 0"),
    (["One."], ["--batch-symbols", "0"], "--batch-symbols: found 0, expected at least 1"),
    (["One."], ["-o", "x" * 300], "the folder cannot be made (File name too long)"),
    (["One."], ["-o", "/dev/null/x"], "/dev/null/x: the folder cannot be made"),
])
def test_bad_input(teacher, tmp_path, capsys, monkeypatch, lines, more, told):
    monkeypatch.chdir(tmp_path)
    texts = tmp_path / "texts.csv"
    if lines is not None:
        write(texts, *lines)
    assert preprocess.main([*script(teacher, tmp_path / "out", texts), *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("preprocess.py: error: ") and told in error and error.count("\n") == 1


def test_bad_files(teacher, tmp_path, capsys, monkeypatch):
    texts = write(tmp_path / "texts.txt", "One.")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(teacher.read_bytes()[:1000])
    cases = [(script(teacher, tmp_path / "a", tmp_path / "latin.txt"), "not UTF-8"),
             (script(teacher, tmp_path / "a", tmp_path / ("x" * 300)), "cannot be read (File name too long)"),
             (script(broken, tmp_path / "b", texts), "not a complete safetensors file")]
    for command, told in cases:
        assert preprocess.main(command) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
    monkeypatch.setattr(preprocess, "_HERE", tmp_path)
    assert preprocess.main([str(texts), "-o", str(tmp_path / "c"), "--device", "cpu"]) == 2
    assert "tacotron2/pre_trained_model: no weights there; name a teacher's file" in capsys.readouterr().err
    assert not any((tmp_path / out).exists() for out in "abc")  # nothing is left behind


def test_other_settings_never_mix(teacher, tmp_path, capsys):
    texts = write(tmp_path / "texts.txt", "One.")
    assert preprocess.main(script(teacher, tmp_path / "out", texts)) == 0
    capsys.readouterr()
    assert preprocess.main(script(teacher, tmp_path / "out", texts, "--seed", "5")) == 2
    assert "made with seed 0, expected 5" in capsys.readouterr().err
