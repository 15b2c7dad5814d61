"""Time `import segcourse` in new processes, compared with importing nothing, NumPy and PyTorch.

python benchmarks/import_time.py [--rounds 20]
"""

import argparse
import statistics
import subprocess
import sys

CODE = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def seconds(statement: str) -> float:
    """Return the seconds that a statement takes in a new Python process."""
    command = [sys.executable, "-c", CODE.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    statements = {"import segcourse": rounds, "pass": rounds, "import numpy": rounds, "import torch": 3}
    for statement in statements:
        seconds(statement)  # warm-up: later runs read the files from memory
    for statement, times in statements.items():
        taken = [seconds(statement) * 1000 for _ in range(times)]
        print(f"{statement:<18} median {statistics.median(taken):8.2f} ms   worst {max(taken):8.2f} ms")


if __name__ == "__main__":
    main()
