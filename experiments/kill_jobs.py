"""The runs that kills.py kills, all of them tiny: their files, their commands, and what must hold after a kill."""
import csv
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import lightspeech
import tacotron2
import waveglow
from audio import write_wav
from distillation.dataset import DistilledDataset, read_records
from distillation.manifest import MANIFEST_NAME, read_manifest
from experiments.clock import add_clock
from hparams import CONFIGS, TextConfig
from training.checkpoint import BEST, LATEST, find_checkpoint, load_checkpoint
from training.export import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("Hello.", "One two three.", "It was good.", "In the only sense.", "Not so fast!", "What is it?",
         "A small one.", "He came back, at last.", "They went on.", "So it goes.", "Read it again.", "Nothing is lost.")
OLDER = b"a good file of an earlier run"
ROUNDING = 2e-3  # absolute and relative, of a teacher's log mel in half precision when other rows share its batch
# preprocess.py with a shard after each batch, as in a long run. No traceback if it is interrupted during the imports.
_PREPROCESS = """
import sys
try:
    import distillation.run
    import preprocess
    distillation.run.FLUSH_SECONDS = 0.0
    sys.exit(preprocess.main())
except KeyboardInterrupt:
    sys.exit(130)
"""
_LIMITS = ("--min-focus", 0, "--min-coverage", 0, "--max-jump", 1000, "--max-stay", 1000, "--max-steps", 200)
_TRAIN = ("--config", "tiny", "--device", "cpu", "--log-every", 1, "--validate-every", 5, "--checkpoint-seconds", 0.05)


Part = str | np.ndarray  # of a result: a digest, or numbers that may differ by ROUNDING


class Job(NamedTuple):
    """A run that is killed and started again."""
    command: Callable[[Path, Path], list[object]]  # from the inputs and the run's own folder: what Python is given
    check: Callable[[Path], int]  # of the run's folder, after a kill: how much is finished; raises for a broken file
    result: Callable[[Path], Mapping[str, Part]]  # of the folder of a finished run
    older: tuple[str, ...] = ()  # files that exist before the run: it may replace each at once, but not damage it


def make_inputs(folder: Path) -> None:
    """Writes what the runs are given: a corpus, texts, tiny networks, a distilled dataset and a finished training."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    (folder / "corpus" / "wavs").mkdir(parents=True)
    for number in range(len(TEXTS)):
        time = np.arange(9000 + 500 * number) / 22050
        wave = 0.3 * np.sin(2 * np.pi * (120 + 10 * number) * time) + 0.02 * rng.standard_normal(len(time))
        write_wav(folder / "corpus" / "wavs" / f"clip-{number}.wav", wave)
    table = "".join(f"clip-{number}|{text}\n" for number, text in enumerate(TEXTS))
    (folder / "corpus" / "metadata.csv").write_text(table)
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    (folder / "lines.txt").write_text("\n".join(TEXTS[:3]))
    teacher = tacotron2.Tacotron2(CONFIGS["tacotron2"]["tiny"][0], TextConfig())
    add_clock(teacher)
    tacotron2.save(folder / "teacher.safetensors", teacher, TextConfig(), {})
    student = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    torch.nn.init.constant_(student.duration_head[-1].bias, 1.8)
    lightspeech.save(folder / "student.safetensors", student, TextConfig(), {})
    waveglow.save(folder / "vocoder.safetensors", waveglow.build(CONFIGS["waveglow"]["tiny"][0]))
    for job, name in (("preprocess", "distilled"), ("train student", "student")):
        command = [sys.executable, *map(str, JOBS[job].command(folder, folder / name))]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def _preprocess(inputs: Path, folder: Path) -> list[object]:
    return ["-c", _PREPROCESS, inputs / "texts.txt", "-o", folder / "out", "--weights", inputs / "teacher.safetensors",
            "--batch-symbols", 128, "--device", "cpu", *_LIMITS]


def _train(*options: object) -> Callable[[Path, Path], list[object]]:
    def command(inputs: Path, folder: Path) -> list[object]:
        resume = ["--resume"] if find_checkpoint(folder / "out") else []
        given = [inputs / option if option in ("corpus", "distilled/out") else option for option in options]
        return ["train.py", "--out", folder / "out", *_TRAIN, *given, *resume]
    return command


def _voice(inputs: Path, folder: Path) -> list[object]:
    steps = ["--teacher-steps", 6, "--student-steps", 6, "--vocoder-steps", 4, "--joint-steps", 4]
    return ["train.py", "--model", "voice", "--config", "tiny", "--device", "cpu", "--init", "none", "--data",
            inputs / "corpus", "--out", folder / "out", *steps]


def _export(inputs: Path, folder: Path) -> list[object]:
    return ["train.py", "--out", inputs / "student" / "out", "--export", folder / "weights.safetensors"]


def _export_onnx(inputs: Path, folder: Path) -> list[object]:
    shutil.copy(inputs / "student.safetensors", folder)
    return ["-m", "synthesis.export", folder / "student.safetensors"]


def _synthesize(inputs: Path, folder: Path) -> list[object]:
    return ["synthesize.py", "--file", inputs / "lines.txt", "-o", folder / "talk.flac", "--timestamps",
            folder / "talk.json", "--picture", folder / "talk.png", "--device", "cpu", "--weights",
            inputs / "student.safetensors", "--vocoder-weights", inputs / "vocoder.safetensors"]


def _check_dataset(folder: Path) -> int:
    """Returns the number of rows on disk, which are all read. Raises UserError for a broken file.

    A run that was stopped before its first row leaves a manifest alone, which is whole but no dataset yet.
    """
    records = read_records(folder).rows
    if any(not record.reason for record in records.values()):
        DistilledDataset.read(folder)
    elif (folder / MANIFEST_NAME).exists():
        read_manifest(folder)
    return len(records)


def _check_training(model: str) -> Callable[[Path], int]:
    def check(folder: Path) -> int:
        """Returns the step of the newest checkpoint. Raises UserError for a broken one."""
        paths = [folder / "out" / name for name in (LATEST, BEST)]
        if (folder / "out" / "config.json").exists():
            json.loads((folder / "out" / "config.json").read_text())
        return max((load_checkpoint(path, model)["step"] for path in paths if path.exists()), default=0)
    return check


def _check_voice(folder: Path) -> int:
    """Returns the number of finished stages. Raises UserError or ValueError for a broken file of any stage."""
    work = folder / "out" / "work"
    for stage, model in (("teacher", "tacotron2"), ("student", "lightspeech"), ("vocoder", "waveglow"),
                         ("joint", "joint")):
        for name in (LATEST, BEST):
            if (work / stage / name).exists():
                load_checkpoint(work / stage / name, model)
        for path in (work / f"{stage}.safetensors", *folder.rglob(f"{model}.safetensors")):
            if path.exists():
                NETWORKS[model][0].load(path)
    _check_dataset(work / "distilled")
    return len(json.loads((work / "voice.json").read_text())["finished"]) if (work / "voice.json").exists() else 0


def _dataset(folder: Path) -> dict[str, Part]:
    """Returns a digest of each row's symbols and durations, the mel of each row, and a digest of rejected.csv.

    A run that goes on reads a row with other neighbours than the undisturbed run does, if a kill came between two rows
    of a batch. Then the sums of the matrix products may be rounded differently, and the mel differs in its last bits.
    """
    rows, found = DistilledDataset.read(folder / "out"), dict[str, Part]()
    for number, (name, sample) in enumerate(zip(rows.names, rows.samples)):
        found[f"{name}/{sample}"] = digest([rows.ids.row(number), rows.durations.row(number)])
        found[f"{name}/{sample} mel"] = rows.mels.row(number).float().numpy()
    with open(folder / "out" / "rejected.csv", encoding="utf-8") as file:
        return {**found, "rejected.csv": digest(sorted(csv.reader(file)))}


def _training(model: str) -> Callable[[Path], dict[str, str]]:
    def result(folder: Path) -> dict[str, str]:
        """Returns a digest of each entry of the checkpoints, of the settings and of the log of validations."""
        found = {}
        for name in (LATEST, BEST):
            state = load_checkpoint(folder / "out" / name, model)
            found |= {f"{name} {key}": digest(value) for key, value in state.items()}
        log = [json.loads(line) for line in (folder / "out" / "log.jsonl").read_text().splitlines()]
        steps = [line["step"] for line in log if line["kind"] == "train"]
        if steps != sorted(set(steps)):
            raise ValueError(f"log.jsonl has steps twice or out of order: {steps}")
        return {**found, "config.json": digest(json.loads((folder / "out" / "config.json").read_text())),
                "validations": digest([line for line in log if line["kind"] == "validation"])}
    return result


def _finished_voice(folder: Path) -> dict[str, str]:
    """Returns a digest of each network of a voice and of its page, and the names of all files."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "tfevents" not in path.name)
    return {"names": digest(names), **{name: digest((folder / "out" / name).read_bytes()) for name in (
        "lightspeech.safetensors", "waveglow.safetensors", "index.html")}}


def _files(folder: Path) -> dict[str, str]:
    """Returns a digest of each file of a folder."""
    return {path.name: digest(path.read_bytes()) for path in folder.iterdir()}


def same(found: Part | None, expected: Part | None) -> bool:
    """Returns whether a part of two results is equal: digests to the bit, numbers but for ROUNDING; None is no part."""
    if isinstance(found, np.ndarray) and isinstance(expected, np.ndarray):
        return found.shape == expected.shape and np.allclose(found, expected, ROUNDING, ROUNDING)
    return type(found) is type(expected) and found == expected


def digest(value: Any) -> str:
    """Returns 16 hex digits for nested plain values and tensors: equal for values that are equal to the bit."""
    sha = hashlib.sha256()
    for part in _parts(value):
        sha.update(part)
    return sha.hexdigest()[:16]


def _parts(value: Any) -> Iterator[bytes]:
    """Yields bytes that stand for a value."""
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, dict):
        for key in value:
            yield f"{key}:".encode()
            yield from _parts(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    else:
        yield repr(value).encode() + b";"


_SPOKEN = tuple(f"talk-00{number}.{ending}" for number in (1, 2, 3) for ending in ("flac", "json", "png"))
JOBS = {
    "preprocess": Job(_preprocess, lambda folder: _check_dataset(folder / "out"), _dataset),
    "train student": Job(_train("--data", "distilled/out", "--steps", 30, "--batch-size", 4, "--adversarial-weight",
                                0.2, "--adversarial-from", 0.3),
                         _check_training("lightspeech"), _training("lightspeech")),
    "train vocoder": Job(_train("--model", "waveglow", "--data", "corpus", "--steps", 20, "--batch-size", 2,
                                "--segment", 2048, "--spectral-steps", 8),
                         _check_training("waveglow"), _training("waveglow")),
    "train teacher": Job(_train("--model", "tacotron2", "--data", "corpus", "--steps", 15, "--batch-size", 2),
                         _check_training("tacotron2"), _training("tacotron2")),
    "make a voice": Job(_voice, _check_voice, _finished_voice),
    "export": Job(_export, lambda _: 0, _files, ("weights.safetensors",)),
    "export to ONNX": Job(_export_onnx, lambda _: 0, _files, ("student.onnx",)),
    "synthesize": Job(_synthesize, lambda _: 0, _files, _SPOKEN),
}
