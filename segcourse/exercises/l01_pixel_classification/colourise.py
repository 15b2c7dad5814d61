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
    palette = ids([[2, 2, 2], [0, 7, 8], [5, 5, 6]], torch.uint8)
    yield case(SMALL, ids([[0, 1], [2, 0]]), palette, "a colour holds the number of another class")
    yield case(SMALL, ids([[2], [1]]), ids(COLOURS, torch.uint8), "classes 0 and 3 do not occur")
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


def _grey(mask, palette):
    """Return the ways to spread the ids over 0 ... 255, whatever the palette says."""
    ids, last = mask.long(), max(len(palette) - 1, 1)
    levels = ids, ids * (255 // last), ids * 255 // last, ids * 255 / last, ids / ids.max().clamp(min=1) * 255
    return [level.unsqueeze(-1).repeat(1, 1, 3) for level in levels]


def _painted_over(mask, palette):
    """Return what comes of painting the array that is compared, by three ways to compare."""
    pictures = [mask.long().unsqueeze(-1).repeat(1, 1, 3) for _ in range(3)]
    for k, colour in enumerate(palette.long()):
        pictures[0][pictures[0][..., 0] == k] = colour
        pictures[1][(pictures[1] == k).all(dim=-1)] = colour
        for c in range(3):
            pictures[2][..., c][pictures[2][..., c] == k] = colour[c]
    return pictures


def _first_classes(count):
    def wrong(mask, palette):
        picture = torch.zeros(*mask.shape, 3, dtype=torch.uint8)
        for k in range(count):
            picture[mask == k] = palette[k]
        return picture

    return wrong


def _kept(places):
    """Return an answer that is black wherever `places` of the mask are False."""
    return lambda mask, palette: colourise(mask, palette) * places(mask).unsqueeze(-1)


def _places(mask, index):
    found = torch.zeros(mask.shape, dtype=torch.bool)
    found[index] = True
    return found


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
            "You return one number per pixel, the mean of its colour. A colour has three numbers.",
            lambda mask, palette: colourise(mask, palette).double().mean(dim=-1),
        ),
        *(
            (
                f"Your three channels are all {name}. Channel c holds column c of the palette.",
                lambda mask, palette, c=c: colourise(mask, palette)[..., [c] * 3],
            )
            for c, name in enumerate(("red", "green", "blue"))
        ),
        (
            "Your pixels of class k have the colour of row k - 1 (and class 0 that of the last row). Rows "
            "are numbered from 0, as classes are.",
            lambda mask, palette: colourise(mask, palette.roll(1, dims=0)),
        ),
        *(
            (
                "You compare with ids in the same array that you paint. Once a pixel is painted, its colour "
                "can look like the id of a later class, and the pixel is painted again. Compare with the "
                "mask.",
                lambda mask, palette, way=way: _painted_over(mask, palette)[way],
            )
            for way in range(3)
        ),
        (
            "Your pixels of class 0 are always black. Class 0 has a colour like every class: row 0 of the "
            "palette.",
            _kept(lambda mask: mask > 0),
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
        *(
            (
                "Your three channels are equal: grey values that are made from the ids alone. Look each id "
                "up in the palette.",
                lambda mask, palette, way=way: _grey(mask, palette)[way],
            )
            for way in range(5)
        ),
        *(
            (
                f"Your code knows {count} classes only. Take as many classes as the palette has rows.",
                wrong,
            )
            for count, wrong in (
                ("two", lambda m, p: torch.where((m == 1).unsqueeze(-1), p[1], p[0])),
                ("two", lambda m, p: torch.where((m == 1).unsqueeze(-1), torch.tensor(p.numpy()[1]), p[0])),
                ("two", lambda m, p: torch.where((m == 0).unsqueeze(-1), p[0], p[1])),
                ("two", _first_classes(2)),
                ("three", _first_classes(3)),
                ("four", _first_classes(4)),
            )
        ),
        *(
            (
                "Only the first row, or the first pixel, of your picture has its colours. A `return` that "
                "is indented too far ends a loop after its first turn.",
                wrong,
            )
            for wrong in (
                lambda mask, palette: colourise(mask[:1], palette),
                lambda mask, palette: colourise(mask[0], palette),
                lambda mask, palette: colourise(mask[:1, :1], palette),
                lambda mask, palette: colourise(mask[0, 0], palette),
                _kept(lambda mask: _places(mask, 0)),
                _kept(lambda mask: _places(mask, (0, 0))),
            )
        ),
        (
            "Only your pixels of class 0 have their colour; all others are black. A `return` that is "
            "indented too far ends a loop after its first turn.",
            _kept(lambda mask: mask == 0),
        ),
        (
            "Your pixels of the largest id in the mask are black. `range(mask.max())` stops before that "
            "id: loop over all rows of the palette.",
            _kept(lambda mask: mask < mask.max()),
        ),
        (
            "Your picture is black everywhere: no colour arrives in it. `out[mask == k][:] = colour`, for "
            "example, fills a copy; write `out[mask == k] = colour`.",
            lambda mask, palette: torch.zeros(*mask.shape, 3),
        ),
        *(
            (
                "Your last row or column of pixels is black. `range(H)` reaches row H - 1 already.",
                _kept(lambda mask, index=index: ~_places(mask, index)),
            )
            for index in (-1, (..., -1))
        ),
        (
            "Your last row and your last column of pixels are black. `range(H)` reaches row H - 1 already.",
            _kept(lambda mask: ~_places(mask, -1) & ~_places(mask, (..., -1))),
        ),
        (
            "Your pixels of class k have the colour of row k - 1, and those of class 0 are black. Rows are "
            "numbered from 0, as classes are.",
            lambda mask, palette: colourise(mask, torch.cat([palette[:1] * 0, palette[:-1]])),
        ),
        (
            "Your colours are stored in int8, which ends at 127, so that brighter ones become negative. "
            "Use uint8 or int64.",
            lambda mask, palette: colourise(mask, palette).to(torch.int8),
        ),
        *(
            (
                "Your class ids are stored in 8 bits, and there are more classes than that. Convert the ids "
                "to int64, with `.long()`.",
                lambda mask, palette, small=small: palette[mask.to(small).long()],
            )
            for small in (torch.uint8, torch.int8)
        ),
        *(
            (
                "You look the colours up correctly, but mix them up by `reshape`: the list of colours is "
                "cut as if it held all reds first. H x W x 3 needs no other order, and `permute` moves an "
                "axis.",
                wrong,
            )
            for wrong in (
                lambda mask, palette: colourise(mask, palette).reshape(3, *mask.shape),
                lambda mask, palette: colourise(mask, palette).reshape(3, *mask.shape).permute(1, 2, 0),
            )
        ),
        (
            "Your result is H x 3 x W. The three numbers of a colour come last: H x W x 3.",
            lambda mask, palette: colourise(mask, palette).mT,
        ),
        (
            "Your result is 3 x W x H: all axes are reversed. H x W x 3 is asked for.",
            lambda mask, palette: colourise(mask, palette).permute(2, 1, 0),
        ),
        *(
            (
                "Your ids select columns of the palette, not rows. Row k is the colour of class k: "
                "`palette[ids]`.",
                wrong,
            )
            for wrong in (
                lambda mask, palette: palette[:, mask.long()],
                lambda mask, palette: palette.T[mask.long()],
            )
        ),
        *(
            (
                "Your pixels of class k have the colour of row k + 1. Rows are numbered from 0, as classes "
                "are.",
                wrong,
            )
            for wrong in (
                lambda mask, palette: palette[mask.long() + 1],
                lambda mask, palette: palette.roll(-1, dims=0)[mask.long()],
            )
        ),
    ],
    finished=(
        "segcourse.palette:Palette.colourise",
        "skimage.color.colorlabel:label2rgb",
        "torchvision.utils:draw_segmentation_masks",
    ),
)
