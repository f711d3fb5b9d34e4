"""What somebody who sits elsewhere is told to type."""

from __future__ import annotations

import getpass

import pytest

from lensmith.machine import remote
from lensmith.machine.remote import read_remote, ways_to

CLIENT = "203.0.113.9 50000"


@pytest.fixture(autouse=True)
def outside_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_OF_A_CONTAINER", ())


def told(connection: str, port: int = 6006, **variables: str) -> list[str]:
    return ways_to(f"http://127.0.0.1:{port}", {"SSH_CONNECTION": connection, **variables})


def test_a_public_address_is_written_out() -> None:
    user = getpass.getuser()
    own = "on your own computer: ssh"
    assert told(f"{CLIENT} 198.51.100.7 22") == [f"{own} -L 6006:127.0.0.1:6006 {user}@198.51.100.7"]
    assert told("2001:db8::9 50000 2001:db8::7 2222", 8000) == [
        f"{own} -L 8000:127.0.0.1:8000 -p 2222 {user}@2001:db8::7"
    ]
    variables = {"SSH_CONNECTION": f"{CLIENT} 198.51.100.7 22"}
    assert ways_to("http://[::1]:8000", variables) == [f"{own} -L 8000:[::1]:8000 {user}@198.51.100.7"]
    assert ways_to("http://198.51.100.7:8000", variables) == []  # it can be reached as it is


def test_a_machine_in_the_same_office_is_reached_by_its_private_address() -> None:
    (line,) = told("192.168.1.5 50000 192.168.1.20 22")
    assert line.endswith("@192.168.1.20")


@pytest.mark.parametrize(
    "connection",
    [
        f"{CLIENT} 172.17.0.2 22",  # docker, the port published
        "172.17.0.1 41000 172.17.0.2 22",  # the same, seen through its bridge
        f"{CLIENT} 10.1.4.9 22",  # a cloud machine behind its public address
        "100.64.0.3 50000 10.0.0.4 22222",  # a rented machine in a mesh: private at both ends, and certain
        "127.0.0.1 50000 127.0.0.1 22",  # through another tunnel
    ],
)
def test_an_address_that_only_the_inside_knows_is_not_written_out(connection: str) -> None:
    (line,) = told(connection)
    if connection.startswith("100.64"):
        assert line.endswith("-p 22222 " + getpass.getuser() + "@10.0.0.4")
    else:
        assert line == (
            "on your own computer, the ssh command that you came by, with -L 6006:127.0.0.1:6006 after `ssh`"
        )


def test_in_a_pod_no_private_address_is_written_out() -> None:
    (line,) = told("10.0.0.3 50000 10.0.0.4 22", KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert "that you came by" in line


@pytest.mark.parametrize(
    "connection",
    ["", "a b c", "a b c d", f"{CLIENT} 198.51.100.7 22 5", f"{CLIENT} 198.51.100.7 -oX", "1 2 host;rm 22"],
)
def test_what_is_no_connection_says_nothing(connection: str) -> None:
    assert told(connection) == []
    assert read_remote({"SSH_CONNECTION": connection}) is None


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"COLAB_RELEASE_TAG": "release-colab_20261101"}, "serve_kernel_port_as_window(6006)"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "lensmith report last"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}, "/user/ann/proxy/6006/"),
        ({"VSCODE_IPC_HOOK_CLI": "/run/x.sock"}, "http://localhost:6006"),
    ],
)
def test_where_there_is_another_way_than_a_tunnel_it_is_said(variables: dict[str, str], says: str) -> None:
    lines = told(f"{CLIENT} 198.51.100.7 22", **variables)
    assert says in lines[-1]
    assert not any("ssh" in line for line in lines)
