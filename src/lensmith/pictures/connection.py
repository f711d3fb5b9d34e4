"""A connection to an address that was looked at first, over before a deadline.

A host is looked up once and the connection goes to the address found: a name that is looked up again may stand for
another one by then. Every wait is cut to what is left until the deadline, since a server that sends a byte now and
then never exceeds a timeout of its own for each.
"""

from __future__ import annotations

import base64
import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Host = tuple[str, int]


class Address(NamedTuple):
    """Where a host was found: `place` is what a socket of this `family` connects to, with no other look-up."""

    family: int
    place: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """As text."""
        return str(self.place[0])


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OWN_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, and not of this machine or a network behind it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or ip in _OWN_NAT64:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolved(host: str, port: int, deadline: float) -> list[Address]:
    """The addresses of a host. The system's look-up knows no time limit, so it gets a thread. Raises `OSError`."""
    found: list[Address] = []
    trouble: list[OSError] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(Address(answer[0], answer[4]) for answer in answers))
        except UnicodeError:
            trouble.append(OSError(f"{host} is no name of a host"))
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if trouble:
        raise trouble[0]
    if not found:
        raise TimeoutError
    return found


@dataclass(frozen=True)
class Proxy:
    """Where requests go instead, and what it wants to be told."""

    host: Host
    headers: dict[str, str]


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """The proxy that the environment names for a host."""
    word = urllib.request.getproxies().get(scheme, "")
    if not word or urllib.request.proxy_bypass(host):
        return None
    parts = urllib.parse.urlsplit(word if "://" in word else f"http://{word}")
    headers = {}
    if parts.username is not None:
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    return Proxy((parts.hostname or "", parts.port or 80), headers)


class Connection(http.client.HTTPConnection):
    """To one of `addresses`, which are the host's or its proxy's; `secure` speaks TLS with the host."""

    def __init__(
        self,
        host: Host,
        addresses: list[Address],
        deadline: float,
        *,
        secure: bool,
        proxy: Proxy | None,
    ) -> None:
        self._name = host[0] if ":" in host[0] else host[0].encode("idna").decode("ascii")
        super().__init__(self._name, host[1])
        self.default_port = 443 if secure else 80  # which a Host header leaves out
        self._addresses, self._deadline = addresses, deadline
        self._secure, self._proxy = secure, proxy
        self._open: socket.socket | None = None
        if secure and proxy is not None:
            self.set_tunnel(self._name, host[1], proxy.headers)

    def get(self, target: str, more: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """Ask for a path; the body is not yet read. Raises `OSError` and `http.client.HTTPException`."""
        headers = {"User-Agent": "lensmith", **(more or {})}
        if self._proxy is not None and not self._secure:
            name = f"[{self._name}]" if ":" in self._name else self._name
            port = "" if self.port == self.default_port else f":{self.port}"
            target, headers = f"http://{name}{port}{target}", headers | self._proxy.headers
        self.request("GET", target, headers=headers)
        return self.getresponse()

    def connect(self) -> None:
        """Called by `request`."""
        self._open = self._reached()
        self.sock: Any = _Timed(self._open, self._deadline)
        if not self._secure:
            return
        if self._proxy is not None:
            self._tunnel()  # type: ignore[attr-defined]
        self._open.settimeout(_left(self._deadline))
        context = ssl.create_default_context()
        self._open = context.wrap_socket(self._open, server_hostname=self._name)
        self.sock = _Timed(self._open, self._deadline)

    def hang_up(self) -> None:
        """Close it, whether or not all was read."""
        self.close()
        if self._open is not None:
            self._open.close()

    def _reached(self) -> socket.socket:
        trouble: OSError = OSError("no address")
        for tried, address in enumerate(self._addresses):
            share = _left(self._deadline) / (len(self._addresses) - tried)
            try:
                return _connected(address, share)
            except OSError as error:
                trouble = error
        raise trouble


def _connected(address: Address, seconds: float) -> socket.socket:
    opened = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.connect(address.place)
    except BaseException:
        opened.close()
        raise
    return opened


class _Timed:
    """A socket for `http.client`, which closes it while the body is still to be read: `hang_up` does that."""

    def __init__(self, inner: socket.socket, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def sendall(self, data: Any) -> None:
        self._inner.settimeout(_left(self._deadline))
        self._inner.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._inner, self._deadline))

    def close(self) -> None:
        pass


class _Incoming(io.RawIOBase):
    def __init__(self, inner: socket.socket, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._inner.settimeout(_left(self._deadline))
        return self._inner.recv_into(buffer)


def _left(deadline: float) -> float:
    """Seconds until then. Raises `TimeoutError` where there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
