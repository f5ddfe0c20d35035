"""Trains the student, or with --model the teacher or the vocoder.

    python train.py --data distilled --out runs/student
    python train.py --model tacotron2 --data LJSpeech-1.1 --out runs/teacher
    torchrun --nproc-per-node 4 train.py --model waveglow --data LJSpeech-1.1 --out runs/vocoder
    python train.py --model waveglow --data LJSpeech-1.1 --mels student-mels --init vocoder.safetensors --out runs/tuned
    python train.py --model waveglow --out runs/vocoder --export waveglow/pre_trained_model/mine.safetensors

Every setting of the model and of its training is an option; --help lists those of --model and --config, hparams.py
says what each means. SIGINT and SIGTERM stop after the step with a checkpoint; --resume goes on from it.
"""
import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from hparams import CONFIGS, AudioConfig
from runtime.console import one_line, open_closed_streams, print_notice
from runtime.errors import UserError
from runtime.settings import named_config, override

USAGE = "train.py [--model NAME] [--config NAME] --data FOLDER --out FOLDER [options; see --help]"


def get_parser(model: str, config: str) -> argparse.ArgumentParser:
    """The command line for a model and a named configuration, whose values are its defaults."""
    parser = argparse.ArgumentParser(prog="train.py", usage=USAGE, description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(CONFIGS), default="lightspeech", help="default: lightspeech")
    parser.add_argument("--config", default="default", help=f"named settings: {', '.join(CONFIGS[model])}")
    parser.add_argument("--data", type=Path, help="a distilled dataset (lightspeech), or a folder in LJSpeech's layout")
    parser.add_argument("--mels", type=Path, metavar="FOLDER", help="for waveglow: what the student says of --data, by "
                        "preprocess.py --student; half of each batch is then spoken from these mels")
    parser.add_argument("--out", type=Path, help="the run's folder: checkpoints, log, TensorBoard files")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/latest.pt")
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from released or published weights, such as "
                        "those of another voice")
    parser.add_argument("--export", type=Path, metavar="FILE",
                        help="write the averaged weights of OUT's best checkpoint, or those of --init, as "
                        "FILE.safetensors; no training")
    parser.add_argument("--sharpen", type=float, metavar="FACTOR", help="with --export and --data: mels get the "
                        "spread over bands that their targets have, times this, against blur; a teacher's 1.15, else 1")
    parser.add_argument("--preliminary", metavar="TEXT", help="with --export: why these weights are no more than a "
                        "beginning; whoever speaks with them is told")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--plain", action="store_true", help="do not use the fast paths (fused kernels, CUDA graphs)")
    for settings in named_config(model, config):
        group = parser.add_argument_group(type(settings).__name__, type(settings).__doc__)
        for field in dataclasses.fields(settings):
            group.add_argument(f"--{field.name.replace('_', '-')}", dest=f"set_{field.name}", metavar="VALUE",
                               help=f"default {getattr(settings, field.name)}")
    return parser


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, Any, Any]:
    """Returns (options, model config, training config); UserError for a value of the wrong type."""
    first = argparse.ArgumentParser(prog="train.py", usage=USAGE, add_help=False, allow_abbrev=False)
    first.add_argument("--model", choices=sorted(CONFIGS), default="lightspeech")
    first.add_argument("--config", default="default")
    chosen = first.parse_known_args(argv)[0]
    options = get_parser(chosen.model, chosen.config).parse_args(argv)
    given = {name[4:]: value for name, value in vars(options).items() if name.startswith("set_") and value is not None}
    configs = []
    for settings in named_config(chosen.model, chosen.config):
        names = {field.name for field in dataclasses.fields(settings)}
        configs.append(override(settings, {name: value for name, value in given.items() if name in names}))
    return options, *configs


def run(options: argparse.Namespace, model_config: Any, train_config: Any) -> int:
    """Trains as the options say; returns the exit status (1: stopped before the last step)."""
    from training import loop
    from training.distributed import process_group
    from training.released import start_from
    from training.tasks import make_task
    if options.sharpen is not None:
        raise UserError("--sharpen: is for finished weights; give --export too")
    if options.mels and options.model != "waveglow":
        raise UserError(f"--mels: is for waveglow, found --model {options.model}; leave it out")
    for name, what in (("data", "the folder to train on"), ("out", "the folder of the run")):
        if getattr(options, name) is None:
            raise UserError(f"--{name}: not given; name {what}")
    with process_group(options.device) as workers:
        task = make_task(options.model, model_config, train_config, options.data, AudioConfig(), workers,
                         fast=not options.plain, mels=options.mels)
        if options.init and not options.resume:
            start_from(options.init, options.model, task.model)
        try:
            state = loop.set_up(task, train_config, workers, options.out, options.resume)
            if workers.is_main:
                about = {"model": dataclasses.asdict(model_config), "training": dataclasses.asdict(train_config)}
                (options.out / "config.json").write_text(json.dumps(about, indent=1))
            return 0 if loop.fit(state) else 1
        except OSError as error:
            raise UserError(f"--out {options.out}: cannot be written ({error}); name one with room in it") from None


def write_weights(options: argparse.Namespace) -> None:
    """What --export asks for."""
    from training.released import export
    source, sharpness = options.init or options.out, None
    if options.init and not options.init.is_file():
        raise UserError(f"--init {options.init}: no such file; name released weights")
    if source is None:
        raise UserError("--export: of what is not said; name the run's folder by --out, or released weights by --init")
    if options.sharpen is not None:
        if options.model == "waveglow" or options.data is None:
            raise UserError("--sharpen: is for teacher and student; it needs the --data that they learned from")
        sharpness = options.data, options.sharpen
    export(options.model, source, options.export, options.preliminary, sharpness)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    open_closed_streams()
    try:
        options, model_config, train_config = parse(argv)
        if options.export:
            write_weights(options)
            return 0
        return run(options, model_config, train_config)
    except UserError as error:
        print_notice(f"train.py: error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:  # before the first step: later the loop notes it
        return 130


if __name__ == "__main__":
    sys.exit(main())
