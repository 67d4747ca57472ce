"""Curves in columns of text: ``.dat .csv .txt .abs .pdh`` and their relatives.

The table is the longest run of lines with one number of columns; what stands before and after
it (titles, settings, an XML or JSON footer) is searched for units and titles of columns. A
table that breaks off and goes on is refused, never cut short silently.
"""

import dataclasses
import re

import numpy as np

from diffscatter.core.units import q_factor
from diffscatter.io.entries import Entry
from diffscatter.io.guard import MAX_POINTS, refusal, shown

__all__ = ["read_text"]

_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[ed][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)", re.I | re.A
)
_MISSING = re.compile(r"|n/?a|#n/a|#num!|null|none|-+|\*+|\?+", re.I)
_COMMENT = re.compile(r"\s*(?:#+|!|%|;|//)")
_DECIMAL_COMMA = re.compile(
    r"\s*[+-]?\d+,\d+(?:e[+-]?\d+)?(?:[\s;]+[+-]?\d+,\d+(?:e[+-]?\d+)?)+\s*", re.I
)
_MAX_LINE = 4096  # characters; a longer line is no row of a curve
_MAX_TITLES = 500  # characters; a longer line is no line of titles


def _inverse_of(length: str) -> str:
    return rf"(?:1 ?/ ?{length}|{length} ?(?:\^|\*\*)?[{{(]? ?[-⁻−] ?[1¹][)}}]?)(?![A-Za-z0-9])"


_PER_LENGTH = _inverse_of(r"(?:Å|Ang(?:str[oö]m)?s?|A|n_?m|nanomet(?:er|re)s?|m)")
_PER_CM = _inverse_of(r"c?m")
_Q_UNIT = re.compile(
    r"(?<![A-Za-z])q(?:_?vec(?:tor)?)?[ \t_-]{0,8}(?:units?)?[ \t\[({<,:=/_|-]{0,8}(?:in\s)?"
    rf"({_PER_LENGTH})",
    re.I,
)
_PDH_UNIT = re.compile(r'key="X">\s{0,20}<value key="unit">([^<]{1,20})<')
_I_UNIT = re.compile(
    r"(?<![A-Za-z])(?:I(?:\(q\))?|Int(?:ensity)?)[ \t\[({<,:=/_|-]{0,8}"
    rf"({_PER_CM})",
    re.I,
)
_UNIT = re.compile(
    rf"[\[({{/,]?[ \t]{{0,8}}(?:{_PER_LENGTH}|{_PER_CM})[ \t]{{0,8}}[\])}}]?", re.I
)

# What a title of a column means, its unit and punctuation removed.
_TITLES = {
    "q": r"q|qvec|q_?vector|scattering_?vector|dsm_qvec|smr_qvec|r_qvec",
    "I": r"i|int|intensity|i\(q\)|dsm_int|smr_int|r_int|di/dw|ds/dw",
    "sigma": r"err|error|errors|sigma|sig|sig\(q\)|sigma\(q\)|std|idev|di|dev|esd|di\(q\)|"
    r"dsm_error|smr_error|r_error|uncertainty|sigma_?i|sigi|i_?err(?:or)?|std\.?dev\.?i\(q\)",
    "dq": r"dq|qdev|sigma_?q|sigq|q_?err(?:or)?|q_?res(?:olution)?|resolution|q_?sigma",
}
_ROLES = {role: re.compile(pattern) for role, pattern in _TITLES.items()}

_PLAIN = str.maketrans({"⁻": "-", "−": "-", "¹": "1", "ö": "o", " ": None, "_": None})


@dataclasses.dataclass
class _Run:
    """Consecutive rows of one width; ``first`` and ``last`` are line numbers from 1."""

    width: int
    first: int
    last: int
    rows: list[list[float]]


def read_text(content: bytes, where: str, columns: str | None = None) -> list[Entry]:
    """Return the one entry of a text file.

    Args:
        content: the whole file.
        where: the name for messages.
        columns: what the columns hold, as ``"q,I,sigma,dq"`` in any order with ``-`` for one
            to skip; by default titles decide, then position.

    Raises:
        FileError: where no table, several, or a broken one is found.
    """
    lines = _decoded(content, where).splitlines()
    _refuse_decimal_commas(lines, where)
    table = _table(lines, where)
    rest = lines[: table.first - 1] + lines[table.last :]
    titles = _column_roles(lines[: table.first - 1], table.width)
    roles, notes = _roles(columns, titles, table, where)
    values = np.array(table.rows, dtype=np.float64).T
    column = {role: values[k] for k, role in enumerate(roles) if role != "-"}
    resolution, slit = _resolution(column, columns or titles, where)
    return [
        Entry(
            q=column["q"],
            intensity=column["I"],
            sigma=column.get("sigma"),
            resolution=resolution,
            slit_length=slit,
            q_unit=_q_unit(rest, notes),
            intensity_unit=_intensity_unit(rest),
            notes=tuple(notes),
        )
    ]


def _decoded(content: bytes, where: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise refusal(
            where,
            f"is not text, HDF5, XML or .npy (starts with {shown(content[:16])})",
            "export the curve as text or NXcanSAS",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _refuse_decimal_commas(lines: list[str], where: str) -> None:
    hits = [
        k
        for k, line in enumerate(lines)
        if len(line) < _MAX_LINE and _DECIMAL_COMMA.fullmatch(line)
    ]
    if len(hits) >= 3:
        raise refusal(
            where,
            f"has decimal commas (line {hits[0] + 1}: {shown(lines[hits[0]].strip())})",
            "write numbers with a decimal point",
        )


def _fields(line: str) -> list[str]:
    """Split at commas, semicolons or tabs where there are any, else at blanks."""
    mark = next((mark for mark in ",;\t" if mark in line), None)
    if mark is None:
        return line.split()
    fields = [field.strip() for field in line.split(mark)]
    while fields and not fields[-1]:
        fields.pop()
    # Tabs and commas may also just stand among blanks.
    return line.replace(mark, " ").split() if any(" " in field for field in fields) else fields


def _row(line: str) -> list[float] | None:
    """The numbers of a line, NaN where one is missing, or None if it is no row."""
    if len(line) > _MAX_LINE:
        return None
    fields = _fields(line)
    row = []
    for field in fields:
        if _NUMBER.fullmatch(field):
            row.append(float(field.lower().replace("d", "e")))
        elif len(row) > 0 and _MISSING.fullmatch(field):
            row.append(np.nan)
        else:
            return None
    return row or None


def _table(lines: list[str], where: str) -> _Run:
    runs, open_run = [], False
    for number, line in enumerate(lines, start=1):
        if not line.strip() or _COMMENT.match(line):
            continue
        row = _row(line)
        if row is None:
            open_run = False
        elif open_run and runs[-1].width == len(row):
            runs[-1].rows.append(row)
            runs[-1].last = number
        else:
            runs.append(_Run(len(row), number, number, [row]))
            open_run = True
        if row and len(runs[-1].rows) > MAX_POINTS:
            raise refusal(where, f"has more than {MAX_POINTS} rows", "bin or cut it")
    longest = max(runs, key=lambda run: len(run.rows), default=None)
    if longest is None or len(longest.rows) < 3:
        raise refusal(
            where,
            f"no table of numbers found (starts with {shown(lines[0] if lines else '')})",
            "give at least 3 rows of q and I in columns",
        )
    for run in runs:
        if run.width == longest.width and (run.first > longest.last or len(run.rows) >= 3):
            a, b = sorted((longest, run), key=lambda run: run.first)
            if a is not b:
                raise refusal(
                    where,
                    f"its table stops at line {a.last} and goes on at line {b.first} "
                    f"(between: {shown(lines[a.last].strip())})",
                    "mend those lines, or keep one table",
                )
    after = next((run for run in runs if run.first > longest.last), None)
    if after and not "".join(lines[longest.last : after.first - 1]).strip():
        raise refusal(
            where,
            f"line {after.first} has {after.width} columns, the table above has "
            f"{longest.width}",
            "if the file is truncated fetch it again, else mend that line",
        )
    if longest.width > 1 and "," in lines[longest.first - 1] and _whole(lines, longest):
        raise refusal(
            where,
            f"every number between its commas is whole (line {longest.first}: "
            f"{shown(lines[longest.first - 1].strip())})",
            "if these are decimal commas, write decimal points",
        )
    return longest


def _whole(lines: list[str], run: _Run) -> bool:
    text = "".join(lines[run.first - 1 : run.last]).lower()
    return not any(mark in text for mark in ".en")


def _column_roles(header: list[str], width: int) -> list[str] | None:
    """What the titles of the columns say, from the nearest line above that has them."""
    for line in reversed(header[-200:]):
        if len(line) > _MAX_TITLES:
            continue
        line = _UNIT.sub("", _COMMENT.sub("", line)).strip()
        for mark in ("|", ",", ";", "\t", "  ", " "):
            pieces = [piece for piece in line.split(mark) if piece.strip()][-width:]
            roles = [_role(piece) for piece in pieces]
            named = [role for role in roles if role != "-"]
            if (
                len(roles) == width
                and {"q", "I"} <= set(named)
                and len(set(named)) == len(named)
            ):
                return roles
    return None


def _role(title: str) -> str:
    text = re.sub(r"[\s\"'<>]", "", title).lower()
    return next((role for role, pattern in _ROLES.items() if pattern.fullmatch(text)), "-")


def _roles(columns, titles, table: _Run, where: str) -> tuple[list[str], list[str]]:
    if columns is not None:
        roles = re.split(r"[,\s]+", columns.strip())
        known = [role for role in roles if role != "-"]
        if (
            len(roles) != table.width
            or set(known) - set(_TITLES)
            or len(set(known)) < len(known)
        ):
            raise refusal(
                where,
                f"columns={columns!r} does not fit its {table.width} columns",
                'name each once, as "q,I,sigma,dq", with - for one to skip',
            )
        if not {"q", "I"} <= set(known):
            raise refusal(where, f"columns={columns!r} lacks q or I", 'begin with "q,I"')
        return roles, []
    if titles is not None:
        return titles, [f"columns by their titles: {', '.join(titles)}"]
    if table.width == 1:
        raise refusal(where, "its table has one column", "give q beside the intensity")
    if table.width > 4:
        raise refusal(
            where,
            f"its table (lines {table.first} to {table.last}) has {table.width} columns "
            "without titles, 2 to 4 are known",
            'say what they hold: columns="q,I,sigma,-,-"',
        )
    roles = ["q", "I", "sigma", "dq"][: table.width]
    return roles, [f"columns by position: {', '.join(roles)}"]


def _resolution(column, stated, where: str):
    """Split a dq column into a pinhole's and a slit's length, NIST's negative dq."""
    dq = column.get("dq")
    if dq is None:
        return None, None
    if (dq < 0).all():
        return None, -dq
    top, widest = (values[np.isfinite(values)].max(initial=0) for values in (column["q"], dq))
    if not stated and widest > top:
        raise refusal(
            where,
            f"its fourth column cannot be a resolution of q: it reaches {widest:.4g}, "
            f"q only {top:.4g}",
            'say what the columns hold: columns="q,I,-,sigma" or columns="q,I,sigma,-"',
        )
    return dq, None


def _q_unit(rest: list[str], notes: list[str]) -> str | None:
    """The unit of q, if the text around the table states exactly one."""
    text = "\n".join(rest)
    units: dict[float, str] = {}
    for match in [*_Q_UNIT.finditer(text), *_PDH_UNIT.finditer(text)]:
        unit = match[1].translate(_PLAIN)
        try:
            units.setdefault(q_factor(unit), unit)
        except ValueError:
            notes.append(f"unit of q not understood: {shown(unit)}")
    if len(units) > 1:
        notes.append(f"the file states several units of q: {', '.join(units.values())}")
        return None
    return next(iter(units.values()), None)


def _intensity_unit(rest: list[str]) -> str | None:
    text = "\n".join(rest)
    found = {match[1].translate(_PLAIN).lower() for match in _I_UNIT.finditer(text)}
    return found.pop() if len(found) == 1 else None
