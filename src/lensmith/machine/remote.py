"""How a person who sits elsewhere reaches this machine: over SSH, inside a notebook, or through an editor."""

from __future__ import annotations

import getpass
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_DOCKER = ipaddress.ip_network("172.16.0.0/12")
_OF_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True)
class Remote:
    """Where an SSH session ended: account, address and port.

    is_certain: the address is the one that was typed; a container or a router shows another one to the inside.
    """

    user: str
    host: str
    port: int
    is_certain: bool

    @property
    def words(self) -> str:
        """What follows `ssh`: `-p 2222 user@host`, the port only where it is another than 22."""
        port = "" if self.port == 22 else f"-p {self.port} "
        return f"{port}{self.user}@{self.host}"


def read_remote(environment: Mapping[str, str]) -> Remote | None:
    """The SSH session that SSH_CONNECTION ("client port server port") tells of; None where there is none."""
    try:
        client, _, server, port = environment.get("SSH_CONNECTION", "").split()
        ends = [ipaddress.ip_address(end.partition("%")[0]) for end in (client, server)]
        user = getpass.getuser()
    except (ValueError, OSError, KeyError, ImportError):  # the last three: an account without a name
        return None
    if not (port.isascii() and port.isdigit()) or not server.isprintable():
        return None
    contained = "KUBERNETES_SERVICE_HOST" in environment or any(file.exists() for file in _OF_A_CONTAINER)
    # Both ends in one private network see each other's address; a private one seen from outside is a router's.
    is_certain = _is_open(ends[1]) or (not _is_open(ends[0]) and ends[1] not in _DOCKER and not contained)
    return Remote(user, server, int(port), is_certain and not ends[1].is_loopback)


def ways_to(url: str, environment: Mapping[str, str]) -> list[str]:
    """Lines for whoever sits elsewhere, of how a browser there reaches a server on this machine's loopback.

    Empty where there is nothing to say: nobody came from elsewhere, or the server can be reached as it is.
    """
    own = urlsplit(url)
    host, port = own.hostname or "", own.port or 80
    if not ipaddress.ip_address(host).is_loopback:
        return []
    if "COLAB_RELEASE_TAG" in environment:
        return [
            "in a Colab cell:",
            f"  from google.colab import output; output.serve_kernel_port_as_window({port})",
        ]
    if "KAGGLE_KERNEL_RUN_TYPE" in environment:
        return ["Kaggle lets no browser in; write a page instead: lensmith report last"]
    if prefix := environment.get("JUPYTERHUB_SERVICE_PREFIX"):
        return [
            f"through JupyterHub, with jupyter-server-proxy: {prefix}proxy/{port}/ after the hub's address"
        ]
    remote = read_remote(environment)
    if remote is None:
        return []
    forward = f"-L {port}:{f'[{host}]' if ':' in host else host}:{port}"
    if environment.get("VSCODE_IPC_HOOK_CLI"):
        return [f"VS Code forwards it: open the Ports panel, or http://localhost:{port} on your own computer"]
    if not remote.is_certain:
        return [f"on your own computer, the ssh command that you came by, with {forward} after `ssh`"]
    return [f"on your own computer: ssh {forward} {remote.words}"]


def _is_open(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it may be an address of the open internet; those set aside for examples count as such."""
    inside = (*_PRIVATE_4, *_PRIVATE_6)
    return not address.is_loopback and not any(
        address in network for network in inside if network.version == address.version
    )


_PRIVATE_4 = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
)
_PRIVATE_6 = tuple(ipaddress.ip_network(block) for block in ("fc00::/7", "fe80::/10"))
