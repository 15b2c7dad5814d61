"""What a submission finds around it: a home, a few variables, and nothing of the instructor's."""

import sys
from pathlib import Path

import segcourse

HOME = Path("/home/s")
PACKAGE = Path(segcourse.__file__).parent


def environment(home: Path = HOME, temporary: str = "/tmp") -> dict[str, str]:
    """No keys, no proxies, no paths of the instructor's go in."""
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
        # one thread a submission: more would fight with the next one, and would not survive the probe's forks
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        # `%pip install` in a cell fails at once instead of waiting for a network that is not there
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }
