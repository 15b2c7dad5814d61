"""The glossary: in order, used by the lessons that it names, and the only spelling of its terms."""

import re
from pathlib import Path

import nbformat
import pytest

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
NOTEBOOKS = {path.stem: path for path in sorted(LESSONS.glob("[0-9][0-9]_*/*.ipynb"))}
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (LESSONS / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| term ", "| ---"))
]
NAMES = [row[0].partition(" (")[0] for row in ROWS]

# What the lessons must not write, as patterns without regard to case, by the term that they write instead.
REJECTED = {
    "activation checkpointing": r"(?<!activation )\bcheckpointing|gradient checkpoint",
    "ASPP": r"à trous",
    "backbone": r"back-bone",
    "batch": r"mini-?batch",
    "batch norm": r"batch[ -]?normali[sz]ation|batchnorm\b",
    "checkerboard": r"chess-?board|checker-board",
    "confusion matrix": r"error matrix|contingency table",
    "cross-entropy": r"cross entropy|crossentropy",
    "data set": r"dataset",
    "depthwise separable convolution": r"depth-wise|separable depthwise",
    "Dice score": r"dice coefficient|dice index|s[øo]rensen",
    "downsampling": r"down[ -]sampl|subsampl",
    "feature map": r"activation map",
    "ground truth": r"groundtruth|gold standard",
    "held-out": r"\bheldout|hold-out",
    "k-means": r"\bk means|kmeans",
    "learning rate": r"step size",
    "mean IoU": r"\bmIoU|mean IU\b|mean intersection over union",
    "nearest neighbour": r"nearest[ -]neighbor",
    "NoC": r"number-of-clicks|clicks@",
    "normalisation": r"normaliz",
    "one-hot": r"one hot|onehot",
    "optimizer": r"optimiser",
    "pixel accuracy": r"pixel-?wise accuracy",
    "pretrained": r"pre[ -]trained",
    "quantization": r"quantis",
    "receptive field": r"field of view",
    "softmax": r"soft[ -]max\b",
    "transposed convolution": r"transpose convolution|deconvolution|up-?convolution",
    "U-Net": r"\bunet",
    "upsampling": r"up[ -]sampl",
    "warm-up": r"warmup(?!_)",
}


def cells(path, kind):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def prose(path):
    """Return a lesson's text without code, formulas, links, and what follows "Read on": titles of papers."""
    read_on = r"(?s)(\*\*Read on|#[^\n]* read on).*"
    text = "\n".join(re.sub(read_on, "", cell) for cell in cells(path, "markdown"))
    return re.sub(r"(?s)\$\$?.*?\$\$?|```.*?```|`[^`]*`|<code>.*?</code>|\]\([^)]*\)", " ", text)


def test_terms_are_sorted_and_each_has_its_chinese_term_and_one_line():
    assert len(ROWS) > 100
    assert sorted(NAMES, key=str.casefold) == NAMES
    for term, chinese, meaning, lesson in ROWS:
        assert re.search(r"[\u4e00-\u9fff]", chinese) or chinese == term, term
        assert 3 <= len(meaning.split()) <= 25, term
        assert lesson.isdecimal(), term


@pytest.mark.parametrize("number", sorted({int(row[3]) for row in ROWS}))
def test_the_lesson_that_a_term_names_uses_the_term(number):
    found = [path for stem, path in NOTEBOOKS.items() if int(stem[:2]) == number]
    if not found:
        pytest.skip(f"there is no lesson {number} yet")
    text = " ".join(" ".join(cells(found[0], kind)) for kind in ("markdown", "code"))
    text = re.sub(r"[\s*_]+", " ", text).casefold()
    wanted = [name for name, row in zip(NAMES, ROWS, strict=True) if int(row[3]) == number]
    assert not [name for name in wanted if name.casefold() not in text]


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=NOTEBOOKS.keys())
def test_a_lesson_writes_no_other_spelling(path):
    text = prose(path)
    strays = [
        f"{stray[0]!r}: write {term!r}"
        for term, pattern in REJECTED.items()
        for stray in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not strays


def test_the_glossary_itself_is_held_to_its_spellings():
    assert REJECTED.keys() <= set(NAMES)
    text = " ".join(meaning for _, _, meaning, _ in ROWS)
    assert not [term for term, pattern in REJECTED.items() if re.search(pattern, text, re.IGNORECASE)]
