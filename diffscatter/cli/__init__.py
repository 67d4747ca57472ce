"""The ``diffscatter`` command: whole tasks from files to a folder of results.

Ends with 0, or with 2 and one line that says what to mend, or with 130 after Ctrl-C. Each
command is a module here with ``add(commands)``, its options, and ``run(options)``; all are
cheap to import and load what they need when they run.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from diffscatter import __version__
from diffscatter.cli import (
    analyse,
    benchmark,
    check,
    dataset,
    demo,
    fit,
    models,
    reconstruct,
    simulate,
    train,
)
from diffscatter.cli.options import problem, take_defaults

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (that of the process by default) and return its exit status."""
    try:
        parser = _parser()
        options = parser.parse_args(arguments)
        if getattr(options, "config", None) is not None:
            take_defaults(options.parser, options.config)
            options = parser.parse_args(arguments)
        return options.run(options) or 0
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone, as in `diffscatter ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # as rich does
    except (OSError, ValueError) as error:
        return _say(problem(error), 2)
    except MemoryError:
        return _say("not enough memory; use a smaller grid or fewer points", 2)


def _say(message: str, status: int) -> int:
    print(f"diffscatter: {message}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, and takes complex numbers for numbers."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        # As of Python 3.14: before, -0.11+0.079j was taken for an option.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="diffscatter",
        description="A differentiable engine for X-ray and neutron scattering.",
    )
    parser.add_argument("--version", action="version", version=f"diffscatter {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = (demo, simulate, reconstruct, fit, analyse, models, dataset, train, check)
    for module in (*modules, benchmark):
        command = module.add(commands)
        command.set_defaults(run=module.run, parser=command)
    return parser
