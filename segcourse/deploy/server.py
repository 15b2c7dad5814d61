"""Run the web service under waitress, and stop it without cutting an answer."""

import logging
import socket
import threading
import time

from waitress import create_server, wasyncore

from segcourse.deploy.service import Service, create_app
from segcourse.errors import ServiceError

_SPARE = 4  # threads that answer /health and refuse requests while all places are taken
_IDLE = 60  # seconds after which a connection without traffic is closed
_CONNECTIONS = 200


class Server:
    """A listening socket, and waitress behind it.

    Args:
        service: the models and limits.
        host: the address to listen at; 127.0.0.1 is this machine only.
        port: 0 takes any free port.

    Attributes:
        address: host and port of the socket.

    Raises:
        ServiceError: the address does not exist here, or the port is taken or not allowed.
    """

    def __init__(self, service: Service, host: str = "127.0.0.1", port: int = 0):
        self.service = service
        listening = _listen(host, port)
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._map: dict = {}
        self._stop = threading.Event()
        limits = service.limits
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a full queue is what 503 is for
        self._waitress = create_server(
            create_app(service),
            map=self._map,
            sockets=[listening],
            threads=limits.requests + _SPARE,
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE,
            # a form is a little larger than its picture; the application's own limit answers with a sentence
            max_request_body_size=limits.megabytes * 10**6 + 2**20,
            max_request_header_size=2**16,
            asyncore_use_poll=True,
            ident="segcourse",
        )

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def run(self) -> None:
        """Serve until `stop` is called; then answer the requests that have arrived, and return."""
        while not self._stop.is_set():
            self._turn(1)
        self._drain()

    def stop(self) -> None:
        """Let `run` return; can be called from any thread and from a signal handler."""
        if not self._stop.is_set():  # the trigger is closed after the first time
            self._stop.set()
            self._waitress.pull_trigger()

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)

    def _drain(self) -> None:
        self.service.stopping = True
        wasyncore.dispatcher.close(self._waitress)  # takes no new connections; the threads still work
        limit = time.monotonic() + 2 * self.service.limits.seconds + 5
        while (channels := list(self._waitress.active_channels.values())) and time.monotonic() < limit:
            for channel in channels:
                if not channel.requests and not channel.total_outbufs_len:
                    channel.will_close = True
            self._turn(0.1)
        self._waitress.task_dispatcher.shutdown()
        self.service.close()
        wasyncore.close_all(self._map)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except socket.gaierror as error:
        raise ServiceError(
            f"--host is {host!r}, which is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all."
        ) from error
    except PermissionError as error:
        raise ServiceError(f"you may not use port {port}; choose one above 1023 with --port.") from error
    except OSError as error:
        raise ServiceError(
            f"{host}, port {port} can't be used ({error.strerror}); choose another with --port, or 0 for any."
        ) from error
