"""Networks by name: those that come with the package, each with its card, and those of torchvision."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "weights"
DEFAULT = "lesions"
# networks of torchvision whose weights know photographs; `segcourse.inference.street` loads them
TORCHVISION = (
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "lraspp_mobilenet_v3_large",
    "fcn_resnet50",
    "fcn_resnet101",
)


def names() -> list[str]:
    """Return the names that `Segmenter.load` accepts instead of a file.

    >>> names()
    ['lesions']
    """
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def weights_file(name: str | Path) -> Path:
    """Return the file of a network that comes with the package; any other name is a path already.

    >>> weights_file("runs/mine/model.safetensors").as_posix()
    'runs/mine/model.safetensors'
    """
    return FOLDER / f"{name}.safetensors" if str(name) in names() else Path(name)


def card_of(name: str) -> Path:
    """Return the card of a network that comes with the package: data, scores, limits."""
    return FOLDER / f"{name}.md"
