"""Parse a submitted notebook into plain cells, without trusting it.

Only source text is kept. Outputs, widget state and everything else are dropped, so that none of it can reach
a page, a gradebook or a grader's memory later.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from segcourse.grading.notebooks import Cell, Refused

MAX_CELLS, MAX_SOURCE, MAX_CODE = 2000, 200_000, 1_000_000
# How often a notebook may contain these characters. A file of 49 MB of tiny values takes over a gigabyte once
# it is parsed; within these numbers, the worst that was measured took 200 MB and 2 s.
_MAX_COUNTS = {b"{": 500_000, b"[": 500_000, b",": 5_000_000, b'"': 4_000_000}
CLEAR = "clear the outputs (Kernel, Restart and clear outputs), save, and hand it in again"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KINDS = {
    rb"PK\x03\x04": "a zip archive, not a Jupyter notebook; hand in the .ipynb file.",
    rb"%PDF": "a PDF document, not a Jupyter notebook; hand in the .ipynb file.",
    rb"\x1f\x8b": "an archive, not a Jupyter notebook; hand in the .ipynb file.",
    rb"version https://git-lfs": "a git LFS pointer, not the notebook itself; run `git lfs pull` and hand in "
    "the notebook.",
    rb"<(?!<)": "a web page (perhaps a login page), not a Jupyter notebook; open your notebook and download "
    "it, in Jupyter with File, Download, in Colab with File, Download, Download .ipynb.",
    rb"(?s).*?^(<<<<<<<|>>>>>>>) ": "a notebook with an unresolved git merge: it still contains the marks "
    "<<<<<<< and >>>>>>>; resolve the merge, save the notebook, and hand it in again.",
    rb"\{": "damaged or incomplete, not a Jupyter notebook; save it or download it again, and hand in the "
    ".ipynb file.",
    rb"#|import |from |def |\"\"\"": "a Python script, not a Jupyter notebook; in Colab choose File, "
    "Download, Download .ipynb.",
    rb"": "of an unknown type, not a Jupyter notebook; hand in the .ipynb file.",
}


def read_notebook(data: bytes, max_megabytes: float) -> tuple[list[Cell], list[str]]:
    """Parse a submitted notebook.

    Returns:
        The cells, whose roles are still open, and a sentence about each repair.

    Raises:
        Refused: The data is not a notebook, or the notebook is too big.
    """
    if len(data) > max_megabytes * 1e6:
        raise Refused(f"the file is larger than the limit of {max_megabytes:g} MB; {CLEAR}.")
    if not data.strip(b"\0 \t\r\n"):
        raise Refused("the file is empty; save the notebook again and hand it in.")
    if any(data.count(character) > most for character, most in _MAX_COUNTS.items()):
        raise Refused(f"the file contains millions of values; {CLEAR}.")
    try:
        text, repairs = decode(data)
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        start = data.lstrip()
        kind = next(kind for pattern, kind in _KINDS.items() if re.match(pattern, start, re.MULTILINE))
        raise Refused(f"the file is {kind}") from error
    cells = content.get("cells") if type(content) is dict else None
    if type(content) is dict and type(content.get("worksheets")) is list:
        cells = list(_cells_of_version_3(content["worksheets"]))
        repairs.append("the notebook was in format 3 and was converted to format 4")
    if type(cells) is not list:
        raise Refused("the file is JSON, but not a Jupyter notebook: it has no list of cells.")
    if len(cells) > MAX_CELLS:
        raise Refused(f"the notebook has {len(cells)} cells, but at most {MAX_CELLS} are allowed.")
    read = [_cell(cell) for cell in cells]
    code = sum(len(cell.source) for cell in read if cell and cell.kind == "code")
    if code > MAX_CODE:
        raise Refused(
            f"its code cells contain {code:,} characters, but at most {MAX_CODE:,} are allowed; remove data "
            "that was pasted into code, save, and hand it in again."
        )
    broken = read.count(None)
    if broken:
        repairs.append(f"{broken} cell(s) could not be read and were skipped")
    return [cell for cell in read if cell], repairs


def decode(data: bytes) -> tuple[str, list[str]]:
    """Decode a notebook that is usually UTF-8; also return a sentence about each repair.

    Raises:
        ValueError: The file's encoding mark is wrong.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and data[1:2] == b"\0":
        encoding = "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        text, encoding = data.decode("cp1252", "replace"), "Windows-1252"
    repairs = []
    if encoding != "utf-8":
        repairs.append(f"the file was saved as {encoding} and was converted")
    if "\0" in text:
        text = text.replace("\0", "")
        repairs.append("the file contained zero bytes, as after a crash; they were removed")
    return text, repairs


def _cells_of_version_3(worksheets: list) -> Iterator[Any]:
    """Yield the cells of formats 2 and 3, which store code as "input" and headings as separate cells."""
    for sheet in worksheets:
        cells = sheet.get("cells") if type(sheet) is dict else None
        for cell in cells if type(cells) is list else ():
            if type(cell) is not dict:
                yield cell
            elif cell.get("cell_type") == "code":
                yield cell | {"source": cell.get("input", "")}
            else:
                yield cell | {"cell_type": "raw" if cell.get("cell_type") == "raw" else "markdown"}


def _cell(cell: Any) -> Cell | None:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if isinstance(source, list) and all(type(line) is str for line in source):
        source = "".join(source)
    if type(source) is not str or len(source) > MAX_SOURCE:
        return None
    # lone surrogates are legal JSON, but no file, page or pipe can hold them
    source = source.encode("utf-8", "replace").decode()
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    about = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    tags = metadata.get("tags") if isinstance(metadata.get("tags"), list) else []
    kind, tags = cell["cell_type"], tuple(filter(None, map(_text, tags)))
    role = "run" if kind == "code" else "text"
    own = _text(cell.get("id")) or _text(metadata.get("id"))  # Colab moves ids into the metadata
    return Cell(source, kind, role, None, _text(about.get("grade_id")), own, tags)


def _text(value: Any) -> str | None:
    return value if type(value) is str and 0 < len(value) <= 200 else None
