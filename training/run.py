"""A training from its first file to its last: what train.py calls."""
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hparams import AudioConfig, TrainConfig
from runtime.console import print_notice
from runtime.files import write_text
from training.checkpoint import load_newest, resumed_config, saved_settings
from training.distributed import Workers, process_group
from training.export import joint_config, start_from
from training.judge import check_judge
from training.loop import fit
from training.state import run_folder, setup
from training.tasks import make_task


def train(model: str, model_config: Any, config: TrainConfig, data: Path, folder: Path, *, device: str = "auto",
          fast: bool = True, mels: Path | None = None, distilled: Path | None = None, init: Path | None = None,
          resume: bool = False, judge: str | None = None, watch: Callable[[int], None] | None = None) -> bool:
    """Trains `model` on `data`, and writes checkpoints and logs to `folder`. Returns False if a signal stopped it.

    device: see pick_device; fast, mels, distilled: see make_task; init: released weights to start from, for "joint" a
    folder with both, whose sizes replace those of model_config; resume: continue from the checkpoint in `folder`;
    judge: a command that scores each validation, see judge.py; watch: called with the number of finished steps when
    losses are logged. Raises UserError for data, settings or a folder that cannot be used.
    """
    if judge is not None:
        check_judge(judge)
    with process_group(device) as workers, run_folder(folder, resume, workers):
        checkpoint = None
        if resume:
            path, saved = checkpoint = load_newest(folder, model)
            config = resumed_config(path, saved["train_config"], config)
            _print_changes(saved["train_config"], config, workers)
            if model == "joint":
                model_config = saved_settings(path, saved["model_config"], type(model_config))
        else:
            # In the checkpoints from the beginning, as after --resume.
            config = dataclasses.replace(config, phase_steps=config.phase_steps or config.steps)
            if model == "joint" and init:
                model_config = joint_config(init)
        task = make_task(model, model_config, config, data, AudioConfig(), workers, fast, mels, distilled)
        if init and not resume:
            start_from(init, model, task.model, workers)
        state = setup(task, config, workers, folder, checkpoint, judge)
        if workers.is_main:
            settings = {"model": dataclasses.asdict(model_config), "training": dataclasses.asdict(config)}
            write_text(folder / "config.json", json.dumps(settings, indent=1))
        return fit(state, watch)


def _print_changes(saved: dict[str, Any], config: TrainConfig, workers: Workers) -> None:
    """Prints the settings in which a resumed run differs from its checkpoint."""
    changes = [f"{name} {saved[name]} (now {value})" for name, value in dataclasses.asdict(config).items()
               if name in saved and name != "phase_steps" and saved[name] != value]
    if changes and workers.is_main:
        print_notice(f"resumed with other settings: {', '.join(changes)}")
