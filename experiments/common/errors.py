"""Errors of the experiments that are the user's to mend, told apart from faults of the program."""


class DataError(ValueError):
    """A data file that cannot be read; the message names file, line and what is expected."""


class ModelError(ValueError):
    """A model that cannot be loaded; the message says what was tried and how to get one."""
