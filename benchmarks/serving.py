"""Load `segcourse serve`, beside a plain Flask server of the same network, and send it hostile uploads.

python benchmarks/serving.py [--model lesions] [--export] [--clients 16] [--requests 200] [--rounds 3]
                             [--hostile 10000]

The plain server is what a tutorial shows: Flask's own server with a thread per request. Each thread decodes a
picture, runs the network in PyTorch and encodes the mask. Both servers are loaded in turn, on the same cores,
by clients that send the next picture as soon as they have their mask. The masks of both are compared first.
"""

import argparse
import collections
import contextlib
import http.client
import io
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

TESTS = Path(__file__).resolve().parents[1] / "tests" / "deploy"
MEGABYTE = 2**20


def plain_server(model: str) -> None:
    """Serve the network as simply as Flask allows, on a free port that is printed."""
    import flask
    from werkzeug.serving import make_server

    from segcourse.inference.segmenter import Segmenter

    segmenter = Segmenter.load(model, "cpu")
    app = flask.Flask("plain")

    @app.post("/segment")
    def segment() -> flask.Response:
        mask = segmenter.predict(io.BytesIO(flask.request.get_data()))
        content = io.BytesIO()
        Image.fromarray(mask).save(content, "PNG")
        return flask.Response(content.getvalue(), mimetype="image/png")

    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"Serving at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[tuple[int, psutil.Process]]:
    """Start a server inside the `with` block, and yield its port and its process."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        port = None
        while port is None:
            line = process.stdout.readline()
            assert line, f"the server did not start: {' '.join(command)}"
            port = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        yield int(port[1]), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def ask(
    connection: http.client.HTTPConnection, body: bytes | None, path: str = "/segment"
) -> tuple[int, bytes]:
    """Send a request and return status and body; connect again if the server closed the connection."""
    for attempt in range(2):
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            if attempt:
                raise
    raise AssertionError


def decoded(body: bytes) -> np.ndarray:
    """Return the class ids in a PNG."""
    with Image.open(io.BytesIO(body)) as mask:
        return np.array(mask)


def load(port: int, pictures: list[bytes], clients: int, requests: int) -> tuple[float, list[float]]:
    """Return the seconds for all requests, and of each; raise if one is not answered with a mask."""
    bodies = itertools.islice(itertools.cycle(pictures), requests)
    lock, latencies, failed = threading.Lock(), [], []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        while True:
            with lock:
                body = next(bodies, None)
            if body is None:
                return connection.close()
            start = time.perf_counter()
            status, _ = ask(connection, body)
            latencies.append(time.perf_counter() - start)
            if status != 200:
                failed.append(status)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    assert not failed, collections.Counter(failed)
    return seconds, latencies


def core_seconds(process: psutil.Process) -> float:
    """Return the time that all threads of a process have computed; other programs don't affect it."""
    times = process.cpu_times()
    return times.user + times.system


def compare(
    servers: dict[str, tuple[int, psutil.Process]],
    pictures: list[bytes],
    clients: int,
    requests: int,
    rounds: int,
) -> None:
    """Print latencies and throughput of both servers, and in how many pixels their masks differ."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=300) for port, _ in servers.values()]
    pixels = different = 0
    for picture in pictures[:20]:
        ours, plain = (decoded(ask(connection, picture)[1]) for connection in connections)
        pixels, different = pixels + ours.size, different + int((ours != plain).sum())
    print(f"masks of {min(20, len(pictures))} pictures: {different} of {pixels} pixels differ")
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    computed: dict[str, list[float]] = {name: [] for name in servers}
    latencies: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name in sorted(servers, reverse=bool(number % 2)):
            port, process = servers[name]
            before = core_seconds(process)
            taken, each = load(port, pictures, clients, requests)
            if number:  # the first round warms up
                computed[name].append(core_seconds(process) - before)
                seconds[name].append(taken)
                latencies[name] += each
    print(f"{clients} clients, {requests} requests, {rounds} rounds in turn; milliseconds")
    print(f"{'server':16} {'p50':>7} {'p95':>7} {'p99':>7} {'core per picture':>17} {'pictures/s':>11}")
    for name in servers:
        p50, p95, p99 = (1000 * np.percentile(latencies[name], q) for q in (50, 95, 99))
        core = 1000 * statistics.median(computed[name]) / requests
        rate = requests / statistics.median(seconds[name])
        print(f"{name:16} {p50:7.0f} {p95:7.0f} {p99:7.0f} {core:17.1f} {rate:11.1f}", flush=True)
    for what, values in (("throughput", seconds), ("core time per picture", computed)):
        ratio = statistics.median(b / a for a, b in zip(*values.values(), strict=True))
        print(f"{what}: {ratio:.2f} times as good as the plain server's (median of the rounds)")


def resident(connection: http.client.HTTPConnection) -> float:
    """Return the server's memory in MB, as it tells Prometheus."""
    _, text = ask(connection, None, "/metrics")
    return float(re.search(rb"(?m)^process_resident_memory_bytes (\S+)", text)[1]) / MEGABYTE


def attack(port: int, pictures: list[bytes], count: int) -> None:
    """Send hostile uploads, and print the statuses, the memory, and whether masks in between were right."""
    sys.path.insert(0, str(TESTS))
    import uploads

    rng = np.random.default_rng(0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    expected = [ask(connection, picture)[1] for picture in pictures[:5]]
    statuses: dict[str, collections.Counter] = {
        kind.__name__: collections.Counter() for kind in uploads.HOSTILE
    }
    wrong = checked = 0
    memory = []
    for number in range(count):
        kind = uploads.HOSTILE[number % len(uploads.HOSTILE)]
        status, body = ask(connection, kind(rng))
        statuses[kind.__name__][status] += 1
        if status != 200:
            assert list(json.loads(body)) == ["error"], body
        if number % 20 == 0:
            checked += 1
            wrong += ask(connection, pictures[checked % 5])[1] != expected[checked % 5]
        if number % max(1, count // 10) == 0:
            memory.append(resident(connection))
    memory.append(resident(connection))
    for name, counts in statuses.items():
        print(f"{name:16} " + ", ".join(f"{status}: {n}" for status, n in sorted(counts.items())))
    worst = max(status for counts in statuses.values() for status in counts)
    print(
        f"{count} hostile uploads: highest status {worst}; {wrong} of {checked} masks in between were wrong"
    )
    print("memory in MB, at every tenth: " + ", ".join(f"{one:.0f}" for one in memory))


def lesions(count: int) -> list[bytes]:
    """Return the files of real lesions if they are here, else of procedural ones."""
    from segcourse.data import catalogue, load_dataset

    folder = catalogue.find_folder("isic2018")
    if folder is not None:
        return [path.read_bytes() for path in sorted(Path(folder).glob("**/*.jpg"))[:count]]
    print("no ISIC images here (segcourse data get isic2018); the pictures are procedural")
    dataset, contents = load_dataset("lesions", "val"), []
    for i in range(min(count, len(dataset))):
        content = io.BytesIO()
        pixels = (dataset[i].image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(content, "JPEG", quality=95)
        contents.append(content.getvalue())
    return contents


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", help=argparse.SUPPRESS)
    parser.add_argument("--model", default="lesions", help="a model file, or lesions")
    parser.add_argument("--export", action="store_true", help="serve the model's ONNX export")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hostile", type=int, default=10_000)
    arguments = parser.parse_args()
    if arguments.plain:
        return plain_server(arguments.plain)
    pictures = lesions(100)
    with contextlib.ExitStack() as stack:
        served = arguments.model
        if arguments.export:
            served = f"{stack.enter_context(tempfile.TemporaryDirectory())}/served.onnx"
            command = [sys.executable, "-m", "segcourse.cli", "export", arguments.model, "--out", served]
            subprocess.run(command, check=True)
        ours = ["-m", "segcourse.cli", "serve", "--port", "0", "--device", "cpu", "--model", served]
        servers = {
            "segcourse serve": stack.enter_context(started(ours)),
            "plain Flask": stack.enter_context(started([__file__, "--plain", arguments.model])),
        }
        if arguments.rounds:
            compare(servers, pictures, arguments.clients, arguments.requests, arguments.rounds)
        if arguments.hostile:
            attack(servers["segcourse serve"][0], pictures, arguments.hostile)


if __name__ == "__main__":
    main()
