"""`import segcourse` in fresh processes, beside an interpreter that imports nothing and one that imports
torch.

    python benchmarks/import_time.py [--rounds 20]
"""

import argparse
import statistics
import subprocess
import sys

CODE = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def seconds(statement: str) -> float:
    """How long the statement takes in a Python process that has done nothing else."""
    command = [sys.executable, "-c", CODE.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    statements = {"import segcourse": rounds, "pass": rounds, "import numpy": rounds, "import torch": 3}
    for statement in statements:
        seconds(statement)  # warm: from the second time on, files come from memory
    for statement, times in statements.items():
        taken = [seconds(statement) * 1000 for _ in range(times)]
        print(f"{statement:<18} median {statistics.median(taken):8.2f} ms   worst {max(taken):8.2f} ms")


if __name__ == "__main__":
    main()
