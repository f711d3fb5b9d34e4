"""From an address to a server that stops in order."""

from __future__ import annotations

import errno
import functools
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lensmith.errors import UsageError
from lensmith.server.app import make_app
from lensmith.server.connections import Connection, Door
from lensmith.server.guard import LOOPBACK_HOSTS
from lensmith.server.limits import Limits
from lensmith.server.page import PageOptions
from lensmith.server.priority import step_back
from lensmith.server.replacement import Source, warm_up
from lensmith.server.service import Servable

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def listen(host: str, port: int, *, token: str | None = None) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises `UsageError` where the address cannot be had, or is beyond loopback with no token to guard it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: no such address", hint="Try --host 127.0.0.1.") from error
    if not token and not _is_loopback(str(address[0])):
        raise UsageError(
            f"--host {host} can be reached from other machines, and there is no token",
            hint="Set LENSMITH_TOKEN or give --token, or stay on --host 127.0.0.1.",
        )
    try:
        bound = socket.create_server((str(address[0]), port), family=family, backlog=2048)
    except OSError as error:
        raise _no_address(host, port, error) from error
    # asyncio turns Nagle's algorithm off only where a socket names its protocol; left on, an answer whose
    # head and body go out apart waits 40 ms for the other side's acknowledgement.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=bound.detach())


def _no_address(host: str, port: int, error: OSError) -> UsageError:
    free = "Give another with --port; --port 0 takes a free one."
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"port {port} on {host} is in use", hint=free)
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"port {port} may not be used by this account", hint=free)
    return UsageError(f"cannot listen on {host} port {port} ({error.strerror})", hint="Try --host 127.0.0.1.")


def url_of(listener: socket.socket) -> str:
    """Where a person on this machine reaches `listener`."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        host = "::1" if address.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    bundle: Servable,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    *,
    limits: Limits | None = None,
    source: Source | None = None,
    on_ready: Callable[[str], None] | None = None,
    page: PageOptions | None = None,
) -> None:
    """Serve until SIGTERM, then answer what is open and return.

    source: where the bundle came from, if one that replaces it there is to be served.
    on_ready: called once with the URL, when requests are being answered.
    page: what the page offers beside answers.
    Raises `UsageError` as `listen` and `make_app` do, and `KeyboardInterrupt` after a Ctrl-C.
    """
    limits = limits or Limits()
    with listen(host, port, token=token) as listener:
        # On a thread that has stepped back, as those will have that the engine starts for itself.
        with ThreadPoolExecutor(1, initializer=step_back) as pool:
            pool.submit(warm_up, bundle).result()
        app = make_app(bundle, token=token, limits=limits, hosts=_hosts(listener), source=source, page=page)
        server = _Server(uvicorn_config(app, limits))
        server.on_ready = functools.partial(on_ready or _LOG.info, url_of(listener))
        server.run(sockets=[listener])
    if server.interrupted:
        raise KeyboardInterrupt


def uvicorn_config(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """How uvicorn is to run the app. Its parser and loop are named: left to itself it takes whatever is installed,
    and our limits on connections are written for this one."""
    door = Door(limits, app.state.service.metrics)
    return uvicorn.Config(
        app,
        http=functools.partial(Connection, door=door),  # type: ignore[arg-type]
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.drain_seconds,
    )


def _hosts(listener: socket.socket) -> frozenset[str] | None:
    host = listener.getsockname()[0]
    if not _is_loopback(host):
        return None
    return LOOPBACK_HOSTS | {f"[{host}]" if ":" in host else host}


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


class _Server(uvicorn.Server):
    """Uvicorn that says when it is up, and for which the signal that ended it is spent, not raised again."""

    interrupted = False
    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept, and say so."""
        await super().startup(sockets)
        self.on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT while serving."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remember what it was."""
        self.interrupted = self.interrupted or sig == signal.SIGINT
        super().handle_exit(sig, frame)
