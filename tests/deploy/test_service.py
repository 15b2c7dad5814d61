"""The API: right answers, and one sentence for everything else."""

import io
import json
import re
import sys
import threading
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segcourse.data.decode import header_size
from segcourse.data.images import read_image
from segcourse.deploy.openapi import description
from segcourse.deploy.service import Limits, Service, create_app
from segcourse.inference.rle import from_run_lengths
from segcourse.inference.segmenter import Segmenter
from segcourse.palette import Palette

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path
import uploads

PALETTE = Palette(("background", "cat", "dog"), ((0, 0, 0), (230, 159, 0), (86, 180, 233)))
LIMITS = Limits(megabytes=1, megapixels=1, requests=4, batch=4, seconds=20)


class Thirds(nn.Module):
    """Class 0, 1 or 2 where the (normalised) red channel is low, middling or high."""

    def forward(self, x):
        red = x[:, :1]
        return torch.cat([-red, torch.full_like(red, 0.5), red], dim=1)


class Broken(nn.Module):
    """Fails on images that are red at the top left."""

    def forward(self, x):
        if (x[:, 0, 0, 0] > 2).any():
            raise ZeroDivisionError("a secret")
        return torch.cat([-x[:, :1], x[:, :1]], dim=1)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(Thirds(), palette=PALETTE, size=16, device="cpu")


@pytest.fixture(scope="module")
def service(segmenter):
    broken = Segmenter(Broken(), class_names=("skin", "lesion"), device="cpu")
    service = Service({"thirds": segmenter, "broken": broken}, LIMITS)
    yield service
    service.close()


@pytest.fixture
def client(service):
    return create_app(service).test_client()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def labels(answer):
    with Image.open(io.BytesIO(answer.data)) as mask:
        return np.array(mask)


def sentence(answer):
    """Return the sentence of an error; each has the same form."""
    assert answer.mimetype == "application/json"
    assert list(answer.json) == ["error"]
    assert "Traceback" not in answer.text
    return answer.json["error"]


def test_png_is_the_mask_of_the_segmenter_in_the_palettes_colours(client, segmenter, rng):
    content = uploads.picture(rng)
    answer = client.post("/segment", data=content)
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    expected = segmenter.predict(read_image(io.BytesIO(content)))
    assert len(np.unique(expected)) == 3
    np.testing.assert_array_equal(labels(answer), expected)
    with Image.open(io.BytesIO(answer.data)) as mask:
        np.testing.assert_array_equal(np.array(mask.convert("RGB")), PALETTE.colourise(expected))


def test_json_is_the_same_mask_as_run_lengths(client, segmenter, rng):
    content = uploads.picture(rng)
    answer = client.post("/segment?format=json&model=thirds", data=content).json
    expected = segmenter.predict(read_image(io.BytesIO(content)))
    assert (answer["model"], answer["height"], answer["width"]) == ("thirds", 48, 48)
    assert [one["name"] for one in answer["classes"]] == ["background", "cat", "dog"]
    for one in answer["classes"]:
        mask = from_run_lengths(one["rle"]["counts"], *one["rle"]["size"])
        np.testing.assert_array_equal(mask, expected == one["id"])
        assert one["share"] == pytest.approx(mask.mean())


def test_a_form_is_as_good_as_a_body_and_a_rotated_picture_comes_upright(client, segmenter):
    image = Image.fromarray(np.repeat(np.uint8([[[255, 0, 0]] * 20 + [[0, 0, 0]] * 10]), 12, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    content = uploads.encoded(image, "JPEG", exif=exif, quality=95)
    answer = client.post("/segment", data={"image": (io.BytesIO(content), "../../x.jpg")})
    assert labels(answer).shape == (30, 12)
    np.testing.assert_array_equal(labels(answer), segmenter.predict(read_image(io.BytesIO(content))))


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "expected"),
    [
        ("post", "/segment", b"", 400, "the request holds no picture"),
        ("post", "/segment", {"other": (io.BytesIO(b"x"), "x")}, 400, "the request holds no picture"),
        ("post", "/segment?format=xml", b"x", 400, "format is 'xml'; expected png or json"),
        ("post", "/segment?model=cows", b"x", 400, "model is 'cows'; expected thirds or broken"),
        ("post", "/segment", b"no picture", 422, "the picture is not an image file; expected JPEG"),
        ("post", "/segment", uploads.png(48, 48, b"\0" * 9), 422, "the picture cannot be read"),
        ("post", "/segment", b"x" * 1_000_001, 413, "more than 1 million bytes"),
        ("post", "/segment", uploads.png(1001, 1000), 413, "more than 1 million pixels"),
        ("post", "/segment", uploads.png(30_000, 30_000), 413, "million pixels"),
        ("post", "/segment", uploads.many_scans(200), 422, "more than 100 scans"),
        ("post", "/segment", uploads.many_pages(200), 422, "has 100 pages or more"),
        ("post", "/segment", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "not an image file"),
        ("get", "/segment", None, 405, "another method"),
        ("get", "/etc/passwd", None, 404, "no such address"),
        ("get", "/page.html", None, 404, "no such address"),
    ],
)
def test_what_can_not_be_answered_gets_a_sentence(client, method, path, data, status, expected):
    answer = getattr(client, method)(path, data=data)
    assert answer.status_code == status
    assert expected in sentence(answer)


def test_a_405_names_the_allowed_methods(client):
    assert "POST" in client.get("/segment").headers["Allow"]


def test_a_mistake_of_the_server_is_logged_and_not_told(client, caplog):
    content = uploads.encoded(Image.new("RGB", (8, 8), (255, 0, 0)))
    answer = client.post("/segment?model=broken", data=content)
    assert answer.status_code == 500
    assert "secret" not in sentence(answer)
    assert "a secret" in caplog.text
    again = client.post("/segment?model=broken", data=uploads.encoded(Image.new("RGB", (8, 8))))
    assert again.status_code == 200


def test_a_full_service_refuses_at_once_and_answers_health(client, service):
    with service.gate.request(), service.gate.request(), service.gate.request(), service.gate.request():
        answer = client.post("/segment", data=b"x")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "4 request(s) already" in sentence(answer)
        assert client.get("/health").json == {"status": "ok"}
    assert client.post("/segment", data=b"x").status_code == 422


def test_a_network_that_takes_too_long_is_busy(rng):
    go = threading.Event()

    class Slow(Thirds):
        def forward(self, x):
            if x.abs().max() < 5:  # the first prediction of the service is black
                pass
            if not (x == x.flatten()[0]).all() and len(x.unique()) > 3:
                go.wait(60)
            return super().forward(x)

    service = Service({"slow": Segmenter(Slow(), palette=PALETTE, device="cpu")}, Limits(seconds=0.1))
    answer = create_app(service).test_client().post("/segment", data=uploads.picture(rng))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "no result after 0.1 seconds" in sentence(answer)
    go.set()
    service.close()


def test_pictures_together_have_a_bounded_number_of_pixels(segmenter, rng):
    limits = Limits(megapixels=1, seconds=0)
    service = Service({"thirds": segmenter}, limits=Limits(megapixels=1))
    service.gate.seconds = 0
    client = create_app(service).test_client()
    content = uploads.picture(rng, side=500)
    with service.gate.room(800_000):
        answer = client.post("/segment", data=content)
    assert limits.megapixels == 1
    assert (answer.status_code, sentence(answer)[:27]) == (503, "other large pictures are be")
    assert client.post("/segment", data=content).status_code == 200
    service.close()


def test_requests_at_the_same_time_share_batches_and_get_their_own_masks(service, segmenter, rng):
    app = create_app(service)
    contents = [uploads.picture(rng) for _ in range(4)]
    answers = {}

    def ask(number):
        answers[number] = app.test_client().post("/segment", data=contents[number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, content in enumerate(contents):
        np.testing.assert_array_equal(
            labels(answers[number]), segmenter.predict(read_image(io.BytesIO(content)))
        )


def test_every_answer_forbids_outside_requests_and_guessing_of_types(client):
    for path in ("/", "/health", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
    page = client.get("/").text
    assert not re.findall(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?:https?:)?//", page)


def test_metrics_count_answers_and_batches(segmenter, rng):
    service = Service({"thirds": segmenter}, LIMITS)
    client = create_app(service).test_client()
    client.post("/segment", data=uploads.picture(rng))
    client.post("/segment", data=b"x")
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert 'segcourse_requests_total{path="/segment",status="200"} 1.0' in text
    assert 'segcourse_requests_total{path="/segment",status="422"} 1.0' in text
    assert 'segcourse_requests_total{path="other",status="404"} 1.0' in text
    assert "segcourse_batch_images_count 2.0" in text  # the first prediction of the service, and this
    assert "segcourse_requests_in_progress 0.0" in text
    service.close()


def test_a_stopping_service_says_so(segmenter, rng):
    service = Service({"thirds": segmenter}, LIMITS)
    client = create_app(service).test_client()
    service.close()
    assert client.get("/health").status_code == 503
    assert client.post("/segment", data=uploads.picture(rng)).status_code == 503


def test_hostile_uploads_get_4xx_and_right_answers_stay_right(client, segmenter):
    rng = np.random.default_rng(1)
    good = uploads.picture(rng)
    expected = segmenter.predict(read_image(io.BytesIO(good)))
    kinds = {kind: [] for kind in uploads.HOSTILE}
    for number in range(300):
        kind = uploads.HOSTILE[number % len(uploads.HOSTILE)]
        answer = client.post("/segment", data=kind(rng))
        kinds[kind].append(answer.status_code)
        if answer.status_code != 200:
            sentence(answer)
        if number % 10 == 0:
            np.testing.assert_array_equal(labels(client.post("/segment", data=good)), expected)
    readable = {uploads.flipped, uploads.truncated}  # a file may lack no more than its end
    for kind, statuses in kinds.items():
        assert set(statuses) <= ({200, 413, 422} if kind in readable else {413, 422}), kind


def test_the_description_fits_the_answers(client, rng):
    about = client.get("/openapi.json").json
    assert about == json.loads(json.dumps(description(["thirds", "broken"], LIMITS)))
    content = uploads.picture(rng)
    seen = [
        ("/models", "get", client.get("/models")),
        ("/health", "get", client.get("/health")),
        ("/openapi.json", "get", client.get("/openapi.json")),
        ("/metrics", "get", client.get("/metrics")),
        ("/segment", "post", client.post("/segment", data=content)),
        ("/segment", "post", client.post("/segment?format=json", data=content)),
        ("/segment", "post", client.post("/segment", data=b"")),
        ("/segment", "post", client.post("/segment", data=b"x")),
        ("/segment", "post", client.post("/segment", data=uploads.png(2000, 2000))),
    ]
    assert {path for path, *_ in seen} == about["paths"].keys()
    for path, method, answer in seen:
        content = about["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        schema = content[answer.mimetype]["schema"]
        if answer.mimetype == "application/json":
            jsonschema.validate(answer.json, schema)
            for known in (schema, *schema.get("properties", {}).values()):
                jsonschema.Draft202012Validator.check_schema(known)


def test_a_picture_is_read_from_memory_as_from_a_file(tmp_path, rng):
    for form in uploads.FORMATS:
        content = uploads.picture(rng, form)
        path = tmp_path / f"x.{form.lower()}"
        path.write_bytes(content)
        np.testing.assert_array_equal(read_image(io.BytesIO(content)), read_image(path))
        assert header_size(io.BytesIO(content)) == (48, 48)
