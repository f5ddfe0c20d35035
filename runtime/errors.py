"""The one error type that scripts show to users."""


class UserError(ValueError):
    """A user's mistake. The message is one line: what, found, expected, what to do. Scripts exit with status 2."""
