"""The doctor finds what is broken on a machine (simulated here), gives advice, and repairs OpenCV."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segcourse.course import doctor, findings, opencv
from segcourse.errors import SegcourseError

NO_LIBGL = 'raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")\n'


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Put modules of given source in front of the real ones, for the interpreters that the doctor starts."""

    def shadow(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    return shadow


def test_a_working_opencv_is_reported_with_its_version():
    finding = opencv.check()
    assert finding.state == "ok"
    assert finding.says.startswith(subprocess_output("import cv2; print(cv2.__version__)"))


def test_opencv_without_libgl_is_a_problem_with_advice(broken):
    broken(cv2=NO_LIBGL)
    finding = opencv.check()
    assert finding.state == "problem"
    assert "libGL.so.1" in finding.says
    assert "segcourse doctor --fix" in finding.says


def test_an_opencv_broken_in_another_way_gets_other_advice(broken):
    broken(cv2='raise AttributeError("module cv2 has no attribute resize")\n')
    finding = opencv.check()
    assert finding.state == "problem"
    assert "--fix" not in finding.says
    assert "--force-reinstall" in finding.says


def test_mismatched_torch_and_torchvision_are_a_problem(broken):
    broken(torch="", torchvision='raise RuntimeError("operator torchvision::nms does not exist")\n')
    [finding] = doctor._pytorch()
    assert finding.state == "problem"
    assert "torchvision::nms" in finding.says
    assert "both in one command" in finding.says


def test_an_import_that_kills_the_interpreter_is_a_problem_too(broken):
    broken(cv2="import os; os.abort()\n")
    assert opencv.check().state == "problem"


def test_an_import_that_hangs_is_a_problem_after_the_timeout(broken, monkeypatch):
    broken(cv2="import time; time.sleep(60)\n")
    monkeypatch.setattr(findings, "TIMEOUT", 0.3)
    finding = opencv.check()
    assert finding.state == "problem"
    assert "no answer within 0.3 seconds" in finding.says


def test_pytorch_here_fits_together():
    states = {finding.what: finding.state for finding in doctor._pytorch()}
    assert states["PyTorch"] == "ok"
    assert states["CPU"] == "ok"


def test_the_kernel_that_notebooks_start_imports_the_library():
    finding = doctor._jupyter()
    assert finding.state == "ok", finding.says
    assert Path(finding.says.rpartition(" at ")[2]).samefile(sys.executable)


@pytest.mark.parametrize(
    ("states", "ready"), [([], True), (["ok", "note"], True), (["ok", "problem"], False)]
)
def test_only_problems_make_a_machine_not_ready(states, ready):
    assert doctor.ready([doctor.Finding("x", state, "") for state in states]) is ready


def test_a_long_sentence_is_wrapped_under_its_column(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    first, *rest = doctor.table([doctor.Finding("GPU", "note", "word " * 30)]).splitlines()
    assert first.startswith("– GPU  word")
    assert rest
    assert all(line.startswith(" " * 7 + "word") and len(line) <= 60 for line in rest)


def test_fix_leaves_a_working_opencv_alone(monkeypatch):
    monkeypatch.setattr(opencv, "_pip", lambda *arguments: pytest.fail(f"pip was called with {arguments}"))
    assert opencv.fix() == []


def test_fix_downloads_the_same_version_before_it_removes_anything(broken, monkeypatch):
    broken(cv2=NO_LIBGL)
    calls = []
    monkeypatch.setattr(opencv, "_pip", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(opencv, "installed_version", {"opencv-python": "4.10.0.84"}.get)
    [sentence] = opencv.fix()
    assert [call[0] for call in calls] == ["download", "uninstall", "install"]
    assert calls[0][-1] == calls[2][-1] == "opencv-python-headless==4.10.0.84"
    assert "opencv-python" in calls[1]
    assert "libGL.so.1" in sentence


def test_a_fix_that_cannot_download_removes_nothing(broken, monkeypatch):
    broken(cv2=NO_LIBGL)
    calls = []

    def offline(*arguments):
        calls.append(arguments[0])
        raise SegcourseError("`pip download` failed: no network")

    monkeypatch.setattr(opencv, "_pip", offline)
    with pytest.raises(SegcourseError, match="no network"):
        opencv.fix()
    assert calls == ["download"]


def test_pips_last_line_is_the_reason():
    with pytest.raises(SegcourseError, match=r"`pip nonsense` failed: .*nonsense"):
        opencv._pip("nonsense")


def test_a_bubblewrap_without_permission_is_only_a_note(tmp_path, monkeypatch):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    finding = doctor.sandbox()
    assert finding.state == "note"
    assert "No permissions" in finding.says


def subprocess_output(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
