"""segcourse: semantic image segmentation, from the first mask to a deployed network.

The names below are the public interface. Each is imported on first use (PEP 562), so that `import segcourse`
takes milliseconds although importing PyTorch takes seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; a test keeps these imports equal to _HOME
    from segcourse.boundary import hausdorff_distance_95 as hausdorff_distance_95
    from segcourse.boundary import surface_dice as surface_dice
    from segcourse.data import load_dataset as load_dataset
    from segcourse.data.folders import FolderDataset as FolderDataset
    from segcourse.exercises import check as check
    from segcourse.inference.segmenter import Segmenter as Segmenter
    from segcourse.losses import combined_loss as combined_loss
    from segcourse.losses import cross_entropy as cross_entropy
    from segcourse.losses import focal_loss as focal_loss
    from segcourse.losses import jaccard_loss as jaccard_loss
    from segcourse.losses import soft_dice_loss as soft_dice_loss
    from segcourse.losses import tversky_loss as tversky_loss
    from segcourse.metrics import Scores as Scores
    from segcourse.metrics import confusion_matrix as confusion_matrix
    from segcourse.metrics import dice_per_class as dice_per_class
    from segcourse.metrics import dice_score as dice_score
    from segcourse.metrics import iou_per_class as iou_per_class
    from segcourse.metrics import iou_score as iou_score
    from segcourse.metrics import mean_iou as mean_iou
    from segcourse.metrics import pixel_accuracy as pixel_accuracy
    from segcourse.metrics import threshold_jaccard as threshold_jaccard
    from segcourse.models import create_model as create_model
    from segcourse.models.unet import UNet as UNet
    from segcourse.palette import Palette as Palette
    from segcourse.plotting import show_image as show_image
    from segcourse.plotting import show_results as show_results
    from segcourse.training.loop import fit as fit

__version__ = "0.1.0"

_HOME = {
    "Palette": "palette",
    "confusion_matrix": "metrics",
    "iou_per_class": "metrics",
    "mean_iou": "metrics",
    "dice_per_class": "metrics",
    "dice_score": "metrics",
    "iou_score": "metrics",
    "threshold_jaccard": "metrics",
    "pixel_accuracy": "metrics",
    "hausdorff_distance_95": "boundary",
    "surface_dice": "boundary",
    "Scores": "metrics",
    "cross_entropy": "losses",
    "soft_dice_loss": "losses",
    "focal_loss": "losses",
    "jaccard_loss": "losses",
    "tversky_loss": "losses",
    "combined_loss": "losses",
    "UNet": "models.unet",
    "create_model": "models",
    "load_dataset": "data",
    "FolderDataset": "data.folders",
    "fit": "training.loop",
    "Segmenter": "inference.segmenter",
    "show_results": "plotting",
    "show_image": "plotting",
    "check": "exercises",
}

__all__ = ["__version__", *_HOME]


if not TYPE_CHECKING:  # type checkers must not see this function, or they accept every name

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            known = ", ".join(sorted(_HOME))
            raise AttributeError(f"module 'segcourse' has no attribute {name!r}; it has {known}")
        value = getattr(importlib.import_module(f"segcourse.{_HOME[name]}"), name)
        globals()[name] = value  # later accesses skip this function
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
