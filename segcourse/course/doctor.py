"""Check that this machine is ready for the course, and say what to do about each problem."""

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from segcourse.course import opencv
from segcourse.course.findings import Finding, installed_version, ready, run_python, table
from segcourse.course.opencv import fix

__all__ = ["Finding", "fix", "machine", "ready", "sandbox", "table"]

_PYTORCH = """
import json, torch, torchvision
from segcourse.devices import choose_speed
# torchvision's compiled operators load only with the torch version that they were built for
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


def machine() -> list[Finding]:
    """Check everything that students need from this machine; takes some seconds."""
    return [
        _python(),
        *_pytorch(),
        opencv.check(),
        _memory(),
        _disk(),
        _jupyter(),
        _lessons(),
        _data(),
    ]


def _python() -> Finding:
    version = platform.python_version()
    if sys.maxsize < 2**32:
        return Finding("Python", "problem", "this is a 32-bit Python, but PyTorch needs a 64-bit Python.")
    return Finding("Python", "ok", f"{version} at {sys.executable}")


def _pytorch() -> list[Finding]:
    answer, failure = run_python(_PYTORCH)
    if failure:
        advice = "install torch and torchvision again, both in one command and from the same index"
        return [Finding("PyTorch", "problem", f"does not work ({failure}); {advice}.")]
    seen = json.loads(answer)
    bf16 = "faster with bfloat16, so training uses it" if seen["bf16"] else "faster without bfloat16"
    cpu = f"{seen['threads']} threads, {seen['vectors']}; {bf16} (measured)"
    gpu = ", ".join(seen["gpus"]) or ("Apple GPU, through MPS" if seen["mps"] else "")
    none = "none that PyTorch can use; every lesson runs on the CPU."
    return [
        Finding("PyTorch", "ok", seen["versions"]),
        Finding("CPU", "ok", cpu),
        Finding("GPU", "ok" if gpu else "note", gpu or none),
    ]


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
            "Disk", "problem", f"{free:.1f} GB free in this folder; free at least 1 GB for saved models."
        )
    return Finding("Disk", "ok", f"{free:.0f} GB free in this folder")


def _jupyter() -> Finding:
    """Start the kernel that notebooks use, and import segcourse in it."""
    from jupyter_client.manager import run_kernel

    seen = []
    try:
        with run_kernel(kernel_name="python3", stderr=subprocess.DEVNULL) as client:
            reply = client.execute_interactive(
                "import segcourse, sys; print(sys.executable)",
                timeout=60,
                output_hook=lambda message: seen.append(message["content"].get("text", "")),
            )["content"]
    except Exception as error:  # a kernel can fail to start in many ways
        return Finding(
            "Jupyter", "problem", f"the kernel does not start ({error}); install jupyterlab again."
        )
    if reply["status"] != "ok":
        advice = "install segcourse into that kernel's Python, or choose another kernel"
        return Finding(
            "Jupyter", "problem", f"the kernel cannot import segcourse ({reply['evalue']}); {advice}."
        )
    return Finding(
        "Jupyter", "ok", f"JupyterLab {installed_version('jupyterlab')}, kernel at {''.join(seen).strip()}"
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
    none = (
        f"none in {catalogue.data_root()}; lessons use generated images. `segcourse data list` shows the "
        "data sets that you can download."
    )
    return Finding("Data sets", "ok" if found else "note", found or none)


def sandbox() -> Finding:
    """Check bubblewrap for students, who do not need it; `grading.self_test` checks it for instructors."""
    who = "only instructors need it, for grading"
    bwrap = shutil.which("bwrap")
    if not bwrap:
        return Finding(
            "bubblewrap", "note", f"not installed; {who} (Debian, Ubuntu: apt install bubblewrap)."
        )
    command = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode:
        return Finding(
            "bubblewrap", "note", f"installed, but not allowed to run ({tried.stderr.strip()}); {who}."
        )
    return Finding("bubblewrap", "ok", f"works; {who} (`segcourse doctor --teach` tests its limits).")
