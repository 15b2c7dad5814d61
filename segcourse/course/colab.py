"""Google Colab: what the first cell of each lesson calls there, and how to keep work.

Colab's machine is deleted when you leave, and its files with it. The notebook itself lives in your Google
Drive once you have saved a copy there. Widgets need no set-up: each is one piece of HTML.
"""

import json
import sys
from pathlib import Path

from segcourse.errors import LessonError
from segcourse.files import keep_copy, replacing

DRIVE = Path("/content/drive")
FOLDER = "segcourse"  # in My Drive


def is_here() -> bool:
    """Return whether this is a notebook of Google Colab."""
    return "google.colab" in sys.modules


def start() -> None:
    """Print what Colab's machine has, and how to keep work; nothing is mounted or written."""
    import torch

    if torch.cuda.is_available():
        gpu = f"{torch.cuda.get_device_name()}; lessons use it on their own."
    else:
        gpu = "none. Every lesson runs without; Runtime > Change runtime type gives you one."
    print(f"PyTorch {torch.__version__}. GPU: {gpu}")
    print("Colab deletes this machine when you leave. File > Save a copy in Drive keeps the notebook;")
    print(
        'colab.keep("my_model.safetensors") keeps the notebook and files that you name, in your Google Drive.'
    )


def keep(*paths: str) -> Path:
    """Copy this notebook, and the files and folders in `paths`, to segcourse/ in your Google Drive.

    Colab asks for your permission to mount the Drive. A file that is there already with another content is
    kept as NAME.bak.

    Args:
        paths: what else to copy: files and folders on Colab's machine.

    Returns:
        The folder in your Drive.

    Raises:
        LessonError: this is not Colab, or one of the paths does not exist; nothing was copied.
        SaveError: the Drive could not be written.
    """
    if not is_here():
        raise LessonError("colab.keep works on Google Colab only; elsewhere your files stay where they are.")
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        raise LessonError(f"{', '.join(missing)} does not exist, so nothing was copied; check the names.")
    from google.colab import drive

    notebook = _notebook()
    name = Path(notebook.get("metadata", {}).get("colab", {}).get("name") or "notebook.ipynb").name
    drive.mount(str(DRIVE))
    folder = DRIVE / "MyDrive" / FOLDER
    _copy(json.dumps(notebook).encode(), folder / name)
    for path in map(Path, paths):
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            _copy(file.read_bytes(), folder / path.resolve().name / file.relative_to(path))
    print(f"Kept in your Google Drive, in the folder {FOLDER}: {', '.join([name, *paths])}.")
    return folder


def save_notebook(path: Path) -> Path:
    """Write this Colab notebook, as it is on the page now, to `path`, and return `path`.

    Raises:
        LessonError: Colab did not answer.
        SaveError: the file could not be written.
    """
    notebook = _notebook()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def _notebook() -> dict:
    from google.colab import _message  # Colab has no public function for this

    try:
        return dict(_message.blocking_request("get_ipynb", timeout_sec=30)["ipynb"])
    except Exception as error:  # whatever Colab's own code raises today
        raise LessonError(
            "Colab did not hand over this notebook. Choose File > Download > Download .ipynb, and run "
            "`segcourse doctor` on that file."
        ) from error


def _copy(content: bytes, target: Path) -> None:
    if target.exists():
        if target.read_bytes() == content:
            return
        keep_copy(target)
    with replacing(target) as temporary:
        temporary.write_bytes(content)
