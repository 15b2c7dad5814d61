"""The meaning of mask values, inferred for a whole data set."""

import pytest

from segcourse.data.values import mask_value_scheme
from segcourse.errors import DataError
from segcourse.palette import Palette

BINARY = ("background", "foreground")


@pytest.mark.parametrize(
    ("stored", "options", "mask_values", "void_values"),
    [
        ([{0, 1}], {}, (0, 1), ()),
        ([{0, 255}], {}, (0, 255), ()),
        ([{0}, {0}, {255}], {}, (0, 255), ()),
        ([{0}] * 40 + [{0, 255}], {}, (0, 255), ()),  # forty empty masks decide nothing
        ([{0}], {}, (0, 1), ()),
        ([{0, 1}] * 40 + [{0, 255}], {}, (0, 255), ()),  # saved with one bit, and as 0/255
        ([{0, 1}] * 40 + [{0, 1, 255}], {}, (0, 1), (255,)),
        ([{0, 1}] * 40 + [{0, 2}], {}, (0, 1, 2), ()),
        ([{0, 1}, {255}], {"class_names": ("skin", "lesion")}, (0, 255), ()),
        ([{0, 1}, {0, 255}], {"void_values": (255,)}, (0, 1), (255,)),
        ([{0, 1, 7}, {0, 255}], {"void_values": (7,)}, (0, 255), (7,)),
        ([{0, 255}], {"class_names": ("skin", "lesion")}, (0, 255), ()),
        ([{0, 255}], {"class_names": ("a", "b", "c")}, (0, 1, 2), ()),  # 255 is ignored in a set of three
        ([{0, 255}], {"mask_values": (0, 1)}, (0, 1), ()),  # what was said holds
        ([{0, 2, 7}], {"void_values": (7,)}, (0, 1, 2), (7,)),
        ([{0, 1}, {2, 3, 255}], {}, (0, 1, 2, 3), ()),
        ([{0, 1, 2}], {"void_values": (0,)}, (1, 2), (0,)),  # void below the classes
        ([{0, 1, 2}], {"void_values": (1,)}, (0, 2), (1,)),
        ([{0, 128, 255}], {"void_values": (128,)}, (0, 255), (128,)),  # grey borders on black and white
        ([{0, 1, 2}], {"void_values": (0,), "class_names": ("cat", "dog")}, (1, 2), (0,)),
        ([{0, 1, 2}], {"void_values": (2,), "palette": Palette.default(3)}, (0, 1), (2,)),
        ([{0, 1, 2}], {"void_values": (0,), "palette": Palette.default(4)}, (1, 2, 3), (0,)),
    ],
)
def test_the_meaning_of_mask_values(stored, options, mask_values, void_values):
    scheme = mask_value_scheme(iter(stored), **options)
    assert (scheme.mask_values, scheme.void_values) == (mask_values, void_values)


def test_default_class_names():
    assert mask_value_scheme([{0, 1}]).class_names == BINARY
    assert mask_value_scheme([{0, 1, 2}]).class_names == ("class 0", "class 1", "class 2")
    assert mask_value_scheme([{0, 1, 2}], void_values=(0,)).class_names == ("class 1", "class 2")


@pytest.mark.parametrize("values", [{0, 128}, {0, 128, 255}, {0, 50, 100, 150}, set(range(256))])
def test_values_that_are_not_ids_are_refused(values):
    with pytest.raises(DataError, match=r"expected class ids 0, 1, 2 and so on"):
        mask_value_scheme([values])


def test_masks_without_a_1_are_ambiguous_where_255_means_ignored():
    with pytest.warns(UserWarning, match="255 is read as 'ignored' in 2 masks that hold no 1"):
        scheme = mask_value_scheme([{0, 1, 255}, {0, 255}, {0, 1}, {255}])
    assert (scheme.mask_values, scheme.void_values) == ((0, 1), (255,))


def test_what_was_said_is_not_asked_of_the_masks():
    def unread():
        raise AssertionError("a mask was read")
        yield

    assert mask_value_scheme(unread(), mask_values=(0, 255)).mask_values == (0, 255)
    assert mask_value_scheme(unread(), class_names=("a", "b", "c")).mask_values == (0, 1, 2)
