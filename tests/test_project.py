"""The project: consistent dependencies and versions, a set-up with clear errors, a complete wheel."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import segcourse
from segcourse import exercises

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "opencv-python": "opencv"}


def constraints():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def test_conda_users_get_the_same_dependencies():
    entries = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    same = {f"{CONDA_NAMES.get(one.name, one.name)}{one.specifier}" for one in wanted}
    assert set(entries[:-1]) == same | {f"python{PROJECT['requires-python']}", "pip"}
    assert entries[-1] == {"pip": ["--editable ."]}


def test_every_dependency_has_a_tested_version_within_its_bounds():
    extras = PROJECT["optional-dependencies"].values()
    pins = constraints()
    for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_one_version_everywhere():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert segcourse.__version__ == PROJECT["version"] == citation["version"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format requires


# what Google Colab installs (its public list of June 2026, Python 3.12); pip must leave all of it as it is
COLAB = {
    "torch": "2.11.0", "torchvision": "0.26.0", "numpy": "2.0.2", "scipy": "1.16.3", "matplotlib": "3.10.0",
    "opencv-python": "4.13.0.92", "pillow": "11.3.0", "scikit-learn": "1.6.1", "nbformat": "5.10.4",
    "nbclient": "0.10.4", "accelerate": "1.13.0", "safetensors": "0.7.0", "tensorboard": "2.20.0",
    "tqdm": "4.67.3", "pooch": "1.9.0", "platformdirs": "4.10.0", "psutil": "5.9.5", "typer": "0.25.1",
}  # fmt: skip


def test_the_versions_that_colab_ships_are_within_the_bounds():
    wanted = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    assert wanted.keys() - COLAB.keys() == {"jupyterlab"}
    assert not [name for name, version in COLAB.items() if not wanted[name].contains(version)]


def test_torch_and_torchvision_are_a_pair():
    pins = constraints()
    if metadata.version("torchvision").partition("+")[0] != pins["torchvision"]:
        pytest.skip("another torchvision than the tested one is installed; its torch is not known here")
    needs = [Requirement(text) for text in metadata.requires("torchvision")]
    [torch] = [need for need in needs if need.name == "torch"]
    assert torch.specifier.contains(pins["torch"])


def test_constraints_hold_nothing_of_one_platform_only():
    assert not [name for name in constraints() if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_every_tested_version_can_be_installed_with_the_oldest_python():
    """Debian's own Python is 3.11.2: pip finds no soupsieve from 3.0 on for it."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    refused = {
        name: needs
        for name in constraints()
        if (needs := _python_of(name)) and not SpecifierSet(needs).contains(oldest)
    }
    assert not refused


def _python_of(name):
    try:
        return dict(metadata.metadata(name).items()).get("Requires-Python")
    except metadata.PackageNotFoundError:  # of an extra that is not installed
        return None


CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_contributors_guide_names_every_make_target_and_only_existing_paths():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())
    assert (
        set(re.findall(r"`make ([a-z]+)", CONTRIBUTING))
        == targets
        == set(re.findall(r"#   make (\w+)", makefile))
    )
    written_later = (".venv", "work/", "segcourse/exercises/l12_your_lesson/")
    paths = re.findall(r"`([\w./]+/[\w./]*|\w+\.(?:md|txt))`", CONTRIBUTING) + re.findall(
        r"TEST=\"?([\w/.]+)", CONTRIBUTING
    )
    missing = [
        path for path in paths if not path.startswith(written_later) and not (REPOSITORY / path).exists()
    ]
    assert paths
    assert not missing


def test_a_room_imports_only_rooms_above_it_in_the_contributors_guide():
    house = CONTRIBUTING.partition("## The house")[2].partition("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"(?m)^\| (`.*?) \|", house)]
    floor = {room: number for number, row in enumerate(rows) for room in row}
    package = REPOSITORY / "segcourse"
    modules = [
        path for path in package.glob("[a-z]*") if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    assert floor.keys() == {path.stem for path in modules}
    wrong = []
    for file in package.rglob("*.py"):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        for imported in re.findall(
            r"(?m)^ *(?:from|import) segcourse\.(\w+)", file.read_text(encoding="utf-8")
        ):
            if imported != room and room != "__init__" and floor[imported] > floor[room]:
                wrong.append(f"{file.relative_to(REPOSITORY)} imports {imported}")
    assert not wrong


@pytest.fixture
def make_venv(tmp_path):
    """Run tools/make-venv where the only Pythons are the given shell scripts, {name: body}."""

    def run(**pythons):
        binaries = tmp_path / "bin"
        binaries.mkdir()
        (binaries / "rm").symlink_to(shutil.which("rm"))
        for name, body in pythons.items():
            script = binaries / name
            script.write_text(f"#!/bin/sh\n{body}\n")
            script.chmod(0o755)
        command = ["/bin/sh", str(REPOSITORY / "tools" / "make-venv"), str(tmp_path / "venv")]
        return subprocess.run(command, env={"PATH": str(binaries)}, capture_output=True, text=True)

    return run


OLD = 'case "$2" in *print*) echo 3.9;; *) exit 1;; esac'
SHIM = 'echo "pyenv: python3.13: command not found" >&2; exit 127'
BARE = 'case "$2" in *print*) echo 3.12;; *"import ensurepip"*|*"import pip"*) exit 1;; esac'
WITH_PIP = 'case "$2" in *print*) echo 3.12;; *"import ensurepip"*) exit 1;; esac; echo "$*" >> "$0.log"'


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ({}, "Python 3.11 or newer is needed and none was found"),
        ({"python3": OLD}, "Python 3.11 or newer is needed and the newest found is 3.9"),
        ({"python3.13": SHIM, "python3": OLD}, "the newest found is 3.9"),
        ({"python3": BARE}, "Python 3.12 cannot make virtual environments here: on Debian and Ubuntu run"),
    ],
)
def test_a_machine_without_a_suitable_python_gets_one_sentence(make_venv, pythons, sentence):
    done = make_venv(**pythons)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_without_ensurepip_fills_the_environment_with_its_own_pip(make_venv, tmp_path):
    assert make_venv(python3=WITH_PIP).returncode == 0
    calls = (tmp_path / "bin" / "python3.log").read_text().splitlines()
    assert calls[-2:] == [
        f"-m venv --clear --without-pip {tmp_path}/venv",
        f"-m pip --python {tmp_path}/venv/bin/python install --quiet pip",
    ]


def test_a_shim_that_only_complains_is_skipped(make_venv, tmp_path):
    # installing pip takes seconds, and make-venv does not use it
    real = f'[ "$2" = venv ] && set -- "$@" --without-pip; exec "{sys.executable}" "$@"'
    done = make_venv(**{"python3.13": SHIM, "python3.12": OLD, "python3": real})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv" / "bin" / "python").exists()


def quietly(log, script, **options):
    command = [sys.executable, str(REPOSITORY / "tools" / "quietly"), str(log), sys.executable, "-c", script]
    return subprocess.run(command, text=True, **options)


def test_a_quiet_command_shows_one_line_and_keeps_its_output_in_a_log(tmp_path):
    log = tmp_path / "log"
    script = "for name in 'torch', 'numpy': print('Collecting', name)"
    done = quietly(log, script, capture_output=True)
    assert done.returncode == 0
    assert done.stdout == f"2 packages collected, 0 s; log in {log}\n"
    assert done.stderr == ""
    assert log.read_text() == "Collecting torch\nCollecting numpy\n"


def test_a_quiet_command_that_fails_shows_its_last_lines_and_keeps_its_status(tmp_path):
    script = "import sys\nfor i in range(99): print('line', i)\nsys.exit(7)"
    done = quietly(tmp_path / "log", script, capture_output=True)
    assert done.returncode == 7
    last = [f"line {i}" for i in range(69, 99)]
    assert done.stderr.splitlines() == [*last, f"The last 30 lines of {tmp_path / 'log'} are above."]


# What a student's kernel runs, in the folder of lesson 5: the solved exercise with its check, and a widget.
LESSON = """
import json, pathlib, segcourse
from segcourse.course import lessons
from segcourse.exercises import assess
print(segcourse.__file__)
cells = json.loads(pathlib.Path("05_losses_metrics.ipynb").read_text(encoding="utf-8"))["cells"]
assert any("mean_iou" in "".join(cell["source"]) for cell in cells)
cell = next(c for c in lessons.solve("05").cells if lessons.grade_id(c) == "iou_per_class")
exec(cell.source)
segcourse.check("iou_per_class", iou_per_class)
print(assess("iou_per_class", iou_per_class).points)
from segcourse.widgets import threshold_explorer
lesion = segcourse.load_dataset("lesions", "test", size=64, count=1)[0]
print('type="range"' in threshold_explorer(lesion.image, lesion.mask).html())
"""


@pytest.mark.slow
def test_the_wheel_carries_the_course_to_a_machine_without_the_checkout(tmp_path):
    """In an environment of its own: the wheel, and this environment's packages below it."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-index",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    packages = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    Path(packages, "below.pth").write_text(sysconfig.get_path("purelib"))  # lines that this adds are not read
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command, cwd=tmp_path):
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    segcourse_command = python.with_name("segcourse")
    assert "file(s) added" in run(segcourse_command, "start", "work", "--no-lab")
    assert "Nothing is new" in run(segcourse_command, "start", "work", "--no-lab")
    copied = sorted(path.name for path in (tmp_path / "work").glob("*/*.ipynb"))
    assert copied == sorted(path.name for path in (REPOSITORY / "lessons").glob("*/*.ipynb"))
    assert copied
    where, *said = run(python, "-c", LESSON, cwd=tmp_path / "work" / "05_losses_metrics").splitlines()
    assert Path(where).is_relative_to(packages)
    assert said[-2:] == [str(exercises.get("iou_per_class").points), "True"]
    assert "isic2018" in run(segcourse_command, "data", "list")
    run(segcourse_command, "course", "new", "class")
    course = {path.name for path in (tmp_path / "class" / "grading").iterdir()}
    assert course == {"README.md", "course.toml", "nbgrader_config.py", ".gitignore"}  # and no one's work
