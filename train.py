"""Trains the student, or with --model the teacher or the vocoder; with --model voice all three, one after the other.

    python train.py --model voice --data my-recordings --out voices/mine
    python train.py --data distilled --out runs/student
    python train.py --model tacotron2 --data LJSpeech-1.1 --out runs/teacher
    torchrun --nproc-per-node 4 train.py --model waveglow --data LJSpeech-1.1 --out runs/vocoder
    python train.py --model waveglow --data LJSpeech-1.1 --mels student-mels --init vocoder.safetensors --out runs/tuned
    python train.py --model joint --data LJSpeech-1.1 --mels student-mels --init voice --out runs/joint
    python train.py --model waveglow --out runs/vocoder --export waveglow/pre_trained_model/mine.safetensors

Every setting of the model and of its training is an option: --help lists those of --model and --config, hparams.py
explains them. SIGINT and SIGTERM stop the training after a checkpoint; --resume continues from it, also with other
--steps, intervals or a smaller --batch-size. --model voice goes on when the same command is given again.
"""
import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from hparams import CONFIGS, UserError, VoiceConfig
from runtime.console import one_line, open_closed_streams, print_notice
from runtime.files import check_readable
from runtime.settings import named_config, override, voice_config

USAGE = "train.py [--model NAME] [--config NAME] --data FOLDER --out FOLDER [options; see --help]"


def new_parser(**options: Any) -> argparse.ArgumentParser:
    """Returns a parser with the options of all models."""
    parser = argparse.ArgumentParser(prog="train.py", usage=USAGE, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, **options)
    parser.add_argument("--model", choices=[*sorted(CONFIGS), "voice"], default="lightspeech",
                        help="default: lightspeech")
    parser.add_argument("--config", default="default", help="named settings: default or tiny; waveglow: published")
    return parser


def add_settings(parser: argparse.ArgumentParser, *configs: Any) -> None:
    """Adds an option for each number, text or truth value of the settings, whose values are the defaults."""
    for settings in configs:
        group = parser.add_argument_group(type(settings).__name__, type(settings).__doc__)
        for field in dataclasses.fields(settings):
            if field.type in (int, float, str, bool):
                group.add_argument(f"--{field.name.replace('_', '-')}", dest=f"set_{field.name}", metavar="VALUE",
                                   help=f"default {getattr(settings, field.name)}")


def get_voice_parser(config: VoiceConfig) -> argparse.ArgumentParser:
    """Returns the parser of the options for a whole voice."""
    parser = new_parser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the recordings, a folder in LJSpeech's layout")
    parser.add_argument("--out", type=Path, help="the voice's folder, for synthesize.py --voice")
    parser.add_argument("--init", metavar="FOLDER", help="start from the weights in this folder (tacotron2, "
                        "lightspeech and waveglow.safetensors), or from nothing: none; default: those that ship")
    parser.add_argument("--texts", type=Path, nargs="+", default=[], metavar="FILE", help="texts of your own, "
                        "which the teacher reads for the student beside --more-texts; as for preprocess.py")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add_settings(parser, config)
    return parser


def get_parser(model: str, config: str) -> argparse.ArgumentParser:
    """Returns the parser of the options for a model and a named configuration, whose values are the defaults."""
    parser = new_parser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a distilled dataset (lightspeech), or a folder in LJSpeech's layout")
    parser.add_argument("--mels", type=Path, metavar="FOLDER", help="the student's mels of --data, by preprocess.py "
                        "--student; waveglow: the input of half of each batch; joint: only their durations are used")
    parser.add_argument("--distilled", type=Path, metavar="FOLDER", help="for joint: a distilled dataset of more texts")
    parser.add_argument("--out", type=Path, help="the run's folder: checkpoints, log, TensorBoard files")
    parser.add_argument("--resume", action="store_true", help="continue the run in OUT from its last checkpoint")
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from released or published weights, such as "
                        "those of another voice; a vocoder without a flow also starts one with a flow")
    parser.add_argument("--export", type=Path, metavar="FILE",
                        help="do not train: write the averaged weights of OUT's best checkpoint, or those of --init, "
                        "to FILE.safetensors, or to FILE.onnx, with which synthesize.py speaks without PyTorch")
    parser.add_argument("--sharpen", type=float, metavar="FACTOR", help="with --export and --data: give mels the "
                        "covariance of their targets, times this factor, against blur; 1.15 for a teacher, else 1")
    parser.add_argument("--contrast", type=float, metavar="FACTOR", help="with --export and --data, for a student: "
                        "make the quiet parts of its mels quieter by this factor, such as 1.1, against hiss and blur")
    parser.add_argument("--pace", type=float, metavar="FACTOR", help="with --export, for a student: make it speak "
                        "slower by this factor, such as 1.03; experiments/measure_pace.py measures what is missing")
    parser.add_argument("--preliminary", metavar="TEXT", help="with --export: why these weights are not final; "
                        "synthesize.py prints it")
    parser.add_argument("--judge", metavar="COMMAND", help="run this at each validation with a folder of samples (.npy "
                        "mels of lightspeech, .wav of the others); the number that it prints last is logged, and "
                        "best.pt is the checkpoint with the highest one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--plain", action="store_true", help="do not use the fast paths (fused kernels, CUDA graphs)")
    add_settings(parser, *named_config(model, config))
    return parser


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, list[Any]]:
    """Returns (options, [model config, training config] or [voice config]).

    Raises UserError for a value of the wrong type.
    """
    chosen = new_parser(add_help=False).parse_known_args(argv)[0]
    if chosen.model == "voice":
        configs: tuple[Any, ...] = (voice_config(chosen.config),)
        options = get_voice_parser(*configs).parse_args(argv)
    else:
        configs = named_config(chosen.model, chosen.config)
        options = get_parser(chosen.model, chosen.config).parse_args(argv)
    changes = {name.removeprefix("set_"): value for name, value in vars(options).items()
               if name.startswith("set_") and value is not None}
    return options, [override(settings, {field.name: changes[field.name] for field in dataclasses.fields(settings)
                                         if field.name in changes}) for settings in configs]


def check_folders(options: argparse.Namespace) -> None:
    """Raises UserError if a folder that every training needs is not given."""
    for name, what in (("data", "the folder to train on"), ("out", "the folder of the run")):
        if getattr(options, name) is None:
            raise UserError(f"--{name}: not given; name {what}")


def run_voice(options: argparse.Namespace, config: VoiceConfig) -> bool:
    """Makes a voice as the options say. Returns False if a signal stopped it before its end."""
    from voice import Job, make_voice, starting_weights
    check_folders(options)
    return make_voice(Job(options.data, options.out, config, starting_weights(options.init), tuple(options.texts),
                          options.device))


def run(options: argparse.Namespace, model_config: Any, config: Any) -> bool:
    """Trains as the options say. Returns False if a signal stopped the training before its last step."""
    from training.run import train
    for name in ("sharpen", "contrast", "pace"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: is for finished weights; give --export too")
    if options.mels and options.model not in ("waveglow", "joint"):
        raise UserError(f"--mels: is for waveglow and joint, found --model {options.model}; leave it out")
    if options.distilled and options.model != "joint":
        raise UserError(f"--distilled: is for joint, found --model {options.model}; leave it out")
    if options.model == "joint":
        for name, what in (("mels", "what preprocess.py --student made of --data"),
                           ("init", "a folder with lightspeech.safetensors and waveglow.safetensors")):
            if getattr(options, name) is None and not (name == "init" and options.resume):
                raise UserError(f"--{name}: not given; joint training needs {what}")
    if options.judge and options.model == "tacotron2":
        raise UserError("--judge: is not for tacotron2; leave it out")
    check_folders(options)
    return train(options.model, model_config, config, options.data, options.out, device=options.device,
                 fast=not options.plain, mels=options.mels, distilled=options.distilled, init=options.init,
                 resume=options.resume, judge=options.judge)


def export_weights(options: argparse.Namespace) -> None:
    """Exports the weights of a finished run (--export)."""
    from training.export import export, export_joint
    if options.model == "joint":
        changes = ("init", "sharpen", "contrast", "pace")
        if options.out is None or any(getattr(options, name) is not None for name in changes):
            raise UserError(f"--export: joint exports the run in --out, without --{', --'.join(changes)}")
        export_joint(options.out, options.export, options.preliminary)
        return
    source, sharpening, contrast = options.init or options.out, None, None
    if options.init:
        check_readable(options.init, "--init takes released weights")
    if source is None:
        raise UserError("--export: no weights given; name the run's folder by --out, or released weights by --init")
    if options.sharpen is not None:
        if options.model == "waveglow" or options.data is None:
            raise UserError("--sharpen: is for teacher and student; it needs the --data that they learned from")
        sharpening = options.data, options.sharpen
    if options.contrast is not None:
        if options.model != "lightspeech" or options.data is None:
            raise UserError("--contrast: is for a student; it needs the --data that it learned from")
        contrast = options.data, options.contrast
    if options.pace is not None and options.model != "lightspeech":
        raise UserError(f"--pace: is for a student, found --model {options.model}; leave it out")
    export(options.model, source, options.export, options.preliminary, sharpening, contrast, options.pace,
           device=options.device)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 stopped before the last step, 2 a user's mistake, 130 interrupted."""
    open_closed_streams()
    try:
        options, configs = parse(argv)
        if options.model == "voice":
            return 0 if run_voice(options, *configs) else 1
        if options.export:
            export_weights(options)
            return 0
        return 0 if run(options, *configs) else 1
    except (UserError, OSError) as error:
        print_notice(f"train.py: error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:  # before the first step; later ones stop the loop
        return 130


if __name__ == "__main__":
    sys.exit(main())
