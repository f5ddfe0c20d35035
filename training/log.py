"""The log of a run: lines on the terminal, a progress bar, OUT/log.jsonl and TensorBoard files."""
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from audio import write_wav
from hparams import UserError
from runtime.files import atomic_write, write_text


class TrainingLog:
    """Writes losses, images and audio of a training; does nothing where `active` is False (all but one process)."""

    def __init__(self, folder: Path, active: bool, start: int, steps: int, samples: Path | None = None) -> None:
        """start: finished steps; what an earlier process logged after them is removed from log.jsonl.

        samples: a folder to which audio and mels of each validation are written as files too, for --judge.
        """
        self.active, self.folder, self.samples = active, folder, samples
        self.most_samples = 16 if samples else 2  # of a validation
        if not active:
            return
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm
        with self._writing():
            _remove_later_steps(folder / "log.jsonl", start)
            self.file = open(folder / "log.jsonl", "a", encoding="utf-8")
            self.board = SummaryWriter(str(folder), purge_step=start + 1)
        self.bar = tqdm(total=steps, initial=start, unit="step", disable=not sys.stderr.isatty())
        self.printed = time.monotonic() - 10.0

    def add_scalars(self, step: int, values: dict[str, float], kind: str = "train") -> None:
        """Logs named numbers at a step. Prints validations always, training losses at most every 5 seconds."""
        if not self.active:
            return
        with self._writing():
            self.file.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
            self.file.flush()
            for name, value in values.items():
                self.board.add_scalar(f"{kind}/{name}", value, step)
        self.bar.update(step - self.bar.n)
        if kind != "train" or time.monotonic() - self.printed >= 5.0:
            self.print(f"{kind} step {step}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
            self.printed = time.monotonic()

    def print(self, line: str) -> None:
        """Prints a line on standard error above the progress bar."""
        if self.active:
            self.bar.write(line, file=sys.stderr)
            sys.stderr.flush()

    def add_image(self, step: int, name: str, array: np.ndarray) -> None:
        """Logs an array (rows, columns) as a grey image: row 0 at the bottom, the lowest value black."""
        if self.active:
            low, high = float(array.min()), float(array.max())
            scaled = (array[::-1] - low) / max(high - low, 1e-9)
            with self._writing():
                self.board.add_image(name, scaled[None].astype(np.float32), step)

    def add_audio(self, step: int, name: str, wave: torch.Tensor, rate: int) -> None:
        """Logs a wave (S,) in [-1, 1]; rate: Hz."""
        if self.active:
            samples = wave.detach().float().cpu()[None].clamp(-1, 1)
            with self._writing():
                self.board.add_audio(name, samples, step, sample_rate=rate)
            if self.samples:
                write_wav(self.samples / f"{_file_name(name)}.wav", samples[0].numpy(), rate)

    def add_mel(self, name: str, mel: torch.Tensor) -> None:
        """Writes a mel (M, T) to the folder of samples as NAME.npy, float32; does nothing without that folder."""
        if self.active and self.samples:
            with atomic_write(self.samples / f"{_file_name(name)}.npy") as file:
                np.save(file, mel.detach().float().cpu().numpy())

    def close(self) -> None:
        """Flushes and closes the files."""
        if self.active:
            self.bar.close()
            with self._writing():
                self.board.close()
                self.file.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns an OSError of the block into a UserError that names the folder."""
        try:
            yield
        except OSError as error:
            raise UserError(f"{self.folder}: the log could not be written ({error.strerror or error}); free some "
                            "space, then --resume") from None


def _file_name(name: str) -> str:
    """Returns a name without slashes, of at most 200 bytes."""
    return name.replace("/", "-").encode()[:200].decode(errors="ignore")


def _remove_later_steps(path: Path, last: int) -> None:
    """Removes from a log the lines of steps after `last`, and an incomplete line that a killed process left."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if 0 < _step_of(line) <= last]
    if len(kept) < len(lines):
        write_text(path, "".join(f"{line}\n" for line in kept))


def _step_of(line: str) -> int:
    """Returns the step of a line of the log; 0 if it has none."""
    try:
        return int(json.loads(line)["step"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return 0
