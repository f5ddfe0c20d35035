"""Trains the student, or with --model the teacher or the vocoder.

    python train.py --data distilled --out runs/student
    python train.py --model tacotron2 --data LJSpeech-1.1 --out runs/teacher
    torchrun --nproc-per-node 4 train.py --model waveglow --data LJSpeech-1.1 --out runs/vocoder
    python train.py --model waveglow --data LJSpeech-1.1 --mels student-mels --init vocoder.safetensors --out runs/tuned
    python train.py --model waveglow --out runs/vocoder --export waveglow/pre_trained_model/mine.safetensors

Every setting of the model and of its training is an option: --help lists those of --model and --config, hparams.py
explains them. SIGINT and SIGTERM stop the training after a checkpoint; --resume continues from it, also with other
--steps, intervals or a smaller --batch-size.
"""
import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from hparams import CONFIGS, UserError
from runtime.console import one_line, open_closed_streams, print_notice
from runtime.files import check_readable
from runtime.settings import named_config, override

USAGE = "train.py [--model NAME] [--config NAME] --data FOLDER --out FOLDER [options; see --help]"


def get_parser(model: str, config: str) -> argparse.ArgumentParser:
    """Returns the parser of the options for a model and a named configuration, whose values are the defaults."""
    parser = argparse.ArgumentParser(prog="train.py", usage=USAGE, description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(CONFIGS), default="lightspeech", help="default: lightspeech")
    parser.add_argument("--config", default="default", help=f"named settings: {', '.join(CONFIGS[model])}")
    parser.add_argument("--data", type=Path, help="a distilled dataset (lightspeech), or a folder in LJSpeech's layout")
    parser.add_argument("--mels", type=Path, metavar="FOLDER", help="for waveglow: the student's mels of --data, by "
                        "preprocess.py --student; they are the input of half of each batch")
    parser.add_argument("--out", type=Path, help="the run's folder: checkpoints, log, TensorBoard files")
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT from its last checkpoint")
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from released or published weights, such as "
                        "those of another voice")
    parser.add_argument("--export", type=Path, metavar="FILE",
                        help="do not train: write the averaged weights of OUT's best checkpoint, or those of --init, "
                        "to FILE.safetensors, or to FILE.onnx, with which synthesize.py speaks without PyTorch")
    parser.add_argument("--sharpen", type=float, metavar="FACTOR", help="with --export and --data: give mels the "
                        "covariance of their targets, times this factor, against blur; 1.15 for a teacher, else 1")
    parser.add_argument("--preliminary", metavar="TEXT", help="with --export: why these weights are not final; "
                        "synthesize.py prints it")
    parser.add_argument("--judge", metavar="COMMAND", help="run this at each validation with a folder of samples (.npy "
                        "mels of lightspeech, .wav of waveglow); the number that it prints last is logged, and best.pt "
                        "is the checkpoint with the highest one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--plain", action="store_true", help="do not use the fast paths (fused kernels, CUDA graphs)")
    for settings in named_config(model, config):
        group = parser.add_argument_group(type(settings).__name__, type(settings).__doc__)
        for field in dataclasses.fields(settings):
            group.add_argument(f"--{field.name.replace('_', '-')}", dest=f"set_{field.name}", metavar="VALUE",
                               help=f"default {getattr(settings, field.name)}")
    return parser


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, Any, Any]:
    """Returns (options, model config, training config). Raises UserError for a value of the wrong type."""
    first = argparse.ArgumentParser(prog="train.py", usage=USAGE, add_help=False, allow_abbrev=False)
    first.add_argument("--model", choices=sorted(CONFIGS), default="lightspeech")
    first.add_argument("--config", default="default")
    chosen = first.parse_known_args(argv)[0]
    options = get_parser(chosen.model, chosen.config).parse_args(argv)
    changes = {name.removeprefix("set_"): value for name, value in vars(options).items()
               if name.startswith("set_") and value is not None}
    model_config, config = (
        override(settings, {field.name: changes[field.name] for field in dataclasses.fields(settings)
                            if field.name in changes}) for settings in named_config(chosen.model, chosen.config))
    return options, model_config, config


def run(options: argparse.Namespace, model_config: Any, config: Any) -> bool:
    """Trains as the options say. Returns False if a signal stopped the training before its last step."""
    from training.run import train
    if options.sharpen is not None:
        raise UserError("--sharpen: is for finished weights; give --export too")
    if options.mels and options.model != "waveglow":
        raise UserError(f"--mels: is for waveglow, found --model {options.model}; leave it out")
    if options.judge and options.model == "tacotron2":
        raise UserError("--judge: is for lightspeech and waveglow; leave it out")
    for name, what in (("data", "the folder to train on"), ("out", "the folder of the run")):
        if getattr(options, name) is None:
            raise UserError(f"--{name}: not given; name {what}")
    return train(options.model, model_config, config, options.data, options.out, device=options.device,
                 fast=not options.plain, mels=options.mels, init=options.init, resume=options.resume,
                 judge=options.judge)


def export_weights(options: argparse.Namespace) -> None:
    """Exports the weights of a finished run (--export)."""
    from training.export import export
    source, sharpening = options.init or options.out, None
    if options.init:
        check_readable(options.init, "--init takes released weights")
    if source is None:
        raise UserError("--export: no weights given; name the run's folder by --out, or released weights by --init")
    if options.sharpen is not None:
        if options.model == "waveglow" or options.data is None:
            raise UserError("--sharpen: is for teacher and student; it needs the --data that they learned from")
        sharpening = options.data, options.sharpen
    export(options.model, source, options.export, options.preliminary, sharpening)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 stopped before the last step, 2 a user's mistake, 130 interrupted."""
    open_closed_streams()
    try:
        options, model_config, config = parse(argv)
        if options.export:
            export_weights(options)
            return 0
        return 0 if run(options, model_config, config) else 1
    except (UserError, OSError) as error:
        print_notice(f"train.py: error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:  # before the first step; later ones stop the loop
        return 130


if __name__ == "__main__":
    sys.exit(main())
