"""The training set and the validation set of a run."""

import numpy as np
import pytest
from PIL import Image

from segcourse.data.folders import FolderDataset
from segcourse.data.transforms import RandomZoomCrop
from segcourse.errors import DataError
from segcourse.recipes import Recipe, datasets, recipe, sources
from segcourse.recipes.sources import at_own_size, pairs_of, shapes_of, suited

PLAN = Recipe(size=16)


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path / "data", 10)
    return tmp_path / "data"


def fill(folder, count, shape=(24, 20), prefix=""):
    """Write images of one grey each, with masks saved as 0/255."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        mask = np.zeros(shape, np.uint8)
        mask[: shape[0] // 2] = 255
        grey = np.full((*shape, 3), 20 * i, np.uint8)
        grey[0, 0, 0] = len(list((folder / "images").iterdir()))  # no two files are equal
        Image.fromarray(grey).save(folder / "images" / f"{prefix}{i}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{prefix}{i}.png")


def test_a_folder_is_split_the_same_way_each_time(folder):
    def names(seed):
        train, val = datasets(str(folder), None, None, PLAN, seed)
        return [train[i].name for i in range(len(train))], [val[i].name for i in range(len(val))]

    train, val = names(0)
    assert sorted(train + val) == [str(i) for i in range(10)]
    assert len(val) == 2
    assert names(0) == (train, val)
    assert names(1) != (train, val)
    whole, plain = (part.dataset for part in datasets(str(folder), None, None, PLAN))
    assert whole.transform is not None
    assert plain.transform is None  # validation images are not augmented


def test_train_and_val_folders_are_used_unchanged(tmp_path):
    fill(tmp_path / "train", 6)
    fill(tmp_path / "val", 3)
    train, val = datasets(str(tmp_path), None, None, PLAN)
    assert (len(train), len(val)) == (6, 3)
    assert val.class_names == train.class_names


def test_own_validation_folders_and_csv_files(folder, tmp_path):
    fill(tmp_path / "other", 3, prefix="v")
    train, val = datasets(
        images=folder / "images",
        masks=folder / "masks",
        plan=PLAN,
        val_images=tmp_path / "other" / "images",
        val_masks=tmp_path / "other" / "masks",
    )
    assert (len(train), [val[i].name for i in range(3)]) == (10, ["v0", "v1", "v2"])
    rows = [f"images/{i}.png,masks/{i}.png,{'val' if i < 4 else 'train'}" for i in range(10)]
    (folder / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    train, val = datasets(csv=folder / "pairs.csv", plan=PLAN)
    assert (len(train), len(val)) == (6, 4)
    with pytest.raises(DataError, match="--val-masks is the folder of masks for --val-images"):
        datasets(str(folder), val_masks=folder)


def test_the_validation_masks_mean_what_the_training_masks_mean(folder, tmp_path):
    fill(tmp_path / "other", 3)
    path = tmp_path / "other" / "masks" / "1.png"
    Image.fromarray(np.array(Image.open(path)) // 2).save(path)
    with pytest.raises(DataError, match=r"unexpected mask values.*1\.png \{127\}"):
        datasets(str(folder), plan=PLAN, val_images=tmp_path / "other")


def test_groups_stay_together(tmp_path):
    for patient in range(5):
        fill(tmp_path, 4, prefix=f"patient{patient}_")
    train, val = datasets(str(tmp_path), plan=PLAN, split=r"^patient\d")
    groups = [{pair.name[:8] for pair in pairs_of(one)} for one in (train, val)]
    assert not groups[0] & groups[1]
    assert (len(train), len(val)) == (16, 4)


def test_photographs_keep_their_shape_and_are_cropped(tmp_path):
    fill(tmp_path, 10, shape=(360, 480))
    train, val = datasets(str(tmp_path), plan=Recipe())
    assert train[0].image.shape == (3, 256, 256)
    assert val[0].image.shape == (3, 360, 480)
    assert shapes_of(train) == [(360, 480)] * 8


def test_large_images_of_one_shape_are_shrunk_and_others_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_LARGE", 64)
    fill(tmp_path / "same", 5, shape=(75, 100))
    _, val = datasets(str(tmp_path / "same"), plan=Recipe())
    assert val[0].image.shape == (3, 48, 64)
    assert at_own_size(val)[0].image.shape == (3, 75, 100)
    fill(tmp_path / "mixed", 5, shape=(75, 100))
    fill(tmp_path / "mixed", 2, shape=(100, 75), prefix="turned")
    assert suited(Recipe(), FolderDataset(tmp_path / "mixed")).size is None


def test_a_size_or_a_file_replaces_the_crop(folder, tmp_path):
    (tmp_path / "augment.py").write_text("def transform(image, mask):\n    return image[::-1], mask[::-1]\n")
    assert datasets(str(folder), plan=Recipe(size=(12, 10)))[0][0].image.shape == (3, 12, 10)
    plan = Recipe(augment=str(tmp_path / "augment.py"))
    assert datasets(str(folder), plan=plan)[0][0].mask[:, 0].tolist() == [0] * 12 + [1] * 12
    (tmp_path / "augment.py").write_text("def transform(image, mask):\n    return 1 / 0\n")
    with pytest.raises(DataError, match=r"`transform` of .*augment\.py fails \(ZeroDivisionError"):
        datasets(str(folder), plan=plan)


def test_named_sets_that_are_generated_are_augmented_as_their_recipes_say():
    train, val = datasets("scenes", plan=recipe("scenes", size=(48, 64)))
    assert isinstance(train.transform.transforms[0], RandomZoomCrop)
    assert val.transform is None
    with pytest.raises(DataError, match="lesions is generated, so its masks have one meaning"):
        datasets("lesions", plan=recipe("lesions"), void_values=[1])


def test_a_named_set_without_a_validation_split_is_split(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGCOURSE_DATA", str(tmp_path))
    fill(tmp_path / "isic2016" / "train", 10)
    train, val = datasets("isic2016", plan=recipe("isic2016", size=16))
    assert (len(train), len(val)) == (8, 2)
    assert {pair.name for pair in pairs_of(train)} | {pair.name for pair in pairs_of(val)} == set(
        "0123456789"
    )
    assert val[0].mask.unique().tolist() == [0, 1]


def test_training_needs_exactly_one_source(folder):
    for source in ({}, {"data": str(folder), "images": folder}, {"images": folder, "csv": folder}):
        with pytest.raises(DataError, match="give either"):
            datasets(**source)
