"""The command line: exit codes, one sentence instead of a traceback, and fast help."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import typer
from PIL import Image

from segcourse import cli, models, options
from segcourse.errors import DataError


def run(capsys, *arguments):
    """Run the command line in this process and return its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    return stop.value.code or 0, *capsys.readouterr()


def failing(error):
    """Return a command line with the command `fail`, which raises `error`."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.callback()
    def _group():
        pass

    @app.command()
    def fail():
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (DataError("Masks have 3 classes, 2 were wanted."), 2, "Masks have 3 classes, 2 were wanted.\n"),
        (FileNotFoundError(2, "No such file", "cat.jpg"), 2, "cat.jpg does not exist; check the path.\n"),
        (PermissionError(13, "Permission denied", "/etc/x"), 2, "/etc/x can't be read or written by "
         "you; choose another folder or change its permissions.\n"),
        (IsADirectoryError(21, "Is a directory", "photos"), 2, "photos is a folder; give a file.\n"),
        (OSError(5, "Input/output error", "a.png"), 2, "a.png cannot be used: Input/output error.\n"),
        (OSError(28, "No space left"), 2, "A file could not be written, because the disk is full. Free some "
         "space, then try again.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)  # fmt: skip
def test_a_users_mistake_prints_one_sentence(monkeypatch, capsys, error, code, sentence):
    monkeypatch.setattr(cli, "app", failing(error))
    assert run(capsys, "fail") == (code, "", sentence)


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr(cli, "app", failing(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["fail"])


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "segcourse.cli", "solve", "99"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr[:26]) == (2, "There is no lesson '99'; t")


@pytest.mark.parametrize("arguments", [["--unknown"], ["unknown"], ["solve"], ["data", "nothing"]])
def test_unknown_and_missing_arguments_exit_with_2(capsys, arguments):
    code, _, complaint = run(capsys, *arguments)
    assert code == 2
    assert "Usage: " in complaint
    assert "Traceback" not in complaint


def test_an_unknown_lesson_prints_one_sentence(capsys):
    code, _, complaint = run(capsys, "solve", "99")
    assert code == 2
    assert complaint.startswith("There is no lesson '99'")
    assert complaint.count("\n") == 1


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = "import sys, segcourse.cli\ntry: segcourse.cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(*{'torch', 'cv2', 'numpy', 'matplotlib', 'nbformat'} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    *help_text, heavy = shown.splitlines()
    assert heavy == ""
    listed = {line.split()[0] for line in help_text[help_text.index("Commands:") + 1 :] if line[2:3].strip()}
    assert {"start", "doctor", "data", "solve"} <= listed


def test_start_says_what_it_did(tmp_path, capsys, monkeypatch):
    from segcourse.course import working_copy

    done = working_copy.Changes(added=["a/b"], updated=["c/d"])
    monkeypatch.setattr(working_copy, "start", lambda folder: done)
    code, said, _ = run(capsys, "start", str(tmp_path), "--no-lab")
    assert code == 0
    assert said.splitlines() == [f"{tmp_path}: {sentence}" for sentence in done.sentences()]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
def test_start_replaces_itself_with_jupyterlab_in_its_environment(tmp_path, monkeypatch):
    from segcourse.course import lessons, working_copy

    started = []
    monkeypatch.setattr(working_copy, "start", lambda folder: working_copy.Changes())
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    with pytest.raises(SystemExit):
        cli.main(["start", str(tmp_path)])
    command = lessons.lab_command(tmp_path)
    assert started == [(command[0], command, lessons.lab_environment())]


def test_a_console_without_the_tick_prints_a_question_mark(tmp_path):
    code = "from segcourse import cli\nfrom segcourse.course import doctor\n"
    code += "doctor.machine = lambda: [doctor.Finding('Python', 'ok', '3.11')]\n"
    code += "doctor.sandbox = lambda: doctor.Finding('Box', 'ok', 'on')\n"
    code += "cli.main(['doctor'])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "cp1252", "PATH": ""}
    )
    assert shown.stdout.decode("cp1252").split() == ["?", "Python", "3.11", "?", "Box", "on"], shown.stderr


@pytest.mark.parametrize(
    "command",
    [
        "grade",
        "report",
        "roster",
        "gradescope",
        *(f"course {name}" for name in ("moodle", "canvas", "rubric")),
    ],
)
def test_without_nbgrader_the_error_says_what_to_install(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    with pytest.raises(SystemExit) as stop:
        cli.main([*command.split(), "05"])
    assert stop.value.code == 2
    assert 'pip install "segcourse[teach]"' in capsys.readouterr().err


@pytest.fixture
def colour_masks(tmp_path):
    """Four images with colour masks of void, sky and road; a class file in CamVid's style."""
    colours = {"Void": (0, 0, 0), "Sky": (128, 128, 128), "Road": (128, 64, 128)}
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for k in range(4):
        mask = np.array([*colours.values()], np.uint8)[np.arange(48).reshape(6, 8) // 16]
        Image.fromarray(np.full((6, 8, 3), 60 + 40 * k, np.uint8)).save(tmp_path / "images" / f"{k}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{k}.png")
    lines = [f"{r} {g} {b}\t{name}" for name, (r, g, b) in colours.items()]
    (tmp_path / "label_colors.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_what_data_check_advises_works_on_the_command_line(colour_masks, capsys):
    code, out, _ = run(capsys, "data", "check", str(colour_masks))
    assert code == 1
    assert "pass --palette FILE" in out
    assert "palette=" not in out
    palette = str(colour_masks / "label_colors.txt")
    for void in ("0", "Void"):
        code, out, _ = run(capsys, "data", "check", str(colour_masks), "--palette", palette, "--void", void)
        assert (code, out) == (0, "4 pairs of image and mask: no problems\n")
    lines = ["image,mask", *(f"images/{k}.png,masks/{k}.png" for k in range(4))]
    (colour_masks / "pairs.csv").write_text("\n".join(lines))
    code, out, _ = run(
        capsys, "data", "check", "--csv", str(colour_masks / "pairs.csv"), "--palette", palette
    )
    assert (code, out) == (0, "4 pairs of image and mask: no problems\n")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            ("--mask-values", "a,b"),
            "--mask-values is 'a,b'; give whole numbers, such as --mask-values 0,255.\n",
        ),
        (("--palette", "no.txt"), "the palette no.txt cannot be read"),
        (("--void", "Sky"), "--void is 'Sky'; give whole numbers"),
        (
            ("--palette", "{}/label_colors.txt", "--void", "0,sky"),
            "--void is '0,sky', but the palette has no 'sky'; its names are Void, Sky",
        ),
    ],
)
def test_an_option_about_masks_that_cannot_be_read(colour_masks, capsys, option, sentence):
    option = [word.format(colour_masks) for word in option]
    code, _, error = run(capsys, "data", "check", str(colour_masks), *option)
    assert code == 2
    assert error.startswith(sentence)


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["--size", "360", "480", "--crop", "9"], {"size": "360x480", "crop": "9"}),
        (["--crop", "9", "--size", "3x4"], {"size": "3x4", "crop": "9"}),
    ],
)
def test_sizes_take_one_or_two_numbers(given, joined):
    app = typer.Typer()
    seen = {}

    @app.command(cls=options.Grouped)
    def fit(size: str = "", crop: str = ""):
        seen.update(size=size, crop=crop)

    app(given, standalone_mode=False)
    assert seen == joined


def test_the_options_of_fit_are_grouped_and_every_network_is_named(capsys):
    code, out, _ = run(capsys, "fit", "--help")
    assert code == 0
    assert set(models.names()) <= set(re.findall(r"\w+", out.partition("--model")[2]))
    assert [line for line in out.splitlines() if line.endswith(":") and line[0] != " "] == [
        "Data:",
        "What the masks mean:",
        "Pictures:",
        "Network and training:",
        "The run:",
        "Options:",
    ]
