"""Exercise 7.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract

from segcourse.exercises.l07_deployment import replace_background as module
from segcourse.exercises.l07_deployment.replace_background import replace_background as answer


def by_pixels(image, mask, background):
    height, width = image.shape[:2]
    top, left = (len(background) - height) // 2, (len(background[0]) - width) // 2
    picture = np.zeros((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            share = float(mask[row, column])
            for channel in range(3):
                back = int(background[top + row, left + column, channel])
                picture[row, column, channel] = round(
                    share * int(image[row, column, channel]) + (1 - share) * back
                )
    return picture


def by_torchvision(image, mask, background):
    from torchvision.transforms.v2.functional import center_crop

    larger = torch.from_numpy(background).permute(2, 0, 1)
    even = larger[:, : larger.shape[1] - (larger.shape[1] - len(mask)) % 2]  # center_crop rounds to even
    even = even[:, :, : even.shape[2] - (even.shape[2] - mask.shape[1]) % 2]
    behind = center_crop(even, list(mask.shape)).double()
    front = torch.from_numpy(image).permute(2, 0, 1).double()
    mixed = torch.lerp(behind, front, torch.from_numpy(mask.astype(float)))
    return mixed.round().byte().permute(1, 2, 0).numpy()


def by_difference(image, mask, background):
    rows, columns = (
        slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(background.shape, mask.shape, strict=False)
    )
    behind = background[rows, columns].astype(np.float32)
    return np.rint(behind + np.stack([mask] * 3, axis=2) * (image - behind)).astype("uint8")


def one_margin_more(image, mask, background):
    """Leave the odd row and column at the top left."""
    rest = [(n - m) % 2 for n, m in zip(background.shape, mask.shape, strict=False)]
    return answer(image, mask, background[rest[0] :, rest[1] :])


def changing(image, mask, background):
    picture = answer(image, mask, background)
    image[:] = picture
    background[:] = 0
    return picture


def the_image_itself(image, mask, background):
    return image if mask.all() else answer(image, mask, background)


class TestReplaceBackground(Contract):
    name = "replace_background"
    library = staticmethod(by_difference)
    right = {"pixels": by_pixels, "torchvision": by_torchvision, "difference": by_difference}
    promises = (
        ("a uint8 array H x W x 3, RGB", "the mask is bool", module._made(opacity=lambda mask: 1 - mask.astype(float)),
         lambda i, m, b: answer(i, m, b)[..., ::-1]),
        ("bool, or float from 0 to 1", "the mask is bool", module._made(opacity=lambda mask: ~mask)),
        ("bool, or float from 0 to 1", "the mask is float32", module._made(opacity=lambda mask: mask > 0.5)),
        ("the share of the image in each pixel", "the mask has numbers between 0 and 1",
         module._made(opacity=lambda mask: mask > 0), module._made(opacity=lambda mask: mask == 1)),
        ("1 shows the image, 0 shows the background", "the mask is empty",
         module._made(mix=lambda share, image, back: share * image)),
        ("1 shows the image, 0 shows the background", "the mask is full",
         module._made(opacity=lambda mask: 0.5 * mask)),
        ("at least as high and as wide as the image", "only the width is larger", module._made(behind=module._resized)),
        ("at least as high and as wide as the image", "only the height is larger", module._made(behind=module._corner(0, 0))),
        ("Its middle is used", "the margins are even", module._made(behind=module._corner(0, 0)),
         module._made(behind=module._corner(1, 1)), module._made(behind=module._resized)),
        ("the additional one is at the bottom or right", "the margins are odd", one_margin_more,
         module._made(behind=module._halves), module._made(behind=module._larger_half),
         module._made(behind=module._rounded_half)),
        ("at least as high and as wide as the image", "larger backgrounds", module._made(behind=module._negative_end)),
        ("returns a new uint8 array H x W x 3", "larger backgrounds", module._whole),
        ("a new uint8 array H x W x 3", "the mask is full", the_image_itself),
        ("a new uint8 array H x W x 3", "soft edges", lambda i, m, b: answer(i, m, b) / 255),
        ("rounded to the nearest whole number", "soft edges", module._made(finish=lambda x: x)),
        ("never changes its inputs", "hard masks", changing),
    )  # fmt: skip
    equal = {
        r"height \+ top|width \+ left": "a sum in another order",
        r"^behind = .*; opacity = .*->  opacity": "the order of two assignments does not matter",
    }
    said = (
        (lambda i, m, b: answer(i, m, b) / 255, "Your picture has the type float64; uint8 is asked for"),
        (the_image_itself, "shares its memory"),
    )
