"""The one exception for things a user can mend."""


class InputError(ValueError):
    """A file, folder, option or setting is wrong.

    The message is one or two lines: it names the file or option, says what was expected, and the way out. The
    command line prints it without a traceback and ends with exit code 1.
    """
