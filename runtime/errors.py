"""The one error type that scripts show to users."""
from hparams import UserError

__all__ = ["UserError"]
