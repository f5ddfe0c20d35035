"""The hook of --judge: a command that scores the samples of a validation, such as a predicted MOS."""
import math
import shlex
import shutil
import subprocess
from pathlib import Path

from hparams import UserError
from runtime.console import one_line, print_notice


def check_judge(command: str) -> None:
    """Raises UserError if the first word of the command is no program that can be run."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--judge: found {command!r} ({error}); quote it like a shell command") from None
    if not words or shutil.which(words[0]) is None:
        raise UserError(f"--judge: found {command!r}, expected a command that can be run")


def run_judge(command: str, samples: Path) -> float:
    """Returns the number on the last line that the command prints when run with the folder `samples` at its end.

    Returns NaN, and prints why, if the command fails or prints no number: a training of hours shall not end there.
    """
    try:
        done = subprocess.run([*shlex.split(command), str(samples)], stdout=subprocess.PIPE, text=True, check=True,
                              stdin=subprocess.DEVNULL)
        return float(done.stdout.strip().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError) as error:
        print_notice(f"--judge: no number from {command!r} ({one_line(error)}); this checkpoint has no score")
        return math.nan
