"""Runs: all cells run from top to bottom on a machine without network, screen, GPU or keyboard."""

from accident_class import IMPORTS, accident
from grading_class import RIGHT, notebook

HEAD, BODY = RIGHT["dice_score"].split("\n", 1)


def with_cell(*sources: str):
    """Return the right notebook with cells added above the first exercise."""
    return notebook(RIGHT, {"dice_score": list(sources)})


@accident(7)
def installs_packages():
    """Lines that install and download; without a network they fail, and nothing else happens."""
    return with_cell("!wget -q -t 1 -T 1 https://localhost:1/model.pt", "%pip --version", "!pip --version")


@accident(7)
def magics():
    """`%matplotlib inline`, `%%time`, `%cd` to a folder that does not exist, `%%capture`, `%who`."""
    return with_cell(
        "%matplotlib inline", "%%time\nx = 1", "%cd /content/drive", "%%capture\nprint(2)", "%who"
    )


@accident(7, stopped=["EOFError"])
def asks_for_input():
    """`input()` needs a keyboard."""
    return with_cell("name = input('Your name? ')")


@accident(7)
def plots_by_the_dozen():
    """Forty plots, none of which is closed."""
    loop = "for i in range(40):\n    plt.figure(figsize=(1, 1))\n    plt.plot([i])\n    plt.show()"
    return with_cell(f"import matplotlib.pyplot as plt\n{loop}")


@accident(7)
def prints_without_end():
    """Thousands of updates of a progress bar, and as many printed lines."""
    return with_cell(
        "from tqdm.auto import tqdm\nfor i in tqdm(range(5_000)):\n    print(i, 'loss', 1 / (i + 1))"
    )


@accident(7, repaired=["the cell that begins “loss = 1.0” took more than 2 s and was skipped"])
def trains_for_an_hour():
    """A training loop that was meant for a GPU."""
    return with_cell(
        "loss = 1.0\nwhile loss > 0:\n    loss = (torch.rand(64, 64) @ torch.rand(64, 64)).mean().item()"
    )


@accident(7, repaired=["took more than 2 s and was skipped"])
def waits_for_an_hour():
    """`time.sleep(3600)`, to test how long the connection lasts."""
    return with_cell("import time\ntime.sleep(3600)")


@accident(4, diagnosed={"dice_score": "No answer within 2 s"})
def answer_without_end():
    """The answer itself loops for ever."""
    return notebook(RIGHT | {"dice_score": f"{HEAD}\n    while True:\n        pass"})


@accident(7)
def leaves_the_notebook():
    """`exit()`, `quit()` and `sys.exit()` end a cell, not the notebook."""
    return with_cell("exit()", "quit()", "import sys\nsys.exit('bye')")


@accident(7, repaired=["the cell that begins “import os” stopped the whole kernel and was skipped"])
def ends_the_kernel():
    """The command with which people restart a kernel on Colab."""
    return with_cell("import os\nos.kill(os.getpid(), 9)")


@accident(7)
def other_folder():
    """The working folder is changed to one without the lesson's files."""
    return with_cell("import os\nos.makedirs('data', exist_ok=True)\nos.chdir('/tmp')")


@accident(7, stopped=["ModuleNotFoundError: No module named 'albumentationz'"])
def package_missing():
    """A package that only the student has."""
    return with_cell("import albumentationz as A\ntransform = A.Compose([])")


@accident(
    0,
    stopped=[
        "'albumentationz' (line 1); the lines below did not run: import torch; from segcourse import check"
    ],
    diagnosed={
        "dice_score": "NameError: name 'torch' is not defined",
        "iou_per_class": "NameError: name 'torch' is not defined",
        "mean_iou": "NameError: name 'torch' is not defined",
    },
)
def package_missing_above_the_imports():
    """The same in the cell of the imports: the lines below it do not run, and the page says so."""
    made = notebook(RIGHT)
    made.cells[IMPORTS].source = "import albumentationz as A\n" + made.cells[IMPORTS].source
    return made


@accident(7, stopped=["FileNotFoundError"])
def own_file():
    """A file that only the student has."""
    return with_cell("text = open('C:/Users/me/my_data.csv').read()")


@accident(7)
def seeds_and_precision():
    """Seeds, default precision, warnings as errors: global settings do not change the mark."""
    return with_cell(
        "import warnings, random\nimport numpy as np\nwarnings.simplefilter('error')\nnp.seterr(all='raise')",
        "random.seed(1)\nnp.random.seed(1)\ntorch.manual_seed(1)\ntorch.set_default_dtype(torch.float64)",
    )


@accident(7, stopped=["the cell that begins “model = torch.nn.Linear(2, 2).to('cuda')”: "])
def asks_for_a_gpu():
    """A model is moved to a GPU that does not exist; the answers do not need it."""
    return with_cell("model = torch.nn.Linear(2, 2).to('cuda')")


@accident(7, repaired=["removed from the cell that begins “torch.set_default_device('cuda')”"])
def default_device_is_a_gpu():
    """New tensors are put on a GPU by default."""
    return with_cell("torch.set_default_device('cuda')")


@accident(4, diagnosed={"dice_score": "Your code stops in line 2"})
def answer_on_a_gpu():
    """The answer itself sends its inputs to a GPU."""
    return notebook(RIGHT | {"dice_score": RIGHT["dice_score"].replace(".bool()", ".bool().cuda()")})


@accident(7)
def everything_reset():
    """`%reset -f` at the top, for a clean start."""
    made = with_cell()
    made.cells[IMPORTS].source = "%reset -f\n" + made.cells[IMPORTS].source
    return made


@accident(7)
def run_in_an_odd_order():
    """Cells were run twice and backwards, and the last one was interrupted; only their source counts."""
    made = notebook(RIGHT)
    for number, cell in enumerate(made.cells[IMPORTS:]):
        cell.execution_count = 40 - 3 * number
    interrupted = {"output_type": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": ["^C"]}
    made.cells[-1].outputs = [interrupted]
    return made
