"""From a folder of recordings to a voice: runs the stages, and goes on where an earlier run stopped."""
import dataclasses
import gc
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import torch

from hparams import UserError
from runtime.console import print_notice
from runtime.devices import pick_device
from runtime.files import make_folder, write_text
from runtime.locks import folder_lock
from runtime.weights import identity, newest_weights
from training.export import NETWORKS
from voice.progress import Progress, duration
from voice.stage import Job, Stage
from voice.stages import all_stages, inputs
from voice.trial import measured

STARTS = ("tacotron2", "lightspeech", "waveglow")  # models that are trained, in order
STATE = "voice.json"  # in OUT/work: the settings, and the seconds of each finished stage
ROOT = Path(__file__).resolve().parents[1]
FREE_GIB = 4.0  # on the disk: the default networks' checkpoints and some hours of recordings


def starting_weights(init: str | None) -> dict[str, Path]:
    """Returns model -> the weights to start from: those that ship (None), those in a folder, or nothing ("none").

    A folder has tacotron2.safetensors, lightspeech.safetensors and waveglow.safetensors. Raises UserError if one is
    missing.
    """
    if init == "none":
        return {}
    if init is None:
        return {model: newest_weights(ROOT / model / "pre_trained_model", None, "or start from nothing: --init none")
                for model in STARTS}
    return {model: newest_weights(Path(init), Path(init) / f"{model}.safetensors", "--init takes a folder with "
                                  "tacotron2.safetensors, lightspeech.safetensors and waveglow.safetensors, or none")
            for model in STARTS}


def make_voice(job: Job) -> bool:
    """Makes a voice. Returns False if a signal stopped it; the same call then goes on.

    Raises UserError for a corpus, weights or a folder that cannot be used, and if the folder was begun with other
    settings.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("--model voice: runs in one process; start it without torchrun")
    device = pick_device(job.device)
    check_start(job)
    stages = all_stages(job)
    made = job.out.exists()
    make_folder(job.work, "give another --out")
    try:
        with folder_lock(job.out):
            return _run(job, stages, _read_state(job), device)
    finally:
        if not made and not any(job.work.iterdir()):  # nothing was written: leave no empty folders
            shutil.rmtree(job.out, ignore_errors=True)


def check_start(job: Job) -> None:
    """Raises UserError for missing data, damaged weights, and a disk that is nearly full: before any work."""
    for path in (job.data / "metadata.csv", *job.texts):
        if not path.is_file():
            raise UserError(f"{path}: no such file; --data takes a folder in LJSpeech's layout, --texts files of texts")
    for model, path in job.init.items():
        NETWORKS[model][0].load(path)
    parent = next(path for path in (job.out, *job.out.absolute().parents) if path.exists())
    free = shutil.disk_usage(parent).free / 2**30
    if job.config.networks == "default" and free < FREE_GIB:
        raise UserError(f"{job.out}: found {free:.1f} GiB free on its disk, expected {FREE_GIB:.0f}; free some space")


def _run(job: Job, stages: list[Stage], state: dict[str, Any], device: torch.device) -> bool:
    """Runs the stages that are not finished. Returns False if a signal stopped one."""
    finished: dict[str, float] = state["finished"]
    _print_plan(job, stages, finished, device)
    progress = Progress(stages, _tell)
    for number, stage in enumerate(stages):
        if stage.name in finished:
            continue
        if device.type == "cpu" and stage.steps and not state.get("measured"):
            state["measured"] = True
            _tell("measuring two steps of each training on this CPU; this can take some minutes")
            progress.stages = measured(job, stages)
            left = sum(stage.seconds for stage in progress.stages if stage.name not in finished)
            _tell(f"all of it will take about {duration(left)} on this CPU")
        progress.stages = [dataclasses.replace(other, seconds=0.0) if other.name in finished else other
                           for other in progress.stages]
        progress.begin(number)
        resumed = (job.work / stage.name).exists()
        done = stage.run(job, progress.watch)
        _free_memory()
        spent = state["spent"].get(stage.name, 0.0) + progress.end(resumed)
        state["spent"][stage.name] = spent
        if done:
            finished[stage.name] = round(spent, 1)
        _write_state(job, state)
        if not done:
            _tell("stopped; the same command goes on")
            return False
    _tell(f"{job.out}: finished; python synthesize.py --voice {job.out} \"Hello.\"")
    return True


def _free_memory() -> None:
    """Leaves the process as a new one would be: the next stage needs the memory, and other kernels."""
    gc.collect()
    torch.backends.cudnn.benchmark = False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _tell(line: str) -> None:
    """Prints a line on standard error."""
    print_notice(f"voice: {line}")


def _print_plan(job: Job, stages: list[Stage], finished: dict[str, float], device: torch.device) -> None:
    """Prints what will be done."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    total = sum(stage.seconds for stage in stages)
    _tell(f"{job.data} becomes {job.out}, on {where}; about {duration(total)} on one NVIDIA H100")
    for number, stage in enumerate(stages, 1):
        state = f"finished in {duration(finished[stage.name])}" if stage.name in finished else \
            f"{duration(stage.seconds)} on an H100"
        _tell(f"  {number}. {stage.name}: {stage.what} ({state})")
    for model, path in job.init.items():
        _tell(f"  {model} starts from {path}")


def _settings(job: Job) -> dict[str, Any]:
    """Returns what decides the result, as JSON holds it."""
    about = {"config": dataclasses.asdict(job.config),
             "init": {model: identity(path) for model, path in job.init.items()},
             "texts": {f"{number} {path.name}": f"{zlib.crc32(path.read_bytes()):08x}"
                       for number, path in enumerate(inputs(job), 1)}}
    return json.loads(json.dumps(about))


def _read_state(job: Job) -> dict[str, Any]:
    """Returns the state of an earlier run in this folder, or a new one. Raises UserError if it had other settings."""
    path, settings = job.work / STATE, _settings(job)
    if not path.exists():
        return {"settings": settings, "finished": {}, "spent": {}}
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        before, finished, spent = state["settings"], state["finished"], state["spent"]
        changes = [f"{part} {name} {before[part].get(name)} (now {settings[part].get(name)})" for part in settings
                   for name in sorted(settings[part].keys() | before[part].keys())
                   if settings[part].get(name) != before[part].get(name)]
        if not all(isinstance(number, int | float) for part in (finished, spent) for number in part.values()):
            raise TypeError("times that are no numbers")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not the state of a voice ({type(error).__name__}); give another --out") from None
    if changes:
        raise UserError(f"{job.out}: begun with {', '.join(changes)}; give the same settings, or another --out")
    return state


def _write_state(job: Job, state: dict[str, Any]) -> None:
    """Writes the state."""
    kept = {name: state[name] for name in ("settings", "finished", "spent")}
    write_text(job.work / STATE, json.dumps(kept, indent=1))

