"""Where to read on: what the page calls runnable as it stands runs."""

import ast
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "lessons" / "reading_on.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?s)```python\n(.*?)```\n\n\*Run here:\* ([^.]*)\.", PAGE)


def test_every_block_is_python_and_says_what_was_run():
    assert len(BLOCKS) == PAGE.count("```python") == 5
    for code, _ in BLOCKS:
        ast.parse(code)


@pytest.mark.parametrize("code", [code for code, run in BLOCKS if "as it stands" in run])
def test_a_block_that_runs_as_it_stands_returns_logits_of_the_inputs_size(code):
    pytest.importorskip("segmentation_models_pytorch" if "smp" in code else "monai")
    names = {}
    exec(code, names)
    given = names.get("volume")
    assert names["logits"].shape[2:] == ((224, 224) if given is None else given.shape[2:])
