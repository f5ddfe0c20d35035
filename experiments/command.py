"""What the scripts of this folder share on the command line."""
from collections.abc import Callable

from hparams import UserError
from runtime.console import one_line, print_notice


def exit_status(script: str, run: Callable[[], None]) -> int:
    """Runs a script's work and returns its exit status: 0, 2 after a user's mistake, 130 after Ctrl-C.

    script: its file name, which begins the one-line message about a mistake.
    """
    try:
        run()
    except UserError as error:
        print_notice(f"{script}: error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
