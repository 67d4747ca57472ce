"""The losses of a training, step by step, and their table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffscatter.core.files import write_atomic

__all__ = ["History"]

_COLUMNS = ("step", "training", "validation", "rate_scale")


@dataclass(frozen=True)
class History:
    """Losses by chunk of steps.

    Attributes:
        rows: one a chunk: steps taken, mean training loss over the chunk, validation loss or
            None where none was taken, and the factor on the learning rate during the chunk.
    """

    rows: tuple[tuple[int, float, float | None, float], ...] = ()

    def with_row(
        self, step: int, training: float, validation: float | None, scale: float
    ) -> "History":
        """Return the history with one more row."""
        return History((*self.rows, (step, training, validation, scale)))

    def losses(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return steps and losses of ``training`` and ``validation``, where there are any."""
        found = {}
        for column, name in ((1, "training"), (2, "validation")):
            pairs = [(row[0], row[column]) for row in self.rows if row[column] is not None]
            if pairs:
                steps, losses = zip(*pairs, strict=True)
                found[name] = np.array(steps), np.array(losses)
        return found

    def write_csv(self, path: Path | str) -> None:
        """Write the table; numbers as exact as they are, no validation as an empty field."""
        cells = lambda row: ("" if value is None else repr(value) for value in row)
        lines = [",".join(_COLUMNS), *(",".join(cells(row)) for row in self.rows)]
        write_atomic(path, "\n".join(lines) + "\n")
