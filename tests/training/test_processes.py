"""Two processes, which equal one with batches twice as large: the loop, and the whole command `fit`."""

import re
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from squares import Squares, run, tiny_net

from segcourse import cli
from segcourse.losses import cross_entropy
from segcourse.training.state import read_state

pytestmark = pytest.mark.usefixtures("one_thread")


def in_two_processes(script, folder):
    """Run a script in two processes and return what both print.

    They get what torchrun and `accelerate launch` would set in their environment. They fork after the imports
    of `fit`, because these take most of the time.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = textwrap.dedent(f"""
        import os, sys; sys.path[:0] = {[path for path in sys.path if path]}
        import torch, torch._dynamo; torch.set_num_threads(1)
        import segcourse.recipes
        child = os.fork()
        rank = "0" if child else "1"
        os.environ |= {{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "{port}", "WORLD_SIZE": "2"}}
        os.environ |= {{"RANK": rank, "LOCAL_RANK": rank}}
    """)
    end = "sys.stdout.flush(); "  # a regular exit takes 3 seconds
    end += "os._exit(os.waitpid(child, 0)[1] != 0 if child else 0)"
    (folder / "script.py").write_text(f"{start}\n{textwrap.dedent(script)}\n{end}")
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_processes_equal_one_with_batches_twice_as_large(tmp_path):
    """Two processes with batches of 4 take the step of one with batches of 8, for a mean over pixels."""
    script = f"""
        from squares import Squares, tiny_net, run
        from segcourse.losses import cross_entropy
        run(tiny_net(), Squares(16), Squares(5), loss=cross_entropy, epochs=2, folder={str(tmp_path)!r})
    """
    in_two_processes(script, tmp_path)
    two = read_state(tmp_path / "last.pt")
    model = tiny_net()
    one = run(
        model, Squares(16), Squares(5), loss=cross_entropy, epochs=2, batch_size=8, folder=tmp_path / "one"
    )
    one_state = read_state(tmp_path / "one" / "last.pt")
    for name, tensor in one_state["model"].items():
        torch.testing.assert_close(two["model"][name], tensor, atol=1e-5, rtol=1e-4)
    for name in ("train_loss", "val_loss", "dice_per_image"):
        assert two["rows"][-1][name] == pytest.approx(one.rows[-1][name], abs=1e-4)


@pytest.mark.slow
def test_the_command_in_two_processes(tmp_path, capsys):
    """Only the main process writes and prints. The other has no batch of the four validation images."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for i in range(20):
        image, mask, _ = Squares()[i]
        picture = (255 * image.clamp(0, 1)).byte().permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(tmp_path / "data" / "images" / f"{i}.png")
        Image.fromarray(mask.numpy().astype(np.uint8)).save(tmp_path / "data" / "masks" / f"{i}.png")
    options = ["--model", "foreign_networks.Plain", "--loss", "ce", "--epochs", "2", "--size", "16"]
    command = ["fit", "--data", str(tmp_path / "data"), "--device", "cpu", "--precision", "fp32", *options]
    two = [*command, "--batch", "4", "--out", str(tmp_path / "two")]
    script = f"""
        from segcourse import cli
        try: cli.main({two})
        except SystemExit as ended: assert not ended.code
    """
    said = in_two_processes(script, tmp_path)
    with pytest.raises(SystemExit):
        cli.main([*command, "--batch", "8", "--out", str(tmp_path / "one")])
    assert re.findall(r"(?m)^\w+", said) == re.findall(r"(?m)^\w+", capsys.readouterr().out)
    assert "device        cpu, 2 processes\n" in said
    files = [sorted(path.name.partition(".tfevents")[0] for path in (tmp_path / name).iterdir())
             for name in ("one", "two")]  # fmt: skip
    assert files[0] == files[1]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)
