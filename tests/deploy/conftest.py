"""What the tests of this folder share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, so that their helpers need one
