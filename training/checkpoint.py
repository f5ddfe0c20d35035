"""Checkpoints on disk: tensors and plain containers in PyTorch's zip format, with a CRC-32 of every record."""
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hparams import OPERATIONAL, TrainConfig, UserError
from runtime.console import one_line
from runtime.files import atomic_write
from runtime.settings import from_dict
from runtime.torch_files import read_torch_file

CHECKPOINT_FORMAT = 2  # 1: random state of one process, "judges" in the names of the discriminators of mels
LATEST, BEST = "latest.pt", "best.pt"  # in a run's folder; each is a whole training state
_ENTRIES = {"model": str, "step": int, "best": float, "text": dict | None, "model_config": dict, "train_config": dict,
            "networks": dict, "average": dict, "optimizers": dict, "clips": dict, "random": list}
# What reading an entry raises if it is not what training wrote.
MALFORMED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
_MAY_CHANGE = ("steps", *OPERATIONAL)  # on resume
_ADVICE = "copy it again, or move it away: --resume and --export then use the other of latest.pt and best.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` atomically: after a kill or on a full disk, `path` is the old file or the new one, both complete.

    Raises UserError if the file cannot be written.
    """
    with atomic_write(path, sync=True, advice="free some space, then --resume") as file:
        try:
            torch.save({"format": CHECKPOINT_FORMAT, **state}, file)
        except RuntimeError as error:  # PyTorch's writer reports a full disk as an unexpected position
            raise OSError(f"is the disk full? {error}") from None


def find_checkpoint(folder: Path, names: tuple[str, ...] = (LATEST, BEST)) -> Path | None:
    """Returns the first of the checkpoints `names` that exists in a run's folder, or None."""
    return next((folder / name for name in names if (folder / name).exists()), None)


def load_checkpoint(path: Path, model: str) -> dict[str, Any]:
    """Returns the training state of `model` in a checkpoint, its tensors on the CPU, verified and of today's format.

    Raises UserError for a file that cannot be read, is damaged (every record is compared with its CRC-32), of another
    format or model, or holds values that are not finite.
    """
    state = read_torch_file(path, _ADVICE)
    number = state.get("format") if isinstance(state, dict) else None
    if not (isinstance(number, int) and 1 <= number <= CHECKPOINT_FORMAT):
        found = number if isinstance(number, int) else "none"
        raise UserError(f"{path}: checkpoint format {found}, expected {CHECKPOINT_FORMAT}; was it made by train.py?")
    try:
        _upgrade(state)
        wrong = [name for name, kind in _ENTRIES.items() if not isinstance(state[name], kind)] or _not_finite(state)
    except MALFORMED as error:
        raise UserError(f"{path}: not a training state ({type(error).__name__} {one_line(error)[:200]}); "
                        f"{_ADVICE}") from None
    if wrong:
        raise UserError(f"{path}: {wrong[0]} is not what training writes, or not finite; {_ADVICE}")
    if state["model"] != model:
        raise UserError(f"{path}: a checkpoint of {state['model']}, expected {model}; give the right --model or --out")
    return state


def load_newest(folder: Path, model: str) -> tuple[Path, dict[str, Any]]:
    """Returns the path and the state of a run's latest.pt, or of its best.pt if there is no latest.pt.

    Raises UserError if there is neither, and like load_checkpoint.
    """
    path = find_checkpoint(folder)
    if path is None:
        raise UserError(f"{folder}: no checkpoint to resume from; start the training without --resume")
    return path, load_checkpoint(path, model)


def _upgrade(state: dict[str, Any]) -> None:
    """Turns a state of format 1 into one of format 2, in place, and removes settings that no longer exist."""
    for name in ("conditioning", "cond_channels"):  # of the small WaveGlow of older versions
        state["model_config"].pop(name, None)
    if state["format"] == 1:
        state["random"] = [state["random"]]
        discriminators = state["networks"].get("discriminators")
        if discriminators and state["model"] != "waveglow":
            state["networks"]["discriminators"] = {name.replace("judges.", "discriminators.", 1): tensor
                                                   for name, tensor in discriminators.items()}
        state["train_config"].setdefault("phase_steps", state["train_config"]["steps"])


def _not_finite(state: dict[str, Any]) -> list[str]:
    """Returns the names of the entries that are no tensors or not finite."""
    return [name for name, tensor in _tensors(state)
            if not (isinstance(tensor, torch.Tensor) and bool(torch.isfinite(tensor).all()))]


def _tensors(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the name and the tensor of each entry of the networks, their average and the optimizers."""
    for network, tensors in {**state["networks"], "average": state["average"]}.items():
        yield from ((f"{network}.{name}", tensor) for name, tensor in tensors.items())
    for network, optimizer in state["optimizers"].items():
        for number, moments in optimizer["state"].items():
            yield from ((f"optimizers.{network}.{number}.{name}", value) for name, value in moments.items())


def check_same_config(path: Path, saved: dict[str, Any], config: Any, may_change: tuple[str, ...] = ()) -> None:
    """Raises UserError naming the settings, other than `may_change`, in which `saved` differs from `config`."""
    current = dataclasses.asdict(config)
    names = [name for name in sorted(saved.keys() | current.keys())
             if saved.get(name) != current.get(name) and name not in may_change]
    if names:
        found = ", ".join(f"{name} {saved.get(name)} (now {current.get(name)})" for name in names)
        raise UserError(f"{path}: made with other settings: {found}; give the same ones or start anew")


def saved_settings(path: Path, saved: dict[str, Any], kind: type) -> Any:
    """Returns the settings `saved` in a checkpoint as the dataclass `kind`; UserError if they are none.

    Settings that older versions did not have get their default, and settings that exist no more are dropped.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    return from_dict(kind, {name: value for name, value in saved.items() if name in known}, str(path))


def resumed_config(path: Path, saved: dict[str, Any], config: TrainConfig) -> TrainConfig:
    """Returns the settings to resume a run with: `config`, with the phases where they were when the run began.

    saved: the checkpoint's train_config. The number of steps, the intervals and a smaller batch size may change.
    Raises UserError naming any other setting that differs.
    """
    before = saved_settings(path, saved, type(config))
    config = dataclasses.replace(config, phase_steps=config.phase_steps or before.phase_steps or before.steps)
    smaller = ("batch_size",) if config.batch_size < before.batch_size else ()
    before = dataclasses.replace(before, phase_steps=before.phase_steps or before.steps)
    check_same_config(path, dataclasses.asdict(before), config, (*_MAY_CHANGE, *smaller))
    return config
