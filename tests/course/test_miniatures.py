"""The miniature folders of lesson 11: they have the traits that the lesson talks about."""

import numpy as np
from PIL import Image

from segcourse.course import miniatures
from segcourse.data.checks import check_folder
from segcourse.data.folders import FolderDataset
from segcourse.palette import Palette


def test_land_cover_is_stored_as_colours_that_its_own_list_names(tmp_path):
    miniatures.land_cover(tmp_path, regions=2)
    assert not check_folder(tmp_path).ok
    palette = Palette.read(tmp_path / "classes.txt")
    assert palette.names == miniatures.LAND.names
    assert check_folder(tmp_path, palette=palette, void_values=[4]).ok
    tiles = FolderDataset(tmp_path, palette=palette, void_values=[4])
    assert len(tiles) == 12
    seen = {int(value) for tile in tiles for value in tile.mask.unique()}
    assert seen == {0, 1, 2, 3, 255}


def test_only_scratched_plates_have_a_mask(tmp_path):
    miniatures.plates(tmp_path, count=7)
    assert sorted(path.stem for path in (tmp_path / "masks").iterdir()) == ["plate00", "plate03", "plate06"]
    assert len(list((tmp_path / "images").iterdir())) == 7
    mask = np.array(Image.open(tmp_path / "masks" / "plate00.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert (mask == 255).mean() < 0.05
    image = np.array(Image.open(tmp_path / "images" / "plate00.png")).mean(axis=2)
    assert image[mask == 255].mean() < image[mask == 0].mean() - 10


def test_a_lesion_is_forty_hounsfield_units_darker_than_its_organ():
    scans = miniatures.scans(patients=2, slices=3)
    assert list(scans) == [f"patient{patient}_slice{i}" for patient in range(2) for i in range(3)]
    for units, mask in scans.values():
        assert units.dtype == np.int16
        assert units.shape == mask.shape
        assert abs(units[0, 0] + 1000) < 100
        rows, columns = np.nonzero(mask)
        y, x, radius = round(rows.mean()), round(columns.mean()), round(np.sqrt(mask.sum() / np.pi))
        distance = np.hypot(*(np.indices(mask.shape) - np.array([y, x])[:, None, None]))
        inside = units[distance < radius - 2].mean()
        ring = np.median(units[(distance > radius + 2) & (distance < radius + 4)])
        assert 25 < ring - inside < 55


def test_equal_seeds_draw_equal_images(tmp_path):
    for name in ("a", "b"):
        miniatures.plates(tmp_path / name, count=2)
    one, other = (Image.open(tmp_path / name / "images" / "plate01.png").tobytes() for name in ("a", "b"))
    assert one == other
