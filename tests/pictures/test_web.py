"""Pictures from the web: what is fetched, what a server may do, and where a request may lead."""

from __future__ import annotations

import base64
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from pictures_server import PicturesServer, endless, leading_to, serving_pictures, whole

from lensmith.errors import PictureError
from lensmith.pictures.connection import is_public
from lensmith.pictures.web import read_url


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PicturesServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving_pictures() as server:
        yield server


def refused(url: str, *words: str, typed: bool = True, **limits: float) -> PictureError:
    with pytest.raises(PictureError) as caught:
        read_url(url, typed=typed, **limits)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value), caught.value
    return caught.value


def test_the_bytes_behind_a_url(server: PicturesServer) -> None:
    server.answers["/a%20k%C3%A4fer.png?size=2%201"] = whole(b"picture")
    assert read_url(f"{server.url}/a käfer.png?size=2 1#top") == b"picture"
    refused(f"{server.url}/nothing.png", "404", server.url)


def test_redirects_are_followed_where_the_user_asked(server: PicturesServer) -> None:
    server.answers |= {"/a": leading_to("/b", 301), "/b": leading_to("c", 307), "/c": whole(b"here")}
    assert read_url(f"{server.url}/a") == b"here"
    server.answers["/c"] = leading_to("/a")
    refused(f"{server.url}/a", "redirects")
    assert len(server.asked) == 9
    server.answers["/a"] = leading_to("file:///etc/passwd")
    refused(f"{server.url}/a", "no http or https")


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{}", "http://localhost:{}", "http://[::ffff:127.0.0.1]:{}"]
)
def test_a_redirect_does_not_lead_into_the_users_network(place: str, server: PicturesServer) -> None:
    with serving_pictures() as inner:
        inner.answers["/secret.png"] = whole(b"secret")
        server.answers["/a"] = leading_to(place.format(inner.port) + "/secret.png")
        error = refused(f"{server.url}/a", "not on the open internet")
        assert "command line" in error.hint and inner.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data", "http://0x7f000001/", "http://10.0.0.1", "http://[::1]/a"],
)
def test_a_url_that_the_user_did_not_type_stays_out_of_his_network(url: str) -> None:
    began = time.monotonic()
    refused(url, "not on the open internet", typed=False)
    assert time.monotonic() - began < 5, "nobody was asked"


def test_a_name_that_changes_its_address_leads_where_it_was_checked(
    server: PicturesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up is the one part that cannot be real here: a name that is public once and private ever after."""
    looked_up = []

    def changing(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        address = "203.0.113.1" if len(looked_up) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    server.answers |= {"/a": leading_to("/b"), "/b": whole(b"here")}
    assert read_url(f"http://changes.example:{server.port}/a", seconds=5) == b"here"
    assert looked_up == ["changes.example"]


@pytest.mark.parametrize("head", [True, False], ids=["head", "body"])
def test_the_time_limit_is_for_all_of_it(head: bool, server: PicturesServer) -> None:
    server.answers["/slow"] = endless(server, head=head, pause=0.05)
    began = time.monotonic()
    refused(f"{server.url}/slow", "within 0.5 s", seconds=0.5)
    assert time.monotonic() - began < 5


def test_the_size_limit(server: PicturesServer) -> None:
    server.answers |= {"/said": whole(b"a", says=2_000_000), "/unsaid": endless(server, head=False, pause=0)}
    refused(f"{server.url}/said", "more than 1 MB", most=1_000_000)
    refused(f"{server.url}/unsaid", "more than 1 MB", most=1_000_000)


def test_half_a_body_is_no_picture(server: PicturesServer) -> None:
    server.answers["/cut"] = whole(b"half", says=8)
    refused(f"{server.url}/cut", "cut off after 4 of 8 bytes")


def test_nobody_listens(server: PicturesServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused(f"http://127.0.0.1:{unused.getsockname()[1]}/a", "refused")
    refused("http://no such host/a", "cannot be fetched")
    refused("http://me:secret@127.0.0.1/a", "password")
    refused("https:///a", "cannot be fetched")
    refused(server.url.replace("http:", "https:"), "cannot be fetched")


def test_public_addresses_go_through_the_proxy_and_ones_own_do_not(
    server: PicturesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def proxied(request: BaseHTTPRequestHandler) -> None:
        told.append(request.headers["Proxy-Authorization"])
        whole(b"by proxy")(request)

    server.answers |= {"http://203.0.112.5/a.png": proxied, "/b.png": whole(b"direct")}
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{server.port}")
    assert read_url("http://203.0.112.5/a.png", typed=False) == b"by proxy"
    assert base64.b64decode(told[0].removeprefix("Basic ")) == b"me:secret"
    monkeypatch.setenv("https_proxy", server.url)
    refused("https://203.0.112.5/a.png", "403")
    assert server.asked[-1] == "CONNECT 203.0.112.5:443"
    assert read_url(f"{server.url}/b.png") == b"direct"
    refused("http://192.168.0.1/a.png", "not on the open internet", typed=False)


def test_https_trusts_whom_the_system_trusts(
    server: PicturesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *words.split(), *names], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with serving_pictures(tls) as secure:
        secure.answers["/a.png"] = whole(b"picture")
        server.answers["/to-secure"] = leading_to(f"https://localhost:{secure.port}/a.png")
        refused(f"https://localhost:{secure.port}/a.png", "CERTIFICATE_VERIFY_FAILED")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert read_url(f"https://localhost:{secure.port}/a.png") == b"picture"
        refused(f"https://127.0.0.1:{secure.port}/a.png", "CERTIFICATE_VERIFY_FAILED")
        refused(f"{server.url}/to-secure", "not on the open internet")


def test_what_is_public() -> None:
    inside = (
        "127.0.0.1 10.1.1.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255"
        " ::1 :: fe80::1%eth0 fd00::1 fec0::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 64:ff9b:1::1"
    )
    assert [address for address in inside.split() if is_public(address)] == []
    assert is_public("8.8.8.8") and is_public("2606:4700::1111") and is_public("::ffff:8.8.8.8")
