"""Is this machine ready for the course: what was looked at, how it is, and what to do about it.

What can crash an interpreter (native libraries that do not fit together) is tried in a process of its own.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from segcourse.errors import SegcourseError

PATIENCE = 300  # seconds; a first import from a slow network drive takes minutes
SIGNS = {"ok": "✓", "problem": "✗", "note": "–"}

_PYTORCH = """
import json, torch, torchvision
from segcourse.devices import choose_speed
# torchvision's compiled operators load only beside the torch that they were built for
kept = torchvision.ops.nms(torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([.9, .8]), .5)
assert kept.tolist() == [0], kept
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
print(json.dumps({
    "versions": f"torch {torch.__version__} and torchvision {torchvision.__version__} fit together",
    "threads": torch.get_num_threads(),
    "vectors": torch.backends.cpu.get_cpu_capability(),
    "bf16": choose_speed(torch.device("cpu")).bf16,
    "gpus": [f"{gpu.name} with {gpu.total_memory / 2**30:.0f} GB" for gpu in gpus],
    "mps": torch.backends.mps.is_available(),
}))
"""
_OPENCV = """
import cv2, numpy
assert cv2.resize(numpy.eye(2, dtype=numpy.uint8), (4, 4)).shape == (4, 4)
print(cv2.__version__)
"""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is ("ok", "problem", or "note": not needed), and the sentence on it."""

    what: str
    state: str
    says: str


def ready(findings: list[Finding]) -> bool:
    return not any(finding.state == "problem" for finding in findings)


def table(findings: list[Finding]) -> str:
    """The findings as text, one a line, wrapped to the terminal.

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
            initial_indent=f"{SIGNS[f.state]} {f.what}".ljust(column),
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for f in findings
    )


def machine() -> list[Finding]:
    """Look at everything that students need from this machine; takes some seconds."""
    return [
        _python(),
        *_pytorch(),
        _opencv(),
        _memory(),
        _disk(),
        _jupyter(),
        _lessons(),
        _data(),
    ]


def _try(code: str) -> tuple[str, str]:
    """Run code in a fresh interpreter like this one; return its last line, or else what went wrong."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "", f"no answer within {PATIENCE} seconds; is this machine busy with something else?"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1], ""
    last = (done.stderr.strip().splitlines() or [f"the process ended with code {done.returncode}"])[-1]
    return "", last


def _python() -> Finding:
    version = platform.python_version()
    if sys.maxsize < 2**32:
        return Finding("Python", "problem", "this is a 32-bit Python, PyTorch needs a 64-bit one.")
    return Finding("Python", "ok", f"{version} at {sys.executable}")


def _pytorch() -> list[Finding]:
    answer, failure = _try(_PYTORCH)
    if failure:
        advice = "install torch and torchvision again, both in one command and from one index"
        return [Finding("PyTorch", "problem", f"does not work ({failure}); {advice}.")]
    seen = json.loads(answer)
    bf16 = "gains by bfloat16, which training uses" if seen["bf16"] else "is faster without bfloat16"
    cpu = f"{seen['threads']} threads, {seen['vectors']}; {bf16} (measured)"
    gpu = ", ".join(seen["gpus"]) or ("Apple's, through MPS" if seen["mps"] else "")
    none = "none that PyTorch can use; every lesson runs on the CPU."
    return [
        Finding("PyTorch", "ok", seen["versions"]),
        Finding("CPU", "ok", cpu),
        Finding("GPU", "ok" if gpu else "note", gpu or none),
    ]


def _opencv() -> Finding:
    version, failure = _try(_OPENCV)
    if not failure:
        kind = "headless build" if _installed("opencv-python-headless") else "full build"
        return Finding("OpenCV", "ok", f"{version}, {kind}")
    advice = (
        "run `segcourse doctor --fix`: it installs the headless build of the same version, which needs no "
    )
    advice += "system library (with administrator's rights, `apt install libgl1` helps as well)"
    if not _lacks_library(failure):
        advice = "install it again: pip install --force-reinstall opencv-python"
    return Finding("OpenCV", "problem", f"`import cv2` fails ({failure}); {advice}.")


def _lacks_library(failure: str) -> bool:
    """Whether an import failed for want of a system library, such as libGL.so.1 on a server."""
    return failure.startswith("ImportError") and ".so" in failure


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    says = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB free"
    if memory.available < 3 * 2**30:
        return Finding(
            "Memory", "note", f"{says}; close other programs before training, or use smaller batches."
        )
    return Finding("Memory", "ok", says)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free < 1:
        return Finding(
            "Disk", "problem", f"{free:.1f} GB free here; saved models need room: free some space."
        )
    return Finding("Disk", "ok", f"{free:.0f} GB free here")


def _jupyter() -> Finding:
    """Start the kernel that notebooks will start, and import the library in it."""
    from jupyter_client.manager import run_kernel

    seen = []
    try:
        with run_kernel(kernel_name="python3", stderr=subprocess.DEVNULL) as client:
            reply = client.execute_interactive(
                "import segcourse, sys; print(sys.executable)",
                timeout=60,
                output_hook=lambda message: seen.append(message["content"].get("text", "")),
            )["content"]
    except Exception as error:  # whatever keeps a kernel from starting
        return Finding("Jupyter", "problem", f"no kernel starts ({error}); install jupyterlab again.")
    if reply["status"] != "ok":
        advice = "install segcourse into that kernel's Python, or choose another kernel"
        return Finding(
            "Jupyter", "problem", f"its kernel cannot import segcourse ({reply['evalue']}); {advice}."
        )
    return Finding(
        "Jupyter", "ok", f"JupyterLab {_installed('jupyterlab')}, kernel at {''.join(seen).strip()}"
    )


def _lessons() -> Finding:
    from segcourse.course import lessons

    found = [folder.name for folder in lessons.folders()]
    if not found:
        return Finding("Lessons", "problem", f"none in {lessons.root()}; install segcourse again.")
    return Finding("Lessons", "ok", ", ".join(found))


def _data() -> Finding:
    from segcourse.data import catalogue

    found = ", ".join(name for name in catalogue.entries() if catalogue.find_folder(name))
    none = f"none in {catalogue.data_root()}; lessons draw their own, `segcourse data list` names real ones."
    return Finding("Data sets", "ok" if found else "note", found or none)


def sandbox() -> Finding:
    """Check bubblewrap for those who do not need it; `grading.self_test` tests what graders need."""
    who = "only instructors need it, to grade"
    bwrap = shutil.which("bwrap")
    if not bwrap:
        return Finding(
            "bubblewrap", "note", f"not installed; {who} (Debian, Ubuntu: apt install bubblewrap)."
        )
    command = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode:
        return Finding(
            "bubblewrap", "note", f"installed, but may not run here ({tried.stderr.strip()}); {who}."
        )
    return Finding("bubblewrap", "ok", f"works; {who} (`segcourse doctor --teach` tries its limits).")


def fix() -> list[str]:
    """Repair what can be repaired here and return one sentence for each repair.

    Without libGL the OpenCV wheel cannot be imported; its headless build of the same version takes its place.
    Both own the folder cv2/, so the one has to go first. `pip check` then misses opencv-python, which nothing
    reads when the course runs. The wheel is fetched before anything is removed: a failure changes nothing.

    Raises:
        SegcourseError: pip could not fetch or install it; the sentence holds pip's own last line.
    """
    _, failure = _try(_OPENCV)
    version = _installed("opencv-python") or _installed("opencv-python-headless")
    if not _lacks_library(failure) or not version:
        return []
    wanted = f"opencv-python-headless=={version}"
    with tempfile.TemporaryDirectory() as wheels:
        _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", wheels, wanted)
        _pip("uninstall", "--yes", "opencv-python", "opencv-python-headless")
        _pip("install", "--no-deps", "--no-index", "--find-links", wheels, wanted)
    return [
        f"`import cv2` failed ({failure}): opencv-python was replaced by {wanted}, which needs no screen."
    ]


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SegcourseError(f"`pip {' '.join(arguments)}` failed: {last}")
