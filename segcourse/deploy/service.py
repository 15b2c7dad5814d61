"""The web service as a Flask application: a page and an API that segment pictures.

Pictures come from strangers. Their bytes, their pixels, the requests at once and the time of each are
bounded; a picture that can't be read is answered with 4xx and a sentence. No answer holds a trace.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import flask
import numpy as np
import prometheus_client as prometheus
import torch
from werkzeug.exceptions import BadRequest, HTTPException

from segcourse.data.decode import TooManyPixelsError, header_size
from segcourse.deploy.batching import Batcher
from segcourse.deploy.gate import BusyError, Gate
from segcourse.deploy.openapi import description
from segcourse.errors import DataError
from segcourse.inference.pictures import indexed
from segcourse.inference.rle import run_lengths
from segcourse.inference.segmenter import Segmenter
from segcourse.palette import Palette
from segcourse.threads import choose_threads

FORMATS = ("png", "json")
_SCANS = 100  # a camera's progressive JPEG has about ten; each takes the time of a whole picture
_NOTES = {"lesions": "Not a medical device. This network says where a lesion is, not what it is."}
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Limits:
    """What a service takes at most.

    Attributes:
        megabytes: of one upload, in millions of bytes.
        megapixels: of one picture, and of all pictures in memory at once, in millions of pixels.
        requests: answered at once; more get 503.
        batch: images that the network computes together.
        seconds: a request waits at most this time for room in memory, and again for the network.
    """

    megabytes: int = 20
    megapixels: int = 25
    requests: int = 32
    batch: int = 8
    seconds: float = 30


class Service:
    """Models behind a gate, and what is counted about them.

    Args:
        models: name -> model.
        limits: see `Limits`.
        tile: side of tiles in pixels, as in `Segmenter.predict`. Default: no tiles.

    Raises:
        DataError: a network has another number of classes than there are class names.
    """

    def __init__(self, models: Mapping[str, Segmenter], limits: Limits, tile: int | None = None):
        self.limits, self.tile, self.stopping = limits, tile, False
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self.answers = prometheus.Counter(
            "segcourse_requests", "Answered requests.", ["path", "status"], registry=self.registry
        )
        self.seconds = prometheus.Histogram(
            "segcourse_request_seconds", "Seconds from request to answer.", ["path"], registry=self.registry
        )
        self.batches = prometheus.Histogram(
            "segcourse_batch_images",
            "Images per run of the network.",
            registry=self.registry,
            buckets=[2**k for k in range(8)],
        )
        self.gate = Gate(limits.requests, limits.megapixels * 10**6, limits.seconds)
        busy = prometheus.Gauge(
            "segcourse_requests_in_progress", "Pictures being worked on.", registry=self.registry
        )
        busy.set_function(lambda: self.gate.admitted)
        self.batchers: list[Batcher] = []
        self.models = {name: self._served(one) for name, one in models.items()}

    def _served(self, model: Segmenter) -> Segmenter:
        """Return the model with its calls in batches, after a first prediction, which is slow."""
        sides, channels = model.size or (256, 256), len(model.mean)
        threads = workers = 1
        if model.device.type == "cpu":
            # batches of a small network on one core each take less time than one after another on all cores
            threads = choose_threads(model.logits, torch.zeros(channels, *sides))
            workers = torch.get_num_threads() // threads
        options = (self.limits.batch, workers, threads, self.limits.seconds, self.batches.observe)
        served = model.through(lambda forward: self._kept(Batcher(forward, *options)))
        served.predict(np.zeros((*sides, channels), np.uint8), tile=self.tile)
        return served

    def _kept(self, batcher: Batcher) -> Batcher:
        self.batchers.append(batcher)
        return batcher

    def mask(self, name: str, upload: io.BytesIO) -> np.ndarray:
        """Return the class ids of a picture, uint8 H×W, as `Segmenter.predict` does; call it within the gate.

        Raises:
            DataError: the picture can't be read, or has too many pixels.
            BusyError: there was no room, or no result in time.
        """
        return self.models[name].predict(upload, tile=self.tile)

    def close(self) -> None:
        """Finish the calls that wait for the network, and refuse new ones."""
        self.stopping = True
        for batcher in self.batchers:
            batcher.close()


def create_app(service: Service) -> flask.Flask:
    """Return the application; a WSGI server such as `segcourse.deploy.server` runs it."""
    app = flask.Flask("segcourse.deploy", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = service.limits.megabytes * 10**6
    app.json.sort_keys = False
    page = resources.files("segcourse.deploy").joinpath("page.html").read_text(encoding="utf-8")
    about = {
        "models": [_about(name, one) for name, one in service.models.items()],
        "limits": {"bytes": service.limits.megabytes * 10**6, "pixels": service.limits.megapixels * 10**6},
    }

    @app.get("/")
    def index() -> flask.Response:
        return flask.Response(page, mimetype="text/html")

    @app.get("/health")
    def health() -> Any:
        if service.stopping:
            return {"status": "stopping"}, 503
        return {"status": "ok"}

    @app.get("/models")
    def models() -> Any:
        return about

    @app.get("/metrics")
    def metrics() -> flask.Response:
        return flask.Response(
            prometheus.generate_latest(service.registry), content_type=prometheus.CONTENT_TYPE_LATEST
        )

    @app.get("/openapi.json")
    def openapi() -> Any:
        return description(list(service.models), service.limits)

    @app.post("/segment")
    def segment() -> flask.Response:
        name = _choice("model", list(service.models))
        form = _choice("format", FORMATS)
        with service.gate.request():
            upload = _upload()
            height, width = header_size(upload, service.gate.pixels)
            _refuse_many_scans(upload)
            with service.gate.room(height * width):
                mask, model = service.mask(name, upload), service.models[name]
                if form == "json":
                    return flask.jsonify(as_json(mask, name, model.palette))
                return flask.Response(as_png(mask, model.palette), mimetype="image/png")

    @app.before_request
    def start() -> None:
        flask.g.start = time.perf_counter()

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers.update(_SAFE)
        path = flask.request.url_rule.rule if flask.request.url_rule else "other"
        service.answers.labels(path, str(response.status_code)).inc()
        service.seconds.labels(path).observe(time.perf_counter() - flask.g.start)
        return response

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Any:
        # werkzeug's own answer knows what else belongs to the status, such as the allowed methods
        response = error.get_response()
        response.data = flask.json.dumps({"error": _sentence(error, service.limits)})
        response.content_type = "application/json"
        return response

    @app.errorhandler(DataError)
    def unreadable(error: DataError) -> Any:
        return {"error": str(error)}, 413 if isinstance(error, TooManyPixelsError) else 422

    @app.errorhandler(BusyError)
    def busy(error: BusyError) -> Any:
        return {"error": str(error)}, 503, {"Retry-After": "1"}

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Any:
        app.logger.error("A request could not be answered.", exc_info=error)
        return {"error": "the server made a mistake, which it has logged; it isn't the picture's fault."}, 500

    return app


def as_png(mask: np.ndarray, palette: Palette) -> bytes:
    """Return a mask as an indexed PNG: the indices are the class ids, the colours those of the palette."""
    content = io.BytesIO()
    indexed(mask, palette).save(content, "PNG", compress_level=1)
    return content.getvalue()


def as_json(mask: np.ndarray, model: str, palette: Palette) -> dict[str, Any]:
    """Return a mask as run lengths for each class that the picture has, see `run_lengths`.

    >>> as_json(np.array([[0, 1]], np.uint8), "lesions", Palette.lesion())["classes"][1]
    {'id': 1, 'name': 'lesion', 'share': 0.5, 'rle': {'size': [1, 2], 'counts': [1, 1]}}
    """
    pixels = np.bincount(mask.ravel(), minlength=len(palette))
    classes = [
        {
            "id": int(label),
            "name": palette.names[label],
            "share": float(pixels[label] / mask.size),
            "rle": {"size": list(mask.shape), "counts": run_lengths(mask == label)},
        }
        for label in np.flatnonzero(pixels)
    ]
    return {"model": model, "height": mask.shape[0], "width": mask.shape[1], "classes": classes}


def _about(name: str, model: Segmenter) -> dict[str, Any]:
    classes = zip(model.palette.names, model.palette.colours, strict=True)
    return {
        "name": name,
        "size": model.size,
        "threshold": model.threshold,
        "note": _NOTES.get(name, ""),
        "classes": [
            {"id": label, "name": one, "colour": list(colour)} for label, (one, colour) in enumerate(classes)
        ],
    }


def _choice(parameter: str, allowed: Any) -> str:
    """Return a parameter of the address; the first of the allowed values if it is left out."""
    given = flask.request.args.get(parameter, allowed[0])
    if given not in allowed:
        raise BadRequest(f"{parameter} is {given!r}; expected {' or '.join(allowed)}.")
    return given


def _upload() -> io.BytesIO:
    """Return the picture's bytes: the body, or the field "image" of a form."""
    if flask.request.mimetype == "multipart/form-data":
        field = flask.request.files.get("image")
        content = field.read() if field else b""
    else:
        content = flask.request.get_data(cache=False)
    if not content:
        raise BadRequest(
            "the request holds no picture; send its bytes as the body, or as the field image of a form."
        )
    return io.BytesIO(content)


def _refuse_many_scans(upload: io.BytesIO) -> None:
    """Refuse a JPEG that would be decoded for hours: each of its scans goes over the whole picture."""
    content = upload.getvalue()
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > _SCANS:
        raise DataError(f"the picture has more than {_SCANS} scans; save it again as an ordinary JPEG.")


def _sentence(error: HTTPException, limits: Limits) -> str:
    sentences = {
        404: "there is no such address; see /openapi.json.",
        405: "this address takes another method; see /openapi.json.",
        413: f"the request has more than {limits.megabytes} million bytes; shrink or compress the picture.",
    }
    return sentences.get(error.code or 0) or error.description or error.name
