"""Which hosts mean this server, and which paths begin with its token."""

import socket

import pytest

from web_app.address import Address


@pytest.mark.parametrize("host", ["127.0.0.1:8770", "localhost:8770", "LOCALHOST:8770", "[::1]:8770"])
def test_names_of_this_machine_are_meant(host):
    assert Address.of("127.0.0.1", 8770).is_meant(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8771",
        "127.0.0.1:8770:8770",
        "localhost.evil.example:8770",
        "evil.example:8770",
        "192.168.1.5:8770",
        "localhost:8770@evil.example",
        "localhost:٨٧٧٠",
    ],
)
def test_other_hosts_are_not(host):
    assert not Address.of("127.0.0.1", 8770).is_meant(host)


def test_the_usual_port_may_be_left_out():
    assert Address.of("127.0.0.1", 80).is_meant("localhost")


def test_only_this_machine_does_without_a_token():
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "::1"):
        address = Address.of(host, 8770)
        assert address.token is None and address.is_local
        assert address.path_below("/static/page.css") == "/static/page.css"
    for host in ("0.0.0.0", "192.168.1.5", "::", "studio.example", ""):
        address = Address.of(host, 8770)
        assert len(address.token) >= 20 and not address.is_local
        assert address.url.endswith(f":8770/{address.token}/")
        assert address.token not in repr(address)
    assert Address.of("0.0.0.0", 1).token != Address.of("0.0.0.0", 1).token


def test_the_token_is_the_first_folder_of_every_path():
    address = Address.of("0.0.0.0", 8770)
    assert address.path_below(f"/{address.token}/") == "/"
    assert address.path_below(f"/{address.token}/api/pages") == "/api/pages"
    assert address.path_below(f"/{address.token}") == ""
    for path in (
        "/",
        "/api/pages",
        f"/{address.token[:-1]}/",
        f"/{address.token}x/",
        f"//{address.token}/",
        "/ä/",
    ):
        assert address.path_below(path) is None


def test_numbers_of_networks_are_meant_where_there_is_a_token():
    address = Address.of("0.0.0.0", 8770)
    for host in ("192.168.1.5:8770", "[fe80::1]:8770", f"{socket.gethostname()}:8770", "localhost:8770"):
        assert address.is_meant(host)
    assert not address.is_meant("evil.example:8770")
