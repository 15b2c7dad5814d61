"""Leafing through images with their masks, their predictions and where they differ."""

import html
from collections.abc import Sequence
from typing import Any

from segcourse.errors import DataError
from segcourse.palette import Palette
from segcourse.plotting.arrays import background_class, error_map, mask_layer, small_enough
from segcourse.plotting.results import Case, class_entries, outcome_entries, prepare
from segcourse.widgets.frames import Column, Frames, Layers, row

MOST = 60  # images: each takes about 30 kB of the notebook


def mask_explorer(
    images: Any,
    masks: Any = None,
    predictions: Any = None,
    *,
    names: Sequence[str] | None = None,
    palette: Palette | None = None,
    titles: Sequence[str] | None = None,
    mask_values: Sequence[int] | None = None,
) -> Frames:
    """Show a slider through images, with the panels of `show_results` for one image at a time.

    Arguments, formats and errors are those of `show_results`; all images are scored at the start.

    Raises:
        DataError: as `show_results`, or there are more than 60 images.
    """
    cases, palette = prepare(images, masks, predictions, names, palette, titles, mask_values)
    if len(cases) > MOST:
        raise DataError(f"{len(cases)} images make the notebook too large; give at most {MOST}.")
    shown = [panels(case, palette) for case in cases]
    columns = [Column(title, (), [one[title] for one in shown]) for title in shown[0]]
    captions = [
        case.title if case.scores is None else f"{case.title}: {case.score_line(palette)}" for case in cases
    ]
    labels = [f"{i} of {len(cases)}" for i in range(1, len(cases) + 1)]
    return Frames(columns, captions, labels, name="image", foot=legend_html(cases, palette)).show()


def panels(case: Case, palette: Palette) -> dict[str, Layers]:
    """Return the layers of each panel, by its title."""
    background = background_class(palette)
    image = small_enough(case.image)
    panels: dict[str, Layers] = {"image": [image]}
    for title, mask in (("truth", case.truth), ("prediction", case.prediction)):
        if mask is not None:
            panels[title] = [image, mask_layer(small_enough(mask), palette, background)]
    if case.scores is not None:
        panels["right and wrong"] = [small_enough(error_map(case.truth, case.prediction, background))]
    return panels


def legend_html(cases: Sequence[Case], palette: Palette) -> str:
    """Return a swatch and a name for each colour in the cases' panels."""
    box = (
        "display:inline-block;width:1em;height:0.8em;margin:0 0.4em 0 0;border:1px solid #777;background:rgb"
    )
    kinds = (class_entries(cases, palette), outcome_entries(cases, palette))
    legends = [
        "".join(
            f'<span style="margin-right:1em"><i style="{box}{rgb}"></i>{html.escape(name)}</span>'
            for name, rgb in entries
        )
        for entries in kinds
    ]
    if len(palette.names) > 2 and legends[1]:  # then a class and an outcome may share a colour
        return row(legends[0]) + row(f"right and wrong: {legends[1]}")
    return row("".join(legends))
