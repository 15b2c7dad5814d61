"""segcourse: semantic image segmentation, from the first mask to a deployed network.

The names below are the public interface. Each is imported on first use (PEP 562), so that `import segcourse`
takes milliseconds although importing PyTorch takes seconds.
"""

import importlib

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
    "Scores": "metrics",
    "cross_entropy": "losses",
    "soft_dice_loss": "losses",
    "focal_loss": "losses",
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


def __getattr__(name: str):
    if name not in _HOME:
        known = ", ".join(sorted(_HOME))
        raise AttributeError(f"module 'segcourse' has no attribute {name!r}; it has {known}")
    value = getattr(importlib.import_module(f"segcourse.{_HOME[name]}"), name)
    globals()[name] = value  # later accesses skip this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
