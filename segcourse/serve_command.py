"""The command that starts the web service; `segcourse.cli` registers it."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from segcourse.errors import DataError, ServiceError
from segcourse.model_commands import Build, Device, Tile

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A model file, or lesions [default: lesions]. Repeat it to offer several."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at: 127.0.0.1 is this machine only, 0.0.0.0 the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8000,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Size of one upload.")] = 20,
    max_megapixels: Annotated[
        int, typer.Option(min=1, help="Pixels of one picture, and of all in memory at once.")
    ] = 25,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Pictures being worked on at once; more get 503.")
    ] = 32,
    batch: Annotated[int, typer.Option(min=1, help="Pictures that the network computes together.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a waiting request gets 503.")] = 30,
    tile: Tile = None,
    build: Build = None,
    device: Device = None,
) -> None:
    """Start a web page and an API that segment pictures.

    Open the printed address in a browser. The API is described at /openapi.json; for example:
    curl --data-binary @photo.jpg http://127.0.0.1:8000/segment --output mask.png
    Ctrl-C stops the service after the requests that it is answering, and a second Ctrl-C at once.
    """
    try:
        from segcourse.deploy.server import Server
        from segcourse.deploy.service import Limits, Service
    except ModuleNotFoundError as error:
        raise ServiceError(
            f'the web service needs {error.name}; install it with pip install "segcourse[deploy]".'
        ) from error
    import torch

    from segcourse.inference import shipped
    from segcourse.inference.segmenter import Segmenter
    from segcourse.threads import use_threads

    files = model or [Path(shipped.DEFAULT)]
    names = [path.stem for path in files]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise DataError(f"several models have the name {min(repeated)}; rename their files.")
    with use_threads(1):  # exports keep the number: the service runs several batches at the same time
        models = {
            name: Segmenter.load(path, device, build=build) for name, path in zip(names, files, strict=True)
        }
    limits = Limits(max_megabytes, max_megapixels, max_requests, batch, timeout)
    server = Server(Service(models, limits, tile), host, port)
    torch.set_num_threads(1)  # of each thread that answers a request: there are more of them than cores

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if any(str(path) in shipped.names() for path in files):
        typer.echo(f"{shipped.DEFAULT}: not a medical device; its card is {shipped.card_of(shipped.DEFAULT)}")
    if host not in _LOOPBACK:
        typer.echo(
            "Anyone who can reach this machine can use the service: it asks for no password.", err=True
        )
    typer.echo(f"Serving {', '.join(names)} at {server.url} (Ctrl-C stops).")
    server.run()
    typer.echo("Stopped.")
