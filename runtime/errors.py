"""The one error type that scripts show to users."""


class UserError(ValueError):
    """A user's mistake. Its message is one line that says what, found, expected, what to do; scripts exit with 2."""
