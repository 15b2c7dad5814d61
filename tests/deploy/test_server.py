"""`segcourse serve`: it answers many clients at once, and stops without cutting an answer."""

import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segcourse import cli
from segcourse.data.images import read_image
from segcourse.deploy.server import Server
from segcourse.deploy.service import Limits, Service
from segcourse.errors import ServiceError
from segcourse.inference.segmenter import Segmenter
from segcourse.models import HalfUNet
from segcourse.palette import Palette

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path
import uploads


class Red(nn.Module):
    """Class 1 where an image is red; the first answer waits until it is let go."""

    def __init__(self):
        super().__init__()
        self.started, self.go = threading.Event(), threading.Event()
        self.go.set()

    def forward(self, x):
        self.started.set()
        assert self.go.wait(60)
        return torch.cat([-x[:, :1], x[:, :1]], dim=1)


@pytest.fixture
def red():
    return Red()


@contextlib.contextmanager
def running(model, limits=Limits(), **address):  # noqa: B008
    server = Server(
        Service({"red": Segmenter(model, palette=Palette.lesion(), device="cpu")}, limits), **address
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server, thread
    finally:
        model.go.set()
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


def connect(server):
    return http.client.HTTPConnection(*server.address, timeout=60)


def ask(connection, method="POST", path="/segment?format=json", body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def wait_until(true):
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within a minute")


PICTURE = uploads.encoded(Image.fromarray(np.uint8([[[255, 0, 0]] * 2 + [[0, 0, 0]] * 6] * 4)))


def test_many_clients_at_once_get_their_own_masks(red):
    wrong = []

    def client(server, number):
        pixels = np.zeros((9, 11, 3), np.uint8)
        pixels[:, :number] = 255
        connection = connect(server)
        for _ in range(3):  # on one connection
            status, body = ask(connection, body=uploads.encoded(Image.fromarray(pixels)))
            found = (
                {one["name"]: one["share"] for one in json.loads(body)["classes"]} if status == 200 else {}
            )
            if found.get("lesion", 0) != number / 11:
                wrong.append((number, status, body))
        connection.close()

    with running(red) as (server, _):
        threads = [threading.Thread(target=client, args=(server, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_it_listens_on_this_machine_only_and_its_port_is_its_own(red):
    with running(red) as (server, _):
        host, port = server.address
        assert host == "127.0.0.1"
        with pytest.raises(ServiceError, match=f"127.0.0.1, port {port} can't be used .* --port"):
            Server(server.service, port=port)
    with pytest.raises(ServiceError, match="--host is 'no such host'"):
        Server(server.service, host="no such host")


def test_stopping_answers_what_has_arrived_and_takes_nothing_new(red):
    results = []
    with running(red) as (server, thread):
        idle = connect(server)
        assert ask(idle, "GET", "/health")[0] == 200
        half = socket.create_connection(server.address, timeout=60)
        half.sendall(b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf of it")
        red.started.clear()
        red.go.clear()
        asking = threading.Thread(target=lambda: results.append(ask(connect(server), body=PICTURE)))
        asking.start()
        assert red.started.wait(60)
        server.stop()
        wait_until(lambda: server.service.stopping)
        assert half.recv(100) == b""  # closed without an answer, which is none by halves
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=5)
        assert thread.is_alive()
        red.go.set()
        asking.join(60)
        thread.join(60)
        assert not thread.is_alive()
    [(status, body)] = results
    assert status == 200
    assert json.loads(body)["classes"][1]["share"] == 0.25


def test_more_requests_than_places_get_503_and_health_answers(red):
    with running(red, Limits(requests=2)) as (server, _):
        red.go.clear()
        results = []
        asking = [
            threading.Thread(target=lambda: results.append(ask(connect(server), body=PICTURE)))
            for _ in range(2)
        ]
        for thread in asking:
            thread.start()
        wait_until(lambda: server.service.gate.admitted == 2)
        connection = connect(server)
        connection.request("POST", "/segment", PICTURE)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        answer.read()
        assert ask(connection, "GET", "/health")[0] == 200
        red.go.set()
        for thread in asking:
            thread.join()
        assert [status for status, _ in results] == [200, 200]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"POST /segment HTTP/1.1\r\nContent-Length: 1\r\nContent-Type: multipart/form-data\r\n\r\na", 400),
        (b"POST /segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)  # fmt: skip
def test_wrong_http_gets_4xx(red, content, status):
    with running(red) as (server, _):
        connection = socket.create_connection(server.address, timeout=60)
        connection.sendall(content)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        connection.close()
        assert ask(connect(server), body=PICTURE)[0] == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_the_command_serves_a_model_and_a_signal_stops_it(tmp_path):
    torch.manual_seed(0)
    segmenter = Segmenter(HalfUNet(3, 2, width=8), palette=Palette.lesion(), size=32, device="cpu")
    segmenter.save(tmp_path / "spots.safetensors")
    command = [sys.executable, "-m", "segcourse.cli", "serve", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--model", str(tmp_path / "spots.safetensors")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    said = process.stdout.readline()
    address = re.fullmatch(r"Serving spots at http://(127\.0\.0\.1):(\d+)/ \(Ctrl-C stops\)\.\n", said)
    assert address, said + process.stdout.read()
    content = uploads.picture(np.random.default_rng(0))
    status, body = ask(
        http.client.HTTPConnection(address[1], int(address[2]), timeout=60), path="/segment", body=content
    )
    assert status == 200
    with Image.open(io.BytesIO(body)) as mask:
        np.testing.assert_array_equal(np.array(mask), segmenter.predict(read_image(io.BytesIO(content))))
    process.send_signal(signal.SIGTERM)
    assert (process.stdout.read(), process.wait(60)) == ("Stopped.\n", 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "no.safetensors"], "there is no model file no.safetensors"),
        (
            ["--model", "a/x.onnx", "--model", "b/x.onnx"],
            "several models have the name x; rename their files.",
        ),
    ],
)
def test_a_service_that_can_not_start_prints_one_sentence(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as stop:
        cli.main(["serve", *arguments])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.count("\n") == 1


def test_without_flask_the_error_says_what_to_install(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("segcourse.deploy.ser")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "waitress", None)
    with pytest.raises(SystemExit):
        cli.main(["serve"])
    assert capsys.readouterr().err == (
        'the web service needs waitress; install it with pip install "segcourse[deploy]".\n'
    )
