"""canSAS 1D XML, any version of its namespace.

    SASroot / SASentry / (Title, Run, SASdata / Idata / (Q, I, Idev, Qdev | dQl, dQw))

Entity bombs, external entities and DTDs are refused by defusedxml; depth and number of elements
are limited while the file is parsed. http://www.cansas.org/formats/canSAS1d/1.1/doc/
"""

import xml.etree.ElementTree as ElementTree
from pyexpat import ExpatError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from diffscatter.io.entries import Entry
from diffscatter.io.guard import MAX_POINTS, FileError, refusal, shown

__all__ = ["read_xml"]

_MAX_DEPTH = 64
_MAX_ELEMENTS = 10 * MAX_POINTS // 4
_UNUSED = ("Qmean", "Shadowfactor")  # of NIST; what they hold is not applied


class _Bounded(ElementTree.TreeBuilder):
    """Builds a tree of limited depth and size."""

    def __init__(self, where: str):
        super().__init__()
        self.where, self.depth, self.count = where, 0, 0

    def start(self, tag, attrs):
        self.depth += 1
        self.count += 1
        if self.depth > _MAX_DEPTH or self.count > _MAX_ELEMENTS:
            raise refusal(
                self.where,
                f"nests more than {_MAX_DEPTH} deep or has over {_MAX_ELEMENTS} elements",
                "this is no canSAS file: export the curve again",
            )
        return super().start(tag, attrs)

    def end(self, tag):
        self.depth -= 1
        return super().end(tag)


def read_xml(content: bytes, where: str) -> list[Entry | FileError]:
    """Return the entries of a canSAS file, one for each SASdata, in their order.

    An entry that cannot be read stands as the error that choosing it raises.

    Raises:
        FileError: if the file is no sound XML, no canSAS, or has no SASdata.
    """
    root = _parsed(content, where)
    if _name(root) != "SASroot":
        raise refusal(
            where,
            f"is XML of <{_name(root)[:40]}>, not canSAS <SASroot>",
            "export it as canSAS",
        )
    entries = []
    for sasentry in _children(root, "SASentry"):
        data = _children(sasentry, "SASdata")
        for k, sasdata in enumerate(data):
            title = _text(sasentry, "Title") or sasentry.get("name") or _text(sasentry, "Run")
            part = sasdata.get("name") or str(k)
            try:
                entries.append(
                    _entry(
                        sasdata,
                        f"{where}, entry {len(entries)}",
                        f"{title} ({part})" if len(data) > 1 else title,
                    )
                )
            except FileError as error:
                entries.append(error)
    if not entries:
        raise refusal(where, "has no SASentry with SASdata", "export the curve again")
    return entries


def _parsed(content: bytes, where: str) -> ElementTree.Element:
    parser = DefusedXMLParser(target=_Bounded(where), forbid_dtd=True)
    try:
        parser.feed(content)
        return parser.close()
    except FileError:
        raise
    except DefusedXmlException as error:
        raise refusal(
            where,
            f"declares a DTD or entities ({type(error).__name__})",
            "remove the declaration: curves need none",
        ) from None
    # ParseError is a SyntaxError; a wrong encoding declaration is a LookupError or ValueError.
    except (ElementTree.ParseError, ExpatError, LookupError, ValueError) as error:
        raise refusal(
            where,
            f"is not well-formed XML ({str(error)[:120]})",
            "if it is truncated fetch it again",
        ) from None


def _entry(sasdata: ElementTree.Element, where: str, title: str) -> Entry:
    rows = _children(sasdata, "Idata")
    if not rows or len(rows) > MAX_POINTS:
        raise refusal(
            where, f"has {len(rows)} points (Idata)", f"1 to {MAX_POINTS} can be read"
        )
    columns: dict[str, np.ndarray] = {}
    units: dict[str, set[str | None]] = {}
    for k, row in enumerate(rows):
        for cell in row:
            name = _name(cell)
            if name not in columns:
                columns[name] = np.full(len(rows), np.nan)
                units[name] = set()
            units[name].add(cell.get("unit"))
            try:
                columns[name][k] = float(cell.text or "nan")
            except ValueError:
                raise refusal(
                    where, f"{name} is {shown(cell.text)} in row {k}", "write a number"
                ) from None
    for name in ("Q", "I"):
        if name not in columns:
            raise refusal(where, f"has no {name} in its Idata", "export the curve again")
    for name, found in units.items():
        if len(found) > 1:
            raise refusal(
                where, f"mixes units of {name}: {sorted(map(str, found))}", "use one unit"
            )
    unit = lambda name: next(iter(units.get(name, [None])))
    unused = [name for name in columns if name in _UNUSED]
    if len({unit(name) for name in ("dQw", "dQl") if name in columns}) > 1:
        raise refusal(where, "dQw and dQl have different units", "use one unit")
    return Entry(
        q=columns["Q"],
        intensity=columns["I"],
        sigma=columns.get("Idev"),
        resolution=columns.get("Qdev"),
        slit_length=columns.get("dQl"),
        slit_width=columns.get("dQw"),
        q_unit=unit("Q"),
        intensity_unit=unit("I"),
        sigma_unit=unit("Idev"),
        resolution_unit=unit("Qdev"),
        slit_unit=unit("dQl" if "dQl" in columns else "dQw"),
        title=title,
        notes=(f"{' and '.join(unused)} in the file, not applied",) if unused else (),
    )


def _name(element: ElementTree.Element) -> str:
    """The tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if _name(child) == name]


def _text(element: ElementTree.Element, name: str) -> str:
    found = _children(element, name)
    return " ".join((found[0].text or "").split())[:200] if found else ""
