"""Where the server answers: host, port and token, and which requests mean it."""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
#: Hosts that only this machine can reach.
LOOPBACK_NAMES = (LOOPBACK, "localhost", "[::1]")
#: An address beyond this machine's network that nobody has (RFC 5737).
SOMEWHERE = "192.0.2.1"
#: Bytes of a token: nobody guesses 128 bits.
TOKEN_BYTES = 16


@dataclass(frozen=True)
class Address:
    """Where the server answers.

    Attributes:
        host: The name or number that it listens at.
        port: Its port.
        token: What every path has to begin with, None if nothing.
        names: Host names that mean this server, in lower case.
    """

    host: str
    port: int
    token: str | None = field(repr=False)
    names: Sequence[str]

    @classmethod
    def of(cls, host: str, port: int) -> "Address":
        """The address for a host; one that other machines can reach gets a token.

        Args:
            host: As for `socket.bind`.
            port: The port.
        """
        if is_loopback(host):
            return cls(host, port, None, (*LOOPBACK_NAMES, bracketed(host)))
        name = socket.gethostname().lower()
        names = (*LOOPBACK_NAMES, bracketed(host).lower(), name, f"{name}.local")
        return cls(host, port, secrets.token_urlsafe(TOKEN_BYTES), names)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """What to open in a browser."""
        host = own_number() if is_unspecified(self.host) else bracketed(self.host)
        return f"http://{host}:{self.port}/" + (f"{self.token}/" if self.token else "")

    def is_meant(self, host: str) -> bool:
        """Whether a Host header names this server.

        A page of somebody else whose name was made to lead here (DNS rebinding) has its own name there. With
        a token, numbers are taken too: which ones this machine has in its networks may change.
        """
        name, colon, port = host.lower().rpartition(":")
        if not colon or port != str(self.port):
            name, port = host.lower(), "80"
        if port != str(self.port):
            return False
        return name in self.names or (self.token is not None and is_number(name))

    def path_below(self, path: str) -> str | None:
        """The path of a request without the token, None if it has not the right one.

        Empty where the slash behind the token is missing: the page's addresses would be others.
        """
        if self.token is None:
            return path
        given, slash, rest = path.removeprefix("/").partition("/")
        # Of bytes, since text that is not ASCII raises.
        right = hmac.compare_digest(given.encode(), self.token.encode())
        return (slash + rest if slash else "") if right else None


def bracketed(host: str) -> str:
    """A host as addresses have it: numbers of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def is_number(name: str) -> bool:
    """Whether a host of an address is a number."""
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    if host == "localhost":
        return True
    return is_number(host) and ipaddress.ip_address(host).is_loopback


def own_number() -> str:
    """This machine's number in its network, its name if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((SOMEWHERE, 9))  # of datagrams that sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def is_unspecified(host: str) -> bool:
    """Whether a host stands for all networks of this machine."""
    return not host or (is_number(host) and ipaddress.ip_address(host).is_unspecified)
