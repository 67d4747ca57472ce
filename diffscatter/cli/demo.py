"""``diffscatter demo``."""

import argparse
from typing import Any

from diffscatter.cli.options import add_output, console, start_jax

__all__ = ["add", "run"]


def add(commands: Any) -> argparse.ArgumentParser:
    words = "fit a measured curve and recover a body; takes about a minute"
    parser = commands.add_parser("demo", help=words, description=words)
    add_output(parser, "diffscatter-demo")
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (1)")
    return parser


def run(options: argparse.Namespace) -> None:
    start_jax()
    from diffscatter import demo

    demo.main(options.output, options.seed, console())
