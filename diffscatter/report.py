"""One run, one folder: ``summary.json``, ``result.h5``, ``report.html``, PNGs, configuration.

A :class:`Run` collects what a command finds and writes it at the end, each file whole or not at
all and ``summary.json`` last, so a folder that holds a summary holds everything it speaks of.
"""

import base64
import html
import io
import json
import math
import platform
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from diffscatter import __version__
from diffscatter.core.files import atomic, write_atomic

__all__ = ["Run", "versions"]

_NUMBER = re.compile(r"[-+−]?\.?\d")


def versions() -> dict[str, str]:
    """Return the versions that decide numbers: python, diffscatter, jax, jaxlib, numpy."""
    others = {name: metadata.version(name) for name in ("jax", "jaxlib", "numpy")}
    return {"python": platform.python_version(), "diffscatter": __version__, **others}


class Run:
    """What one command does, collected and then written into one folder.

    Used as a context: leaving it writes everything; Ctrl-C inside writes what there is, marked
    ``interrupted``; any other exception leaves no file behind.

    Args:
        folder: where the files go; made here, so that a folder that cannot be written is
            refused before the computation.
        command: what runs, as ``fit``.
        title: heading of the report; the command by default.
        seed: of all random numbers in the run.
        configuration: every option as it was used; written as ``configuration.toml``.

    Attributes:
        status: ends in the summary; set it where a run ends otherwise than ``complete``.

    Raises:
        OSError: if the folder cannot be made or written.

    Example:
        >>> with Run("out", "fit", seed=1) as run:
        ...     run.parameter("radius", 12.0, sigma=0.1, unit="nm")
        ...     run.figure("fit", plotting.curve_fit(curve, fitted), "Data and fit.")
        ...     run.array("q", curve.q, unit="1/nm")
    """

    def __init__(
        self,
        folder: Path | str,
        command: str,
        *,
        title: str | None = None,
        seed: int | None = None,
        configuration: Mapping[str, Any] | None = None,
    ):
        self.folder = Path(folder)
        self.command = command
        self.title = title or command
        self.seed = seed
        self.status = "complete"
        self.configuration = dict(configuration or {})
        self._start = time.perf_counter()
        self._facts: dict[str, Any] = {}
        self._lead: tuple[str, bool] | None = None
        self._parameters: dict[str, dict] = {}
        self._warnings: list[str] = []
        self._arrays: dict[str, tuple[np.ndarray, dict]] = {}
        self._files: dict[str, Callable[[Path], None]] = {}
        self._pictures: dict[str, bytes] = {}
        self._blocks: list[str] = []
        self._summary: dict | None = None
        self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass  # refuses here what could not be written at the end

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind, value, traceback) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            if kind is not None:
                self.status = "interrupted"
            self.finish()
        else:
            for path in self._made:  # only folders made here, and only while they are empty
                if any(path.iterdir()):
                    break
                path.rmdir()

    def lead(self, text: str, *, good: bool = True) -> None:
        """Say what came out: the first line of the report, ``verdict`` in the summary.

        Args:
            text: one or two sentences.
            good: False marks it as a warning.
        """
        self._lead = text, good

    def heading(self, text: str) -> None:
        """Open a section of the report."""
        self._blocks.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph to the report."""
        self._blocks.append(f"<p>{html.escape(text)}</p>")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add a table to the report; numbers are aligned to the right."""
        self._blocks.append(_table(columns, rows))

    def figure(self, name: str, figure: Any, caption: str = "") -> None:
        """Add a matplotlib figure: ``NAME.png`` in the folder, and inline in the report."""
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name in self._pictures:
            raise ValueError(f"figure name must be a new plain file name, got {name!r}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        self._pictures[name] = buffer.getvalue()
        source = base64.b64encode(self._pictures[name]).decode()
        words = html.escape(caption)
        self._blocks.append(
            f'<figure><img alt="{words or html.escape(name)}" '
            f'src="data:image/png;base64,{source}"><figcaption>{words}</figcaption></figure>'
        )

    def array(self, name: str, values: Any, **attributes: Any) -> None:
        """Keep an array for ``result.h5``, with attributes such as ``unit="1/nm"``."""
        array = np.asarray(values)
        if array.dtype.kind not in "biufc" or array.ndim == 0:
            raise ValueError(
                f"{name} must be an array of numbers, got {array.dtype} of shape "
                f"{array.shape}; single numbers and words belong to the summary"
            )
        if name in self._arrays:
            raise ValueError(f"{name} is already in the result")
        self._arrays[name] = array, attributes

    def file(self, name: str, write: Callable[[Path], None]) -> None:
        """Add a file of another format: at the end ``write`` is called with its path."""
        self._files[name] = write

    def body(self, density: Any, pitch: float, name: str = "density") -> None:
        """Keep a body ``(nz, ny, nx)`` with its voxel side ``pitch`` in nm."""
        if np.ndim(density) != 3:
            raise ValueError(f"{name} must be (nz, ny, nx), got shape {np.shape(density)}")
        self.array(name, density, pitch=float(pitch))

    def parameter(
        self,
        name: str,
        value: float,
        sigma: float | None = None,
        unit: str = "",
        *,
        interval: tuple[float, float] | None = None,
        bounds: tuple[float, float] | None = None,
        note: str = "",
    ) -> None:
        """Record a found parameter.

        Args:
            name, value, unit: as a reader should see them.
            sigma: standard uncertainty; None: not determined; 0: it was fixed.
            interval: a confidence interval, where it is more than value and sigma.
            bounds: between which it was searched.
            note: what a reader should know of it, as "at its upper bound".
        """
        found = {"value": float(value), "sigma": None if sigma is None else float(sigma)}
        found["unit"] = unit
        extra = {"interval": interval, "bounds": bounds, "note": note or None}
        self._parameters[name] = found | {k: v for k, v in extra.items() if v is not None}

    def record(self, **facts: Any) -> None:
        """Record further entries of the summary, as ``reduced_chi2=1.02``."""
        self._facts |= facts

    def warn(self, message: str) -> None:
        """Record a warning, once, for the summary and the report."""
        if message not in self._warnings:
            self._warnings.append(message)

    def finish(self) -> dict:
        """Write every file and return the summary; called on leaving the context.

        A second call writes nothing and returns the same summary.
        """
        if self._summary is not None:
            return self._summary
        summary = {
            "command": self.command,
            "status": self.status,
            "seconds": round(time.perf_counter() - self._start, 3),
            "seed": self.seed,
            **({"verdict": self._lead[0]} if self._lead else {}),
            "parameters": self._parameters,
            **self._facts,
            "warnings": self._warnings,
            "versions": versions(),
        }
        summary = _plain(summary)
        for name, picture in self._pictures.items():
            write_atomic(self.folder / f"{name}.png", picture)
        write_atomic(self.folder / "configuration.toml", _toml(self.configuration))
        self._write_arrays()
        for name, write in self._files.items():
            write(self.folder / name)
        write_atomic(self.folder / "report.html", self._page(summary))
        write_atomic(
            self.folder / "summary.json",
            json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        )
        self._summary = summary
        return summary

    def _write_arrays(self) -> None:
        import h5py

        with atomic(self.folder / "result.h5") as temporary:
            with h5py.File(temporary, "w") as file:
                file.attrs["command"] = self.command
                file.attrs["creator"] = f"diffscatter {__version__}"
                file.attrs["configuration"] = _toml(self.configuration)
                for name, (array, attributes) in self._arrays.items():
                    packed = {"compression": "gzip", "shuffle": True, "fletcher32": True}
                    data = file.create_dataset(name, data=array, **packed)
                    for key, value in attributes.items():
                        data.attrs[key] = value

    def _page(self, summary: Mapping[str, Any]) -> str:
        blocks = [f"<h1>{html.escape(self.title)}</h1>"]
        if self._lead:
            text, good = self._lead
            kind = "lead" if good else "lead warning"
            blocks.append(f'<p class="{kind}">{html.escape(text)}</p>')
        facts = {
            k: v
            for k, v in summary.items()
            if isinstance(v, str | int | float) and k != "verdict"
        }
        entries = (
            f"<dt>{html.escape(k.replace('_', ' '))}</dt><dd>{_shown(v)}</dd>"
            for k, v in facts.items()
        )
        blocks.append(f"<dl>{''.join(entries)}</dl>")
        blocks += [f'<p class="warning">{html.escape(w)}</p>' for w in self._warnings]
        if self._parameters:
            blocks.append("<h2>Parameters</h2>")
            blocks.append(_parameter_table(self._parameters))
        blocks += self._blocks
        if self.configuration:
            words = html.escape(_toml(self.configuration))
            blocks.append(f"<h2>Configuration</h2><pre>{words}</pre>")
        used = ", ".join(f"{k} {v}" for k, v in summary["versions"].items())
        blocks.append(f"<footer>{html.escape(used)}</footer>")
        return _PAGE.format(title=html.escape(self.title), content="\n".join(blocks))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table; a column whose first entry is a number is aligned to the right."""
    first = rows[0] if rows else columns
    kinds = [' class="number"' if _NUMBER.match(_shown(value)) else "" for value in first]

    def line(values: Sequence[Any], tag: str) -> str:
        cells = zip(values, kinds, strict=True)
        return "<tr>" + "".join(f"<{tag}{k}>{_shown(v)}</{tag}>" for v, k in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(columns, 'th')}</thead><tbody>{body}</tbody></table>"


def _parameter_table(parameters: Mapping[str, Mapping[str, Any]]) -> str:
    """Write values with their errors in their last two digits; leave empty columns out."""
    pair = lambda ends: "" if ends is None else f"{ends[0]:.6g} to {ends[1]:.6g}"
    rows = [
        (
            name,
            _with_error(found["value"], found["sigma"]),
            found["unit"],
            pair(found.get("interval")),
            pair(found.get("bounds")),
            found.get("note", ""),
        )
        for name, found in parameters.items()
    ]
    titles = ("parameter", "value", "unit", "interval", "searched", "note")
    used = [i for i in range(len(titles)) if i < 3 or any(row[i] for row in rows)]
    return _table([titles[i] for i in used], [[row[i] for i in used] for row in rows])


def _with_error(value: float, sigma: float | None) -> str:
    from diffscatter.fitting.result import value_with_error

    if sigma is None or not math.isfinite(sigma):
        return f"{value:.6g}, not determined"
    return value_with_error(value, sigma)


def _shown(value: Any) -> str:
    if isinstance(value, float | np.floating):
        value = f"{value:.6g}"
    return html.escape(str(value))


def _plain(value: Any) -> Any:
    """Make a tree JSON-able: arrays become lists, what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "dtype"):
        return _plain(np.asarray(value).tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _toml(values: Mapping[str, Any]) -> str:
    """Write options as TOML: numbers, words, lists and tables of them; None is left out."""

    def item(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(item, value)) + "]"
        if isinstance(value, Mapping):
            pairs = (f"{key(k)} = {item(v)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

    key = lambda name: name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else item(name)
    tables = {k: v for k, v in values.items() if isinstance(v, Mapping)}
    lines = [
        f"{key(k)} = {item(v)}" for k, v in values.items() if k not in tables and v is not None
    ]
    for name, table in tables.items():
        lines += ["", f"[{key(name)}]", *(f"{key(k)} = {item(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.7rem; margin-bottom: 0.5rem; }}
h2 {{ font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1.2rem; }}
dt {{ color: #555; }} dd {{ margin: 0; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.25rem 0.9rem 0.25rem 0; text-align: left; border-bottom: 1px solid #eee; }}
th {{ border-bottom: 1px solid #999; }} .number {{ text-align: right; }}
figure {{ margin: 1.2rem 0; }} img {{ max-width: 100%; height: auto; }}
figcaption, footer {{ color: #555; font-size: 0.9rem; }}
.lead {{ font-size: 1.1rem; border-left: 4px solid #009e73; padding-left: 0.8rem; }}
.warning {{ border-left: 4px solid #d55e00; padding-left: 0.8rem; }}
pre {{ background: #f6f6f6; padding: 0.8rem; overflow-x: auto; font-size: 0.85rem; }}
</style>
</head>
<body>
{content}
</body>
</html>
"""
