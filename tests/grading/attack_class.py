"""A class of attackers with a few honest students, and canaries that detect an escape from the sandbox.

Attacks are in `attacks/` as percent-format text. They do not end in .py, so that neither pytest (which
imports every module for its doctests) nor a person runs one outside the sandbox by mistake.
"""

import ast
import contextlib
import hashlib
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grading_class import RIGHT, as_bytes, notebook
from nbformat.v4 import new_code_cell

import segcourse

FOLDER = Path(__file__).parent / "attacks"
HONEST = ("a_honest", "m_honest", "z_honest")
LIMITS = {"cell_seconds": 1, "case_seconds": 0.5, "total_seconds": 15, "memory_gb": 1.5, "processes": 64}
TOKEN = "SEGCOURSE_TEST_TOKEN"

# what every attacker knows, more than a real one could, and a way to report what was reached
BRIEFING = """
import subprocess, pathlib
{names}
pathlib.Path("/tmp/{mark}").touch()
_held = []
def tries(what, action):
    try:
        got = action()
    except (OSError, subprocess.SubprocessError) as error:
        got = None
    if got:
        print("REACHED", what, repr(got)[:200])
    else:
        _held.append(what)
        if len(_held) == 1:
            print("held", what)
"""


@dataclass(frozen=True)
class Attack:
    """One submission of `attacks/`: what it tries, its right score (two where it depends on this
    machine's kernel), and what must be reported.
    """

    name: str
    tries: str
    scores: tuple[float, ...]
    says: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]

    def notebook(self, briefing: str) -> bytes:
        """Return the right notebook with this attack's cells, and the cell `briefing` at its beginning."""
        answers, extra = dict(RIGHT), {}
        for place, source in self.cells:
            if place in answers:
                answers[place] = source
            else:
                extra.setdefault(place.removeprefix("before "), []).append(source)
        made = notebook(answers, extra)
        made.cells.insert(1, new_code_cell(briefing))
        return as_bytes(made)


def read(path: Path) -> Attack:
    """Return the attack in the file `path`."""
    head, *cells = re.split(r"^# %% (.*)$", path.read_text(), flags=re.MULTILINE)
    tries, _, about = ast.get_docstring(ast.parse(head)).partition("\n\n")
    pairs = [line.split(": ", 1) for line in about.splitlines()]
    scores = next(value for key, value in pairs if key == "score").split(" or ")
    says = tuple(value for key, value in pairs if key == "says")
    name = path.name.removesuffix(".py.txt")
    sources = tuple(source.strip() for source in cells[1::2])
    places = tuple(zip(cells[::2], sources, strict=True))
    return Attack(name, tries, tuple(map(float, scores)), says, places)


def attacks() -> dict[str, Attack]:
    return {attack.name: attack for attack in map(read, sorted(FOLDER.glob("*.py.txt")))}


class Canaries:
    """Files, sockets and environment variables of the host that no submission may read, change or reach."""

    def __init__(self, course: Path, home: Path) -> None:
        self.course, self.mark, self.token = course, f"mark-{secrets.token_hex(8)}", secrets.token_hex(16)
        (course / "course.secret").write_text(secrets.token_hex(32) + "\n")
        (course / "nbgrader_config.py").write_text("c = get_config()\n")
        home.mkdir()
        (home / "canary.txt").write_text("of the instructor")
        self.home, self.unix, self.abstract = home, str(home / "canary.sock"), f"canary-{self.mark}"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.servers = {"tcp": self.tcp}
        for name, address in (("unix", self.unix), ("abstract", "\0" + self.abstract)):
            self.servers[name] = socket.socket(socket.AF_UNIX)
            self.servers[name].bind(address)
            self.servers[name].listen()

    def briefing(self) -> str:
        """Return the first cell of every attack."""
        names = {
            "COURSE": str(self.course),
            # backwards, so that the secret itself is nowhere in the memory of who reads this cell
            "TERCES": (self.course / "course.secret").read_text().strip()[::-1],
            "FILES": [str(path) for path in (*self.watched(), self.course / "gradebook.db")],
            "PORT": self.tcp.getsockname()[1],
            "UNIX": self.unix,
            "ABSTRACT": self.abstract,
            "INSTRUCTORS_ENVIRONMENT": [TOKEN],
            "HOSTNAME": socket.gethostname(),
        }
        lines = "\n".join(f"{name} = {value!r}" for name, value in names.items())
        return BRIEFING.format(names=lines, mark=self.mark)

    def watched(self) -> list[Path]:
        fixed = [
            "course.secret",
            "nbgrader_config.py",
            "submitted/a_honest/05_losses_metrics/05_losses_metrics.ipynb",
        ]
        return [*(self.course / name for name in fixed), self.home / "canary.txt"]

    def prints(self) -> dict[str, str]:
        """Return the fingerprint of every file that must not change."""
        package = Path(segcourse.__file__).parent
        code = [package / "__init__.py", package / "metrics.py"]
        files = [*self.watched(), *self.course.glob("submitted/**/*.ipynb"), *code]
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 1e8
        }

    def visited(self) -> list[str]:
        """Return the servers that someone connected to."""
        found = []
        for name, server in self.servers.items():
            server.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                server.accept()[0].close()
                found.append(name)
        return found

    def inside(self) -> Iterator[int]:
        """Yield the processes that still run in a sandbox of this class, where each attack left a mark."""
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and (process / f"root/tmp/{self.mark}").exists():
                    yield int(process.name)

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
