"""The learner's desk: cheap to reach for, and with everything on it that it names."""

import importlib.util
import subprocess
import sys

import pytest

import segcourse


def test_importing_segcourse_imports_no_heavy_library():
    heavy = ["torch", "torchvision", "numpy", "matplotlib", "cv2", "sklearn", "PIL", "IPython", "ipywidgets"]
    code = f"import segcourse, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", segcourse.__all__)
def test_every_name_on_the_desk_is_there(name):
    assert getattr(segcourse, name) is not None
    assert name in dir(segcourse)


def test_the_desk_and_the_room_hold_the_same_thing():
    assert segcourse.mean_iou is importlib.import_module("segcourse.metrics").mean_iou


def test_a_misspelt_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'dice_scroe'; it has .*dice_score"):
        segcourse.dice_scroe  # noqa: B018
