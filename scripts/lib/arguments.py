"""The command lines of Python scripts. The headers of the scripts are their documentation."""

import argparse


class Parser(argparse.ArgumentParser):
    """Parses the arguments of a script. Wrong usage ends it with status 64 (EX_USAGE), as in common.sh.

    The script is named by its path below scripts/.
    """

    def __init__(self, script):
        super().__init__(prog=f"scripts/{script}", add_help=False)

    def error(self, message):
        self.exit(64, f"{self.prog}: {message}; see --help\n")


def positive(text):
    """Returns a whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
