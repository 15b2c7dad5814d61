"""Let the tests of models share networks that behave like those of other libraries."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
