"""The command line: exit codes, one sentence instead of a traceback, and fast help."""

import os
import subprocess
import sys

import pytest
import typer

from segcourse import cli
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


def test_start_prints_the_number_of_new_files(tmp_path, capsys, monkeypatch):
    from segcourse.course import lessons

    monkeypatch.setattr(lessons, "start", lambda folder: [folder / "a", folder / "b"])
    code, said, _ = run(capsys, "start", str(tmp_path), "--no-lab")
    assert code == 0
    assert said == f"{tmp_path}: 2 new file(s); existing files are unchanged.\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
def test_start_replaces_itself_with_jupyterlab_in_its_environment(tmp_path, monkeypatch):
    from segcourse.course import lessons

    started = []
    monkeypatch.setattr(lessons, "start", lambda folder: [])
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
