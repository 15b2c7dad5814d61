"""Cells and names: right code in the wrong place, twice, under another name, or next to bad code."""

from accident_class import CHECK_DICE, CHECK_IOU, CHECK_MEAN, DEMO, DICE, IOU, MEAN, accident
from grading_class import RIGHT, STUBS, notebook
from nbformat.v4 import new_code_cell

DICE_RIGHT, IOU_RIGHT = RIGHT["dice_score"], RIGHT["iou_per_class"]
HEAD, BODY = DICE_RIGHT.split("\n", 1)


@accident(refused="this is the notebook of 03_unet, handed in as 05_losses_metrics")
def another_lesson():
    """Last week's notebook, in this week's folder."""
    made = notebook()
    for cell, other in zip(made.cells[DICE:DEMO:2], ("UNet", "Up", "AttentionGate"), strict=True):
        cell.source, cell.id, cell.metadata = f"class {other}:\n    pass", other, {}
    del made.cells[CHECK_MEAN], made.cells[CHECK_IOU], made.cells[CHECK_DICE]
    return made


@accident(refused="the notebook contains no exercise of 05_losses_metrics")
def another_course():
    """The notebook of another subject."""
    made = notebook()
    made.cells = [new_code_cell("import pandas as pd\npd.read_csv('penguins.csv')")]
    return made


@accident(7, repaired=["mean_iou uses iou_per_class, defined after its check; the check was moved down"])
def other_order():
    """The last exercise was moved to the top; it calls the one that now stands below."""
    made = notebook(RIGHT)
    cells = made.cells
    made.cells = [*cells[:DICE], *cells[MEAN:DEMO], *cells[DICE:MEAN], cells[DEMO]]
    return made


@accident(7, repaired=["dice_score is defined after its check; the check was moved down"])
def answers_at_the_end():
    """The cells were gathered at the end, checks first."""
    made = notebook(RIGHT)
    made.cells.append(made.cells.pop(DICE))
    return made


@accident(7)
def helper_above():
    """A helper function in its own cell, above the answer, as it should be."""
    using = f"{HEAD}\n    return overlap_over_sizes(prediction, target)"
    return notebook(
        RIGHT | {"dice_score": using},
        {"dice_score": [f"def overlap_over_sizes(prediction, target):\n{BODY}"]},
    )


@accident(7, repaired=["dice_score uses overlap_over_sizes, defined after its check"])
def helper_below():
    """The helper function was added last, at the end; it worked in the order in which it was written."""
    using = f"{HEAD}\n    return overlap_over_sizes(prediction, target)"
    return notebook(
        RIGHT | {"dice_score": using}, {"end": [f"def overlap_over_sizes(prediction, target):\n{BODY}"]}
    )


@accident(7)
def cell_split_in_two():
    """The exercise's cell was split: the helper function keeps the label, the answer has none."""
    made = notebook(RIGHT | {"dice_score": "def sizes(mask):\n    return mask.sum((-2, -1))"})
    made.cells.insert(CHECK_DICE, new_code_cell(DICE_RIGHT))
    return made


@accident(7, repaired=["the untouched stub of dice_score came after the answer and was skipped"])
def stub_below_the_answer():
    """The answer is in a new cell, and the stub below it would overwrite it."""
    return notebook(RIGHT | {"dice_score": STUBS["dice_score"]}, {"dice_score": [DICE_RIGHT]})


@accident(
    7,
    repaired=[
        "the untouched stub of iou_per_class came after",
        "the untouched stub of mean_iou came after",
    ],
)
def all_in_one_cell():
    """All answers in the first exercise's cell, the other stubs untouched below."""
    return notebook({"dice_score": "\n\n\n".join(RIGHT.values())})


@accident(7, repaired=["dice_score is defined 2 times; the last definition was graded", "was moved down"])
def second_thoughts():
    """A better answer was written below, and the first one is still there."""
    first = f"{HEAD}\n    return 0.5"
    return notebook(RIGHT | {"dice_score": first}, {"end": [DICE_RIGHT]})


@accident(7, repaired=["dice_score is defined 2 times", "the check of dice_score appeared 2 times"])
def cells_doubled():
    """The answer and its check were pasted twice."""
    made = notebook(RIGHT)
    made.cells[IOU:IOU] = [dict_copy(cell) for cell in made.cells[DICE:IOU]]
    return made


def dict_copy(cell):
    return type(cell)(cell)


@accident(
    4,
    repaired=["the cell of dice_score is missing"],
    diagnosed={"dice_score": "was not found in your notebook"},
)
def exercise_deleted():
    """An exercise was deleted with its check."""
    made = notebook(RIGHT)
    del made.cells[DICE : CHECK_DICE + 1]
    return made


@accident(7, repaired=["the check of dice_score had been changed and was replaced by the original"])
def check_changed():
    """The check's call got a print around it."""
    made = notebook(RIGHT)
    made.cells[CHECK_DICE].source = 'print("dice:", check("dice_score", dice_score))'
    return made


@accident(7, repaired=["the check of dice_score had been changed and was replaced by the original"])
def helper_in_the_checks_cell():
    """A function that the next answer calls was written below a check, in the check's own cell."""
    using = "def mean_iou(matrix):\n    return mean_of_numbers(iou_per_class(matrix))"
    made = notebook(RIGHT | {"mean_iou": using})
    made.cells[CHECK_DICE].source += "\n\ndef mean_of_numbers(values):\n    return values.nanmean()"
    return made


@accident(7)
def check_reformatted():
    """A formatter changed the quotation marks; that does not count as a change."""
    made = notebook(RIGHT)
    made.cells[CHECK_DICE].source = "check('dice_score', dice_score)\n"
    return made


@accident(4, diagnosed={"dice_score": "you defined dice_coefficient; the exercise is called dice_score"})
def renamed():
    """The student gave the function another name."""
    return notebook(RIGHT | {"dice_score": DICE_RIGHT.replace("dice_score", "dice_coefficient")})


@accident(
    4,
    repaired=["the check of dice_score had been changed"],
    diagnosed={"dice_score": "you defined dice_coefficient; the exercise is called dice_score"},
)
def renamed_in_the_check_too():
    """The same, also renamed in the check, which then showed full points."""
    made = notebook(RIGHT | {"dice_score": DICE_RIGHT.replace("dice_score", "dice_coefficient")})
    made.cells[CHECK_DICE].source = 'check("dice_score", dice_coefficient)'
    return made


@accident(4, diagnosed={"dice_score": "you defined dice_coefficient; the exercise is called dice_score"})
def renamed_beside_the_stub():
    """The function is in a new cell under another name; "not started" would be wrong."""
    renamed = DICE_RIGHT.replace("dice_score", "dice_coefficient")
    return notebook(RIGHT | {"dice_score": STUBS["dice_score"]}, {"dice_score": [renamed]})


@accident(4, diagnosed={"dice_score": "`raise NotImplementedError` is still there, in line 2"})
def stub_line_forgotten():
    """The stub's own line is still above the answer."""
    return notebook(RIGHT | {"dice_score": f'{HEAD}\n    raise NotImplementedError("Exercise 5.4")\n{BODY}'})


@accident(4, diagnosed={"dice_score": "`raise NotImplementedError` is still there, in line 3"})
def stub_line_at_the_end():
    """The student's code computes something and returns nothing; the stub's line comes last."""
    return notebook(RIGHT | {"dice_score": f"{HEAD}\n    p = prediction > 0\n    raise NotImplementedError"})


@accident(
    4,
    diagnosed={
        "dice_score": "the `def dice_score` is indented, so it belongs to the class or function above it"
    },
)
def method_of_a_class():
    """All scores are methods of one class."""
    body = "\n".join(f"    {line}" for line in DICE_RIGHT.splitlines())
    return notebook(RIGHT | {"dice_score": f"class Scores:\n{body}"})


@accident(4, diagnosed={"dice_score": "Your answer returns a coroutine"})
def asynchronous():
    """The function is an `async def`, as in an example about web servers."""
    return notebook(RIGHT | {"dice_score": f"async {DICE_RIGHT}"})


@accident(7)
def other_ways_to_write_it():
    """A decorated function, a lambda and a callable object are answers like any other."""
    inner = IOU_RIGHT.split("\n", 1)[1].replace("    ", "        ")
    return notebook(
        {
            "dice_score": f"%%time\n@torch.no_grad()\n{DICE_RIGHT}",
            "iou_per_class": f"class Iou:\n    def __call__(self, matrix):\n{inner}\n\niou_per_class = Iou()",
            "mean_iou": "mean_iou = lambda matrix: iou_per_class(matrix).nanmean()",
        }
    )


@accident(
    4, diagnosed={"dice_score": "one of your lines deletes it (`del dice_score`) before its check runs"}
)
def deleted_again():
    """The student deletes the function after testing it."""
    return notebook(RIGHT | {"dice_score": f"{DICE_RIGHT}\n\n\ndel dice_score"})


@accident(7)
def overwritten_below():
    """A demonstration below gives its result the function's name; the function was checked before that."""
    return notebook(RIGHT, {"end": ["dice_score = dice_score(torch.ones(2, 2), torch.ones(2, 2))"]})


@accident(4, diagnosed={"dice_score": "in line 2, `return sum([prediction, target])`: TypeError"})
def sum_is_a_number():
    """`sum = 0` further up: `sum` is no longer a function."""
    using = f"{HEAD}\n    return sum([prediction, target])"
    return notebook(RIGHT | {"dice_score": using}, {"dice_score": ["sum = 0"]})


@accident(4, diagnosed={"dice_score": "SyntaxError: invalid character '“' (U+201C)"})
def curly_quotes():
    """Code pasted from a PDF has the quotation marks of a book."""
    return notebook(RIGHT | {"dice_score": f"{HEAD}\n    “Dice of two masks.”\n{BODY}"})


@accident(4, diagnosed={"dice_score": "SyntaxError: invalid non-printable character U+00A0"})
def unbreakable_spaces():
    """Code pasted from a web page is indented with non-breaking spaces."""
    return notebook(RIGHT | {"dice_score": DICE_RIGHT.replace("    ", "\xa0   ")})


@accident(4, diagnosed={"dice_score": "TabError: inconsistent use of tabs and spaces in indentation"})
def tabs_and_spaces():
    """Two editors, two kinds of indentation."""
    first, second, *rest = DICE_RIGHT.splitlines()
    return notebook(
        RIGHT | {"dice_score": "\n".join([first, second, *(line.replace("    ", "\t") for line in rest)])}
    )


@accident(4, diagnosed={"dice_score": "source code string cannot contain null bytes"})
def zero_in_the_code():
    """A zero byte inside a cell, from a file that was repaired by hand."""
    return notebook(RIGHT | {"dice_score": f"{DICE_RIGHT}\n# \0"})
