"""What the options of several commands mean: parsing, the spelling in messages, and the order of the help."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from segcourse.errors import DataError, first_few

if TYPE_CHECKING:  # these imports take seconds
    from segcourse.palette import Palette

MASKS, DATA = "What the masks mean", "Data"

Csv = Annotated[
    Path | None,
    typer.Option(
        help="A CSV file with the columns image,mask and, if you like, split.", rich_help_panel=DATA
    ),
]
MaskValues = Annotated[
    str | None,
    typer.Option(
        help="Value of each class in the masks, such as 0,255 [default: inferred].", rich_help_panel=MASKS
    ),
]
Void = Annotated[
    str | None,
    typer.Option(
        help="Values that mean ignored, such as 11; with --palette also names [default: 255].",
        rich_help_panel=MASKS,
    ),
]
ClassNames = Annotated[
    str | None, typer.Option(help="Names of the classes, such as skin,lesion.", rich_help_panel=MASKS)
]
PaletteFile = Annotated[
    str | None,
    typer.Option(
        help="For colour masks: a text file with a line NAME R G B per class, or a data set by name.",
        rich_help_panel=MASKS,
    ),
]


def meaning(
    mask_values: str | None,
    void: str | None,
    class_names: str | None,
    palette: str | None,
    csv: Path | None = None,
) -> dict[str, Any]:
    """Return the options about masks as arguments of `FolderDataset`; what was not given is left out.

    If `csv` is the split.csv of a run, the masks mean what they meant in that run.

    Raises:
        DataError: an option cannot be read.

    >>> meaning("0,255", "128", "skin, lesion", None)
    {'mask_values': [0, 255], 'void_values': [128], 'class_names': ['skin', 'lesion']}
    """
    colours = None if palette is None else _palette(palette)
    found = {
        "mask_values": None if mask_values is None else integers(mask_values, "--mask-values"),
        "void_values": None if void is None else _void(void, colours),
        "class_names": None if class_names is None else words(class_names),
        "palette": colours,
    }
    given = {name: value for name, value in found.items() if value is not None}
    if csv is None:
        return given
    from segcourse.recipes import meaning_of

    return meaning_of(csv) | given


def words(text: str) -> list[str]:
    """Split "skin, lesion" at its commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def integers(text: str, option: str) -> list[int]:
    """Parse a list of integers such as "0,255"; `option` is its name in the error message."""
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise DataError(f"{option} is {text!r}; give whole numbers, such as {option} 0,255.") from None


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Parse a list of numbers such as "1,2.5"; `option` is its name in the error message."""
    try:
        return tuple(float(word) for word in words(text))
    except ValueError:
        raise DataError(f"{option} is {text!r}; give numbers, such as {option} 1,2.5.") from None


def sides(text: str | None, option: str) -> tuple[int, int] | None:
    """Parse a size: "128" is a square, "360 480" and "360x480" are height and width.

    >>> sides("128", "--size"), sides("360 480", "--size"), sides(None, "--size")
    ((128, 128), (360, 480), None)
    """
    if text is None:
        return None
    numbers = re.split(r"[\s,x×]+", text.strip().lower())
    if len(numbers) > 2 or not all(number.isdigit() and int(number) for number in numbers):
        raise DataError(
            f"{option} is {text!r}; give one side in pixels, or height and width: {option} 360 480."
        )
    return int(numbers[0]), int(numbers[-1])


def _palette(given: str) -> "Palette":
    from segcourse.data import catalogue
    from segcourse.palette import Palette

    if not Path(given).exists() and given in catalogue.entries():
        return catalogue.entry(given).palette
    return Palette.read(given)


def _void(text: str, palette: "Palette | None") -> list[int]:
    names = () if palette is None else palette.names
    unknown = [word for word in words(text) if word not in names and not word.isdigit()]
    if palette is not None and unknown:
        raise DataError(
            f"--void is {text!r}, but the palette has no {unknown[0]!r}; its names are {first_few(names, 8)}."
        )
    return integers(
        ",".join(str(names.index(word)) if word in names else word for word in words(text)), "--void"
    )


_SPELLING = {
    "mask_values": "--mask-values",
    "void_values": "--void",
    "class_names": "--class-names",
    "palette": "--palette",
    "size": "--size",
    "batch_size": "--batch",
    "precision": "--precision",
    "build": "--build",
    "model": "--model",
    "max_loss": "--max-loss",
}


def spelled(message: str) -> str:
    """Replace the library's arguments in a message by the options of the command line.

    >>> spelled("For a binary mask pass mask_values=(0, 255), or palette=Palette(names, colours).")
    'For a binary mask pass --mask-values 0,255, or --palette FILE.'
    """

    def option(found: re.Match) -> str:
        value = found[2].strip("'(),").replace(", ", ",")
        return " ".join(filter(None, [_SPELLING[found[1]], "FILE" if "Palette" in value else value]))

    value = r"Palette\([^)]*\)|\([^)]*\)|'[\w.]+'|\w+|"
    return re.sub(rf"\b({'|'.join(_SPELLING)})=({value})", option, message)


class Grouped(TyperCommand):
    """A command with many options: its help has groups, and --size and --crop take one or two numbers."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join "--size 360 480" to "--size 360x480": the parser wants a fixed number of values."""
        joined: list[str] = []
        for word in args:
            if word.isdigit() and joined[-1:] and joined[-1].isdigit() and joined[-2:-1] in _SIZES:
                joined[-1] += f"x{word}"
            else:
                joined.append(word)
        return super().parse_args(ctx, joined)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options in plain text by their `rich_help_panel`, in the order of first use."""
        groups: dict[str, list] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                group = getattr(parameter, "rich_help_panel", None) or "Options"
                groups.setdefault(group, []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


_SIZES = (["--size"], ["--crop"])
