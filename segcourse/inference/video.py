"""Segment a video or a camera frame by frame, with the frame rate in the picture."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from segcourse.errors import DataError, SaveError
from segcourse.files import replacing
from segcourse.inference.keeping import Keep
from segcourse.inference.segmenter import Segmenter
from segcourse.plotting.arrays import background_class, overlay

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
_FRAMES = 15  # over which the frame rate is measured
_CAMERA_RATE = 25.0  # of the file, where a camera doesn't say its own


@dataclass(frozen=True)
class Source:
    """A video file or a camera.

    Attributes:
        name: the file, or the number of the camera, for messages.
        rate: frames per second.
        count: number of frames; None for a camera, or if the file doesn't say.
        capture: OpenCV's reader.
    """

    name: str
    rate: float
    count: int | None
    capture: cv2.VideoCapture

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 H×W×3 RGB, upright."""
        while True:
            there, frame = self.capture.read()
            if not there:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@contextmanager
def open_source(given: str | Path) -> Iterator[Source]:
    """Open a video file, or the camera whose number is given, such as "0".

    Raises:
        DataError: there is no such file or camera, or it can't be read as a video.
    """
    name = str(given)
    camera = name.isdecimal() and not Path(name).is_file()
    if not camera and not Path(name).is_file():
        raise DataError(
            f"there is no video file {name}; check the path, or give the number of a camera, such as 0."
        )
    capture = cv2.VideoCapture(int(name) if camera else name)
    try:
        if not capture.isOpened():
            raise DataError(
                f"there is no camera {name}, or another program uses it."
                if camera
                else f"{name} can't be read as a video; save it as MP4 or AVI, or predict it as an image."
            )
        rate, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        yield Source(name, rate if 1 <= rate <= 1000 else _CAMERA_RATE, count if count > 0 else None, capture)
    finally:
        capture.release()


class FrameRate:
    """Frames per second over the last frames.

    >>> rate = FrameRate()
    >>> [rate.add(seconds) for seconds in (0.0, 0.5, 1.0)]
    [0.0, 2.0, 2.0]
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_FRAMES + 1)

    def add(self, seconds: float) -> float:
        """Note that a frame was done at this time; return the rate, 0 for the first frame."""
        self._times.append(seconds)
        past = seconds - self._times[0]
        return (len(self._times) - 1) / past if past > 0 else 0.0


def segment_video(
    segmenter: Segmenter,
    source: str | Path,
    out: str | Path,
    *,
    keep: str | None = None,
    alpha: float = 0.5,
    force: bool = False,
    progress: bool = True,
    flips: bool | str = False,
    tile: int | None = None,
) -> tuple[int, float]:
    """Tint each frame of a video by its classes, and write a video with the frame rate in its corner.

    The rate is what this machine reaches with decoding, network, drawing and writing. Ctrl-C ends the video:
    the file keeps the frames so far, which is how a recording from a camera ends.

    Args:
        segmenter: the model.
        source: a video file, or the number of a camera.
        out: the file to write, .mp4 or .avi.
        keep: show only this class, see `Keep.parse`. Default: all but the background.
        alpha: opacity of the colours, from 0 to 1.
        force: overwrite an older file.
        progress: show a progress bar.
        flips, tile: as in `Segmenter.predict`.

    Returns:
        The number of frames, and frames per second over the whole video.

    Raises:
        DataError: the source can't be read or holds no frame, the class does not exist, or the file exists.
        SaveError: the file can't be written.
    """
    out = Path(out)
    if out.suffix.lower() not in _CODECS:
        raise DataError(f"the video would be {out}; give a name that ends in {' or '.join(_CODECS)}.")
    if out.exists() and not force:
        raise DataError(f"{out} exists already; choose another name with --out, or pass --force.")
    kept = None if keep is None else Keep.parse(keep, segmenter.class_names)
    rate, frames, start = FrameRate(), 0, time.perf_counter()
    with open_source(source) as opened, replacing(out) as temporary:
        writer = None
        bar = tqdm(total=opened.count, unit="frame", disable=not progress, file=sys.stderr)
        try:
            for frame in opened.frames():
                mask = segmenter.predict(frame, flips, tile)
                drawn = _tinted(frame, mask, segmenter, kept, alpha)
                writer = writer or _writer(temporary, out, opened.rate, drawn.shape)
                writer.write(_signed(drawn, rate.add(time.perf_counter())))
                frames += 1
                bar.update()
        except KeyboardInterrupt:
            if not frames:
                raise
        finally:
            bar.close()
            if writer is not None:
                writer.release()
        if not frames:
            raise DataError(f"{opened.name} holds no frame that can be read; nothing was written.")
    return frames, frames / (time.perf_counter() - start)


def _tinted(
    frame: np.ndarray, mask: np.ndarray, segmenter: Segmenter, kept: Keep | None, alpha: float
) -> np.ndarray:
    palette = segmenter.palette
    tinted = overlay(frame, mask, palette, alpha, background=background_class(palette))
    return tinted if kept is None else np.where(np.isin(mask, kept.choose(mask))[..., None], tinted, frame)


def _signed(picture: np.ndarray, rate: float) -> np.ndarray:
    """Return a picture as BGR with the frame rate in its upper left corner, white with a black border."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    scale = max(0.4, min(bgr.shape[:2]) / 700)
    place, text = (round(8 * scale) + 2, round(28 * scale) + 2), f"{rate:.1f} frames/s"
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        line = max(1, round(width * scale))
        cv2.putText(bgr, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, line, cv2.LINE_AA)
    return bgr


def _writer(temporary: Path, out: Path, rate: float, shape: tuple[int, ...]) -> cv2.VideoWriter:
    code = cv2.VideoWriter.fourcc(*_CODECS[out.suffix.lower()])
    writer = cv2.VideoWriter(str(temporary), code, rate, (shape[1], shape[0]))
    if not writer.isOpened():
        raise SaveError(f"{out} could not be opened for writing; this OpenCV may lack the codec. Try .avi.")
    return writer
