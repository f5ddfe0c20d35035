"""Packages that only some commands need; speaking on the CPU does without them."""
import importlib.util

from hparams import UserError

_NAMES = {"torch": "PyTorch"}


def require_package(package: str, what: str) -> None:
    """Raises UserError if a package that `what` needs is not installed. Does not import it."""
    if importlib.util.find_spec(package) is None:
        raise UserError(f"{what}: needs {_NAMES.get(package, package)}, which is not installed; "
                        "pip install -r requirements.txt")
