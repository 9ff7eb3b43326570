"""Where the page can be served."""

import socket

from keras_sister.errors import InputError


def check_address(host: str, port: int) -> None:
    """Check that a page can be served there.

    Raises:
        InputError: if the port is taken, or the address is not one of this computer.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(f"{host}:{port}: {error.strerror}; choose another --host or --port.") from error
