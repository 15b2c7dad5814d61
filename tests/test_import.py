"""The public names: fast to import, complete, and visible to type checkers."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import segcourse
import segcourse.data


def test_importing_segcourse_imports_no_heavy_library():
    heavy = ["torch", "torchvision", "numpy", "matplotlib", "cv2", "sklearn", "PIL", "IPython", "ipywidgets"]
    code = f"import segcourse, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", segcourse.__all__)
def test_every_public_name_exists(name):
    assert getattr(segcourse, name) is not None
    assert name in dir(segcourse)


def test_a_public_name_is_the_object_of_its_module():
    assert segcourse.mean_iou is importlib.import_module("segcourse.metrics").mean_iou


def test_a_misspelt_name_lists_the_public_names():
    with pytest.raises(AttributeError, match=r"no attribute 'dice_scroe'; it has .*dice_score"):
        segcourse.dice_scroe  # noqa: B018


@pytest.mark.parametrize("package", [segcourse, segcourse.data], ids=lambda package: package.__name__)
def test_type_checkers_see_the_public_names(package):
    """The imports under `if TYPE_CHECKING:` take the names of `_HOME` from the modules of `_HOME`."""
    tree = ast.parse(inspect.getsource(package))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    exported = {
        alias.name: node.module
        for node in imports
        for alias in node.names
        if alias.asname == alias.name  # `import x as x` is an explicit re-export
    }
    assert exported == {name: f"{package.__name__}.{home}" for name, home in package._HOME.items()}


def test_the_package_is_marked_as_typed():
    assert Path(segcourse.__file__).with_name("py.typed").exists()
