"""From bytes to plain cells, trusting nothing and keeping no output.

Only source text crosses into the course. Outputs, widgets' state and whatever else a notebook carries are
left behind, so that none of it can reach a page, a gradebook or a grader's memory later.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from segcourse.grading.notebooks import Cell, Refused

MAX_CELLS, MAX_SOURCE = 2000, 200_000
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KINDS = {
    rb"PK\x03\x04": "a zip archive, not a Jupyter notebook; hand in the .ipynb file.",
    rb"%PDF": "a PDF document, not a Jupyter notebook; hand in the .ipynb file.",
    rb"\x1f\x8b": "an archive, not a Jupyter notebook; hand in the .ipynb file.",
    rb"version https://git-lfs": "a pointer that git LFS keeps in place of the notebook; "
    "run `git lfs pull` and hand in the notebook itself.",
    rb"<(?!<)": "a web page (perhaps of a login), not a Jupyter notebook; open your notebook and download "
    "it from there, in Jupyter with File, Download, in Colab with File, Download, Download .ipynb.",
    rb"(?s).*?^(<<<<<<<|>>>>>>>) ": "a notebook that git could not merge: the marks <<<<<<< and >>>>>>> are "
    "still in it; settle the merge, save the notebook, and hand it in again.",
    rb"\{": "damaged or unfinished, not a Jupyter notebook; save it again, or download it again, and hand "
    "in the .ipynb file.",
    rb"#|import |from |def |\"\"\"": "a Python script, not a Jupyter notebook; in Colab choose File, "
    "Download, Download .ipynb.",
    rb"": "of another kind, not a Jupyter notebook; hand in the .ipynb file.",
}


def read_notebook(data: bytes, max_megabytes: float) -> tuple[list[Cell], list[str]]:
    """The cells of a submitted notebook, their roles still open, and the repairs that reading it took.

    Raises:
        Refused: it is not a notebook, or one that is too big.
    """
    if len(data) > max_megabytes * 1e6:
        raise Refused(
            f"the file is larger than the {max_megabytes:g} MB that are allowed; clear the outputs "
            "(Kernel, Restart and clear outputs), save, and hand it in again."
        )
    if not data.strip(b"\0 \t\r\n"):
        raise Refused("the file is empty; save the notebook again and hand that in.")
    try:
        text, repairs = _decoded(data)
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        start = data.lstrip()
        kind = next(said for pattern, said in _KINDS.items() if re.match(pattern, start, re.MULTILINE))
        raise Refused(f"the file is {kind}") from error
    cells = content.get("cells") if type(content) is dict else None
    if type(content) is dict and type(content.get("worksheets")) is list:
        cells = list(_of_version_3(content["worksheets"]))
        repairs.append("the notebook was in format 3 and was converted to format 4")
    if type(cells) is not list:
        raise Refused("the file is JSON, but not a Jupyter notebook: it has no list of cells.")
    if len(cells) > MAX_CELLS:
        raise Refused(f"the notebook has {len(cells)} cells and {MAX_CELLS} are allowed.")
    read = [_cell(cell) for cell in cells]
    broken = read.count(None)
    if broken:
        repairs.append(f"{broken} cell(s) could not be read and were left out")
    return [cell for cell in read if cell], repairs


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """The text, and in which encoding other than UTF-8 it was; Windows' own is what editors fall back to.

    Raises:
        ValueError: the encoding that the file claims does not fit.
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
        repairs.append(f"the file was saved as {encoding} and was read as such")
    if "\0" in text:
        text = text.replace("\0", "")
        repairs.append("the file held zero bytes, as after a crash; they were left out")
    return text, repairs


def _of_version_3(worksheets: list) -> Iterator[Any]:
    """The cells of formats 2 and 3, which kept code under "input" and headings as cells of their own."""
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
    return Cell(source, kind, role, None, _text(about.get("grade_id")), _text(cell.get("id")), tags)


def _text(value: Any) -> str | None:
    return value if type(value) is str and 0 < len(value) <= 200 else None
