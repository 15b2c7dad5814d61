"""Let these tests use the networks that behave like those of other libraries."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
