"""Exercise 1.1: look up the colour of each pixel's class."""

from collections.abc import Iterator

import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import ids, random_ids


def colourise(mask, palette):
    """Turn class ids H x W into colours H x W x 3; row k of the palette is the colour of class k."""
    return palette[mask.long()]


SMALL, KINDS = "small masks", "integer types, many classes"
COLOURS = [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115]]


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, mask, palette, *traits):
        return Case(group, {"mask": mask, "palette": palette}, traits)

    def colours(count):
        return torch.from_numpy(rng.permutation(256)[: 3 * (count % 85)].reshape(-1, 3)).byte()

    yield case(SMALL, ids([[0, 1], [1, 2]]), ids(COLOURS[:3], torch.uint8))
    yield case(SMALL, ids([[0, 1, 1]]), ids([[9, 8, 7], [1, 0, 2]], torch.uint8), "class 0 is not black")
    palette = ids([[2, 9, 9], [0, 7, 8], [5, 5, 6]], torch.uint8)
    yield case(SMALL, ids([[0, 1], [2, 0]]), palette, "a colour holds the number of another class")
    yield case(SMALL, ids([[3], [1]]), ids(COLOURS, torch.uint8), "classes 0 and 2 do not occur")
    yield case(SMALL, ids([[0, 0], [0, 0]]), ids([[4, 5, 6]], torch.uint8), "there is one class only")
    yield case(SMALL, random_ids(rng, 3, 3, 3), colours(3), "the mask has 3 x 3 pixels")
    yield case(SMALL, random_ids(rng, 5, 4, 6), colours(5), "the mask has 4 x 6 pixels")
    for dtype in (torch.uint8, torch.int16, torch.int32):
        name = str(dtype).removeprefix("torch.")
        yield case(KINDS, random_ids(rng, 4, 5, 3).to(dtype), colours(4), f"the mask is {name}")
    many = torch.stack([torch.arange(300) % 256, torch.arange(300) // 2, torch.arange(300) % 7], dim=1)
    yield case(KINDS, random_ids(rng, 300, 20, 24).short(), many.byte(), "there are 300 classes, as int16")


def _mask_times_255(mask, palette):
    return (mask * 255).unsqueeze(-1).repeat(1, 1, 3)


def _painted_over(mask, palette):
    picture = mask.long().unsqueeze(-1).repeat(1, 1, 3)
    for k, colour in enumerate(palette.long()):
        picture[picture[..., 0] == k] = colour
    return picture


def _background_black(mask, palette):
    return colourise(mask, palette) * (mask > 0).unsqueeze(-1)


def _last_class_missing(mask, palette):
    return colourise(mask, palette) * (mask < len(palette) - 1).unsqueeze(-1)


def _numbered_by_occurrence(mask, palette):
    return palette[mask.unique(return_inverse=True)[1]]


def celebrate(answer):
    """Show k-means clusters of a photograph in colour."""
    from segcourse.classical import kmeans
    from segcourse.exercises.l01_pixel_classification._photo import flower
    from segcourse.plotting import show_image

    clusters, palette = kmeans(flower(), k=4), torch.tensor(COLOURS, dtype=torch.uint8)
    alt = "A photograph of a flower, and four groups of its pixels in four colours."
    picture = answer(clusters, palette).cpu().numpy()
    show_image([flower(), picture], ["photograph", "your colours for four classes"], alt=alt)


EXERCISE = Exercise(
    colourise,
    number="1.1",
    difficulty=1,
    minutes=5,
    groups={SMALL: 1, KINDS: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "You index the palette with a mask of type uint8. In square brackets, a uint8 tensor selects "
            "rows like a bool mask; it doesn't look them up. Convert the ids with `.long()`.",
            lambda mask, palette: palette[mask],
        ),
        (
            "Your three channels are all `mask * 255`. That draws no class in its own colour: look each "
            "id up in the palette.",
            _mask_times_255,
        ),
        (
            "Your colours stand in the first axis, 3 x H x W. Pictures that are shown or saved have the "
            "colours last: H x W x 3.",
            lambda mask, palette: colourise(mask, palette).permute(2, 0, 1),
        ),
        (
            "Your channels come in the opposite order, blue, green, red. The palette holds red, green, blue.",
            lambda mask, palette: colourise(mask, palette).flip(-1),
        ),
        (
            "Your picture is transposed: its rows are the columns of the mask.",
            lambda mask, palette: colourise(mask, palette).transpose(0, 1),
        ),
        (
            "You return one number per pixel, the red of its colour. A colour has three numbers.",
            lambda mask, palette: colourise(mask, palette)[..., 0],
        ),
        (
            "Your pixels of class k have the colour of row k - 1 (and class 0 that of the last row). Rows "
            "are numbered from 0, as classes are.",
            lambda mask, palette: colourise(mask, palette.roll(1, dims=0)),
        ),
        (
            "You compare with ids in the same array that you paint. Once a pixel is painted, its colour can "
            "look like the id of a later class, and the pixel is painted again. Compare with the mask.",
            _painted_over,
        ),
        (
            "Your pixels of class 0 are always black. Class 0 has a colour like every class: row 0 of the "
            "palette.",
            _background_black,
        ),
        (
            "Your pixels of the last class are black, (0, 0, 0). Check that your loop reaches the last row.",
            _last_class_missing,
        ),
        (
            "You number the classes by their rank among the ids that occur in the mask, so that a missing "
            "class moves the colours of all classes after it. Use the ids themselves.",
            _numbered_by_occurrence,
        ),
        (
            "You divide the colours by 255. Return the numbers of the palette, 0 to 255.",
            lambda mask, palette: colourise(mask, palette) / 255,
        ),
    ],
    finished=(
        "segcourse.palette:Palette.colourise",
        "skimage.color.colorlabel:label2rgb",
        "torchvision.utils:draw_segmentation_masks",
    ),
)
