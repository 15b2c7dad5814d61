"""Videos: every frame is predicted and written; what is no video is refused, and nothing is written."""

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from segcourse import Segmenter, cli
from segcourse.errors import DataError
from segcourse.inference import video
from segcourse.inference.video import segment_video
from segcourse.palette import Palette


class Bright(torch.nn.Module):
    """Says "lesion" where the red channel is above one half."""

    def forward(self, x):
        return torch.stack([0.5 - x[:, 0], x[:, 0] - 0.5], dim=1)


@pytest.fixture
def segmenter():
    return Segmenter(Bright(), palette=Palette.lesion(), mean=(0,) * 3, std=(1,) * 3, device="cpu")


@pytest.fixture
def clip(tmp_path):
    """Write twelve frames of 96 × 128 pixels, on which a white square moves to the right."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (128, 96))
    for i in range(12):
        frame = np.zeros((96, 128, 3), np.uint8)
        frame[50:80, 8 * i : 8 * i + 30] = 255
        writer.write(frame)
    writer.release()
    return path


def read(path):
    with video.open_source(path) as source:
        return source.rate, list(source.frames())


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_each_frame_is_tinted_and_the_rate_of_the_file_stays(segmenter, clip, tmp_path, name):
    frames, rate = segment_video(segmenter, clip, tmp_path / name, progress=False, alpha=1)
    assert frames == 12
    assert rate > 0
    file_rate, seen = read(tmp_path / name)
    assert file_rate == pytest.approx(10)
    assert len(seen) == 12
    colour = np.array(segmenter.palette.colours[1])
    for i in (0, 6, 11):
        square = seen[i][56:74, 8 * i + 6 : 8 * i + 24]
        assert np.abs(square.reshape(-1, 3).mean(0) - colour).max() < 25  # the codec changes colours a little
        assert seen[i][85:].mean() < 10


def test_a_class_that_is_not_kept_is_not_tinted(segmenter, clip, tmp_path):
    segment_video(segmenter, clip, tmp_path / "out.avi", keep="skin", progress=False, alpha=1)
    assert read(tmp_path / "out.avi")[1][6][56:74, 56:70].min() > 200  # white, as it was


def test_ctrl_c_keeps_the_frames_so_far(segmenter, clip, tmp_path, monkeypatch):
    predict, calls = segmenter.predict, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return predict(*arguments)

    monkeypatch.setattr(segmenter, "predict", interrupted)
    assert segment_video(segmenter, clip, tmp_path / "out.avi", progress=False)[0] == 4
    assert len(read(tmp_path / "out.avi")[1]) == 4


@pytest.mark.parametrize(
    ("source", "out", "sentence"),
    [
        ("none.mp4", "out.mp4", "there is no video file .*none.mp4; check the path, or give the number"),
        ("text.mp4", "out.mp4", "text.mp4 can't be read as a video"),
        ("clip.avi", "out.gif", r"out.gif; give a name that ends in .mp4 or .avi"),
        ("clip.avi", "clip.avi", "clip.avi exists already"),
    ],
)
def test_what_is_no_video_is_refused_and_nothing_is_written(segmenter, clip, tmp_path, source, out, sentence):
    (tmp_path / "text.mp4").write_text("no video")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match=sentence):
        segment_video(segmenter, tmp_path / source, tmp_path / out, progress=False)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_camera_is_read_like_a_file(segmenter, clip, tmp_path, monkeypatch):
    """No camera is needed: OpenCV's reader gets the number of the camera, and reads the clip instead."""
    opened, capture = [], cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda given: opened.append(given) or capture(str(clip)))
    assert segment_video(segmenter, "0", tmp_path / "out.avi", progress=False)[0] == 12
    assert opened == [0]


def test_the_command_says_how_fast_it_was(segmenter, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(Segmenter, "load", classmethod(lambda *_, **__: segmenter))
    arguments = ["video", str(clip), "--model", "x", "--out", str(tmp_path / "o.avi")]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert "12 frames, " in result.output
    assert "frames per second" in result.output
