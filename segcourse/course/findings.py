"""Findings about a machine or a notebook: how they are obtained and printed."""

import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from importlib import metadata

TIMEOUT = 300  # seconds; a first import from a slow network drive takes minutes
SYMBOLS = {"ok": "✓", "problem": "✗", "note": "–"}


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked, in a word or two.
        state: "ok", "problem", or "note" (not needed).
        says: one sentence for the user.
    """

    what: str
    state: str
    says: str


def ready(findings: list[Finding]) -> bool:
    """Return True if no finding is a problem."""
    return not any(finding.state == "problem" for finding in findings)


def table(findings: list[Finding]) -> str:
    """Return the findings as text, one per line, wrapped to the width of the terminal.

    >>> print(table([Finding("Python", "ok", "3.11"), Finding("GPU", "note", "none")]))
    ✓ Python  3.11
    – GPU     none
    """
    column = max(len(finding.what) for finding in findings) + 4
    width = max(60, shutil.get_terminal_size((110, 24)).columns)
    return "\n".join(
        textwrap.fill(
            f.says,
            width,
            initial_indent=f"{SYMBOLS[f.state]} {f.what}".ljust(column),
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for f in findings
    )


def run_python(code: str) -> tuple[str, str]:
    """Run code in a new interpreter; return its last line of output, or else "" and the reason it failed.

    A separate process survives native libraries that crash the interpreter.
    """
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {TIMEOUT} seconds; is another program keeping this machine busy?"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1], ""
    last = (done.stderr.strip().splitlines() or [f"the process ended with exit code {done.returncode}"])[-1]
    return "", last


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
