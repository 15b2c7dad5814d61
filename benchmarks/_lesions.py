"""The skin lesions that benchmarks train on: ISIC 2018 where it is on this machine."""

from segcourse.data import load_dataset
from segcourse.errors import DataError


def lesions_name() -> str:
    """Return "isic2018", or "lesions" (procedural ones) where that set is missing, and say so."""
    try:
        load_dataset("isic2018", "train")
    except DataError:
        print(
            "ISIC 2018 is not on this machine (see `segcourse data get isic2018`), so these are procedural."
        )
        return "lesions"
    return "isic2018"
