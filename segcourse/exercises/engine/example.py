"""One lesson's worth of picture: the lesion on which a right answer shows what it does."""

import functools

from segcourse.data import Sample, load_dataset


@functools.cache
def lesion() -> Sample:
    """Return a held-out lesion, 64 × 64 pixels."""
    return load_dataset("lesions", "test", size=64, count=4)[3]
