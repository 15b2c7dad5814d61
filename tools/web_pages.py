#!/usr/bin/env python3
"""Build the course as web pages: `make site`, or only two lessons: `make site SITE="03 05"`.

The lessons are executed as students get them, unsolved: an exercise says what to write, and its check says
that it is not started. Sphinx turns them into pages, with a search, a glossary, and a reference from the
docstrings. A link to a page that does not exist is an error. `--links` also opens every address on the web.
"""

import argparse
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from segcourse.course import lessons

DOCS = Path(__file__).resolve().parents[1] / "docs"
MODULES = {
    "segcourse": "The public names",
    "segcourse.classical": "Classical methods",
    "segcourse.plotting": "Figures",
    "segcourse.widgets": "Widgets",
}
NOT_ON_PAGES = ("colab-setup", "hand-in", "hand-in-doctor")  # cells that are of use in a notebook only


def page(folder: Path, run: bool = True, minutes: int = 20) -> NotebookNode:
    """Return a lesson's notebook with outputs; where a stub stops a cell, one line says so.

    Args:
        folder: the lesson's folder.
        run: execute the notebook.
        minutes: time limit of one cell.

    Raises:
        SystemExit: a cell failed for another reason than an empty exercise.
    """
    notebook = nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in NOT_ON_PAGES]
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":  # a page has one heading of the first level
            cell.source = re.sub(r"(?m)^# ", "## ", cell.source)
    if run:
        where = {"metadata": {"path": folder}}
        options = {"timeout": 60 * minutes, "allow_errors": True, "coalesce_streams": True}
        options["extra_arguments"] = [
            "--log-level=ERROR"
        ]  # each kernel warns that it listens on this machine
        NotebookClient(notebook, resources=where, **options).execute()
    for cell in notebook.cells:
        for i, output in enumerate(cell.get("outputs", [])):
            if output.output_type == "error":
                if output.ename != "NotImplementedError":
                    sys.exit(f"{folder.name}, cell {cell.id}: {output.ename}: {output.evalue}")
                line = f"{output.ename}: {output.evalue}\n"
                cell.outputs[i] = nbformat.v4.new_output("stream", name="stderr", text=line)
    return notebook


def write_sources(source: Path, chosen: list[Path], run: bool = True) -> None:
    """Write what Sphinx reads: the pages of docs/, the lessons with their outputs, and the reference."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(DOCS, source)
    pages = source / "lessons"
    pages.mkdir()
    for text in lessons.root().glob("*.md"):
        shutil.copy(text, pages)
    for folder in chosen:
        print(f"{'executing' if run else 'copying'} {folder.name}", flush=True)
        copy = shutil.copytree(folder, pages / folder.name, ignore=shutil.ignore_patterns("*.py", ".ipynb_*"))
        nbformat.write(page(copy, run), copy / f"{folder.name}.ipynb")
    (pages / "README.md").write_text(overview(chosen), encoding="utf-8")
    with (source / "api.md").open("a", encoding="utf-8") as api:
        api.write(reference())


def overview(chosen: list[Path]) -> str:
    """Return the page of all lessons: the table, with links to those that were built, and the menu."""
    names = [folder.name for folder in chosen]
    rows = (lessons.root() / "README.md").read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if ".ipynb)" not in row or any(f"({name}/" in row for name in names)]
    menu = [f"{name}/{name}" for name in names]
    return "\n".join([*kept, "", "```{toctree}", ":hidden:", ":titlesonly:", "", *menu, "```", ""])


def reference() -> str:
    """Return the reference in Markdown: the public names of segcourse, then the modules that lessons use."""
    lines = []
    for name, heading in MODULES.items():
        module = importlib.import_module(name)
        lines += [f"## {heading}: `{name}`", "", "```{eval-rst}"]
        for public in module.__all__:
            if public != "__version__":
                kind = "class" if isinstance(getattr(module, public), type) else "function"
                lines += [f".. auto{kind}:: {name}.{public}", "   :members:" if kind == "class" else "", ""]
        lines += ["```", ""]
    return "\n".join(lines)


def build(source: Path, out: Path, builder: str = "html") -> int:
    """Run Sphinx, with warnings as errors, and return its exit status."""
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-q", "-W", "--keep-going"]
    cache = source.with_name("doctrees")  # beside the pages: two thirds of what would be published otherwise
    return subprocess.run([*command, "-d", str(cache), str(source), str(out)]).returncode


def main(arguments: list[str] | None = None) -> int:
    """Build the pages, and return 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lessons", nargs="*", help="numbers or names of lessons [default: all]")
    parser.add_argument("--out", type=Path, default=Path("site"), help="folder of the pages [default: site]")
    parser.add_argument("--no-run", action="store_true", help="leave out the outputs, which take the time")
    parser.add_argument("--links", action="store_true", help="also open every address on the web")
    given = parser.parse_args(arguments)
    chosen = [lessons.find(name) for name in given.lessons] or lessons.folders()
    source = given.out / "source"
    write_sources(source, chosen, run=not given.no_run)
    failed = build(source, given.out / "html")
    if not failed:
        print(f"{given.out / 'html' / 'index.html'}: {len(chosen)} lessons")
    if given.links:
        failed |= build(source, given.out / "links", "linkcheck")
    return failed


if __name__ == "__main__":
    sys.exit(main())
