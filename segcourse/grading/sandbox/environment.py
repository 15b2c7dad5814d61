"""The environment of a submission: its folders and variables, with nothing of the instructor's."""

import sys
from pathlib import Path

import segcourse

HOME = Path("/home/s")
PACKAGE = Path(segcourse.__file__).parent
RAM_DISKS = {"/tmp": 1 << 29, str(HOME): 1 << 26, "/dev/shm": 1 << 26}  # bytes


def environment(home: Path = HOME, temporary: str = "/tmp") -> dict[str, str]:
    """Return all environment variables of a submission: no keys, no proxies, no paths of the instructor's."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": str(PACKAGE.parent),
        "HOME": str(home),
        "TMPDIR": temporary,
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "Agg",
        "SEGCOURSE_DATA": f"{home}/.segcourse",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # one thread per submission: more would compete with other submissions and would not survive a fork
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        # `%pip install` in a cell then fails at once instead of waiting for a network
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }
