"""What the tests of the commands share."""

import os
import subprocess
import sys

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from diffscatter import cli

# What a command sets for its process; here the process goes on with other tests.
SETTINGS = (
    "jax_enable_x64",
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture(autouse=True)
def settings():
    """Undo what a command that runs in this process does to JAX's settings."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    # JAX goes on with a cache that it has once opened, whatever the settings then say: other
    # tests would read what other processes have written there.
    compilation_cache.reset_cache()


@pytest.fixture
def refused(capsys):
    """Run a command that must fail, in this process, and return its one line."""

    def run(*arguments) -> str:
        try:
            status = cli.main([str(a) for a in arguments])
        except SystemExit as stop:  # argparse's way out
            status = stop.code
        output = capsys.readouterr()
        assert status == 2 and output.err.count("\n") == 1 and "Traceback" not in output.err
        assert output.err.startswith("diffscatter")
        return output.err

    return run


@pytest.fixture(scope="session")
def process():
    """Run a command, or code, in a process of its own, where every warning is an error."""

    def run(*arguments, code=None, **environment):
        what = ["-c", code] if code else ["-m", "diffscatter"]
        return subprocess.run(
            [sys.executable, "-W", "error", *what, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {k: str(v) for k, v in environment.items()},
        )

    return run
