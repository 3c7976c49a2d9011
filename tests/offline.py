"""No test talks to another machine: what tries is refused, and the test fails."""

import socket
from ipaddress import ip_address

#: Where something wanted to go since the last look.
tried = []
_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_look_up = socket.getaddrinfo


def block():
    """Refuse connections and look-ups of names beyond this machine."""
    socket.socket.connect = lambda sock, to: _connect(sock, _checked(sock, to))
    socket.socket.connect_ex = lambda sock, to: _connect_ex(sock, _checked(sock, to))
    socket.getaddrinfo = _looked_up


def is_here(host):
    """Tell whether a name or an address is that of this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not host or host.lower() in {"localhost", socket.gethostname().lower()}:
        return True
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _checked(sock, to):
    inet = sock.family in {socket.AF_INET, socket.AF_INET6}
    # To connect a datagram socket sends nothing: some ask so which address is theirs.
    if inet and sock.type == socket.SOCK_STREAM and not is_here(to[0]):
        _refuse(to[0])
    return to


def _looked_up(host, *rest, **options):
    if not is_here(host):
        # An address needs no look-up, and is refused when it is connected to.
        numeric = options.get("flags", 0) & socket.AI_NUMERICHOST
        try:
            ip_address(host)
        except ValueError:
            if not numeric:
                _refuse(host)
    return _look_up(host, *rest, **options)


def _refuse(host):
    tried.append(str(host))
    raise OSError(f"tests stay on this machine, {host} is another one")
