"""Compare `segcourse grade` with plain `nbgrader autograde`, for the same class on the same cores.

    python benchmarks/autograde.py [05_losses_metrics] [--students 60] [--rounds 1] [--workers 2] [--alone]

The class has right, wrong and broken submissions in turn. Each round grades a part of the class with both
programs, one after the other; a single round grades the whole class. Then the results are compared: both must
pass the same exercises. nbgrader runs as it would for an instructor without segcourse's plug-ins: no sandbox,
one student after another. The lesson's long demonstrations (cells tagged skip-grading) are removed from all
notebooks, because nbgrader would spend minutes on each. Many small rounds see the same load on the machine,
but include the time to start each time. `--alone` skips nbgrader and the comparison.
"""

import argparse
import ast
import builtins
import inspect
import os
import statistics
import subprocess
import symtable
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook, MissingEntry

from segcourse import exercises
from segcourse.course import lessons
from segcourse.grading import grade_lesson

PLAIN = """c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.ignore = ["*.py", ".ipynb_checkpoints", "__pycache__"]
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.LockCells", "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells", "nbgrader.preprocessors.ComputeChecksums",
]
c.NbGraderConfig.logfile = ""
"""
IMPORTS = "import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn"
SLIPS = (("padding=1", "padding=0"), ("sigmoid", "tanh"), ("cat(", "stack("), ("ReLU", "Tanh"))
SECONDS = 30  # the limit per cell, for both; nbgrader's default


def class_of(lesson: str, count: int) -> dict[str, bytes]:
    """Return submissions by student: half are right, the others wrong or broken in eight ways.

    Every other student writes in another hand: with local names that the lesson's demonstrations use too.
    """
    solved = lessons.solve(lesson)
    solved.cells = [cell for cell in solved.cells if "skip-grading" not in cell.metadata.get("tags", ())]
    names = exercises.names(lesson)
    made = {}
    for number in range(count):
        kind = number % 16
        notebook, name = nbformat.from_dict(solved), names[number // 16 % len(names)]
        notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
        answer = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)
        if number % 4 < 2:
            for cell in notebook.cells:
                if cell.metadata.get("nbgrader", {}).get("grade_id") in names:
                    cell.source = in_another_hand(cell.source)
        if kind in (1, 3, 5, 7):
            answer.source = wrong_answer(name, number, answer.source)
        elif kind == 9:
            answer.source = answer.source.replace(":", "", 1)  # a syntax error
        elif kind == 11:
            notebook.cells.insert(2, nbformat.v4.new_code_cell("while True: pass"))
        elif kind == 13:
            notebook.cells.insert(2, nbformat.v4.new_code_cell("import os; os.kill(os.getpid(), 9)"))
        data = nbformat.writes(notebook).encode()
        made[f"student-{number:03}-{kind:02}"] = data[: len(data) // 2] if kind == 15 else data
    return made


def in_another_hand(source: str) -> str:
    """Return the answer without comments, and with a tuple of local names first in each function."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            at = int(ast.get_docstring(node) is not None)
            node.body[at:at] = ast.parse("p, t, logits_, masks, lesions, images = [None] * 6").body
    return ast.unparse(tree)


def wrong_answer(name: str, number: int, solved: str) -> str:
    """Return one of the exercise's self-contained misconceptions, or else the solution with a mistake."""
    found = exercises.get(name).misconceptions
    for wrong in found[number % len(found) :]:
        tree = ast.parse(textwrap.dedent(inspect.getsource(wrong.wrong)))
        node = tree.body[0]
        calls_answer = any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not calls_answer:  # it would call itself
            node.decorator_list, node.name = [], name
            source = ast.unparse(tree)
            if not set(_free(source)) - {"torch", "F", "nn", "math"} - vars(builtins).keys():
                return f"{IMPORTS}\n{source}"
    for right, slip in SLIPS:
        if f"class {name}" in solved and right in solved:
            return solved.replace(right, slip, 1)
    doubled = f"def {name}(*arguments, **named):\n    return 2 * half_of_{name}(*arguments, **named)"
    return f"{solved}\n\n\nhalf_of_{name} = {name}\n\n\n{doubled}"


def _free(source: str) -> list[str]:
    """Return the names that the source uses but does not define."""
    tables, free = [symtable.symtable(source, "answer", "exec")], []
    for table in tables:
        tables += table.get_children()
        free += [s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()]
    return [
        name
        for name in free
        if name not in {s.get_name() for s in tables[0].get_symbols() if s.is_assigned()}
    ]


def hand_in(course: Path, lesson: str, submissions: dict[str, bytes]) -> None:
    for student, data in submissions.items():
        folder = course / "submitted" / student / lesson
        folder.mkdir(parents=True)
        (folder / f"{lesson}.ipynb").write_bytes(data)


def plain_course(root: Path, lesson: str) -> None:
    """Create an nbgrader course as nbgrader does, without segcourse's plug-ins."""
    (root / "nbgrader_config.py").write_text(PLAIN.format(root=str(root)))
    source = root / "source" / lesson
    source.mkdir(parents=True)
    notebook = nbformat.read(lessons.find(lesson) / f"{lesson}.ipynb", as_version=4)
    notebook.cells = [c for c in notebook.cells if "skip-grading" not in c.metadata.get("tags", ())]
    nbformat.write(notebook, source / f"{lesson}.ipynb")
    for picture in lessons.find(lesson).iterdir():
        if picture.is_file() and picture.suffix not in (".ipynb", ".py"):
            (source / picture.name).write_bytes(picture.read_bytes())
    nbgrader(root, "generate_assignment", lesson)


def nbgrader(root: Path, *arguments: str) -> None:
    """Run nbgrader; if a submission fails, it continues and returns an exit code."""
    environment = os.environ | {"JUPYTER_CONFIG_PATH": str(root), "HOME": str(root)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "nbgrader", *arguments]
    with (root / "log").open("ab") as log:
        subprocess.run(command, cwd=root, env=environment, stdout=log, stderr=log)


def passed_by_nbgrader(root: Path, lesson: str, student: str) -> dict[str, bool] | None:
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        try:
            grades = book.find_submission_notebook(lesson, lesson, student).grades
        except MissingEntry:
            return None
        return {g.name.removeprefix("check_"): g.auto_score == g.max_score for g in grades}


class PeakMemory(threading.Thread):
    """Measures the peak memory of the fork server and all sandboxes in GB; each page counts once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.over = 0.0, False
        self.start()

    def run(self) -> None:
        while not self.over:
            total = 0
            for process in psutil.process_iter():
                try:
                    if "segcourse.grading.sandbox.fork_server" in process.cmdline():
                        total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.most = max(self.most, total / 2**30)
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lesson", nargs="?", default="05_losses_metrics")
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="Skip nbgrader and the comparison.")
    arguments = parser.parse_args()
    lesson = lessons.find(arguments.lesson).name
    submissions = class_of(lesson, arguments.students)
    seconds = {"segcourse": [], "nbgrader": []}
    with tempfile.TemporaryDirectory() as folder:
        peer, ours = Path(folder, "nbgrader"), Path(folder, "segcourse")
        peer.mkdir(), ours.mkdir()
        if not arguments.alone:
            plain_course(peer, lesson)
        students, memory = list(submissions), PeakMemory()
        for turn in range(arguments.rounds):
            part = {s: submissions[s] for s in students[turn :: arguments.rounds]}
            hand_in(peer, lesson, part), hand_in(ours, lesson, part)

            def plain() -> None:
                nbgrader(peer, "autograde", lesson)

            def sandboxed(part=part) -> None:
                command = [Path(sys.executable).with_name("segcourse"), "grade", lesson, "--json"]
                command += ["--course", str(ours), "--workers", str(arguments.workers)]
                command += ["--cell-seconds", str(SECONDS)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

            runners = {"segcourse": sandboxed} | ({} if arguments.alone else {"nbgrader": plain})
            for name in list(runners)[:: 1 if turn % 2 else -1]:
                start = time.perf_counter()
                runners[name]()
                seconds[name].append(time.perf_counter() - start)
                print(f"round {turn + 1}: {len(part)} students, {name} {seconds[name][-1]:.1f} s", flush=True)
        memory.over = True
        graded = grade_lesson(lesson, ours, limits={"cell_seconds": SECONDS}).results
        results = {result.student: result for result in graded}
        if not arguments.alone:
            compare(peer, lesson, results)
    total = {name: sum(times) for name, times in seconds.items() if times}
    print(
        f"\n{len(submissions)} submissions of {lesson}, {os.cpu_count()} cores, {arguments.workers} workers"
    )
    for name, time_taken in total.items():
        print(f"{name:<10} {time_taken:7.1f} s  {len(submissions) / time_taken:6.2f} submissions per second")
    if not arguments.alone:
        ratios = [b / a for a, b in zip(seconds["segcourse"], seconds["nbgrader"], strict=True)]
        rounds = ", ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"throughput {total['nbgrader'] / total['segcourse']:.1f} times nbgrader's; by round {rounds}")
    print(f"peak memory of the fork server and all sandboxes: {memory.most:.2f} GB")
    inside = statistics.median(result.seconds for result in results.values() if result.score is not None)
    print(f"a graded submission spends {inside:.2f} s in its sandbox (median)")


def compare(peer: Path, lesson: str, results: dict) -> None:
    """Check that both pass the same exercises, for all students whom nbgrader could grade."""
    agreed = silent = 0
    for student, result in results.items():
        theirs = passed_by_nbgrader(peer, lesson, student)
        if result.score is None or theirs is None or student.endswith(("-11", "-13")):
            silent += 1  # nbgrader cannot grade a notebook that hangs or kills its kernel
            continue
        mine = {verdict.name: verdict.passed for verdict in result.verdicts}
        assert mine == theirs, (student, mine, theirs)
        agreed += 1
    print(f"\nboth agree on every exercise of {agreed} students; {silent} could not be graded by one of them")


if __name__ == "__main__":
    main()
