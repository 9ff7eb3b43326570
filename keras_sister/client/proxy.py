"""The proxy between this machine and a server: none on loopback, else the one of the environment, by its name."""

import ipaddress
import os
import re
from urllib.parse import urlsplit

import requests.utils

from keras_sister.errors import InputError

_SCHEME = re.compile("[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def rest_proxies(url: str) -> dict[str, str]:
    """The proxies of the environment for a URL, by scheme, as `requests` takes them."""
    if is_loopback(urlsplit(url).hostname or ""):
        return {}
    return dict(requests.utils.get_environ_proxies(url, no_proxy=None))


def rest_proxy(url: str) -> str | None:
    """The proxy of the environment that `requests` uses for a URL.

    Raises:
        InputError: if it is not the URL of a proxy.
    """
    return _checked(requests.utils.select_proxy(url, rest_proxies(url)))


def grpc_proxy(host: str) -> str | None:
    """The proxy of the environment that gRPC uses for a host.

    Raises:
        InputError: if it is not the URL of a proxy.
    """
    bypassed = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy") or ""  # noqa: SIM112 - gRPC's spelling
    if is_loopback(host) or any(host.endswith(name.strip()) for name in bypassed.split(",") if name.strip()):
        return None
    names = ("grpc_proxy", "https_proxy", "http_proxy")
    proxy = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return _checked(proxy) if proxy.startswith("http://") else None  # gRPC connects directly in place of others


def through(proxy: str | None, bypass: str = "NO_PROXY") -> str:
    """The proxy, to be added to an error, without its password.

    Args:
        proxy: as the environment has it.
        bypass: the variable that names hosts to which no proxy is used.

    Example:
        >>> through("http://me:secret@proxy:3128")
        ' (through the proxy http://proxy:3128 of the environment; NO_PROXY=HOST bypasses it)'
    """
    return f" (through the proxy {_shown(proxy)} of the environment; {bypass}=HOST bypasses it)" if proxy else ""


def _checked(proxy: str | None) -> str | None:
    """The proxy. One that libraries cannot parse is refused here, since their errors would show its password."""
    if not proxy:
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        valid = bool(parts.hostname and parts.port != 0) and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        valid = False
    if not valid:
        raise InputError(
            f"The proxy {_shown(proxy)} of the environment is not valid; expected http://HOST:PORT, perhaps with"
            " NAME:PASSWORD@ before HOST, in which special characters are percent-encoded."
        )
    return proxy


def _shown(proxy: str) -> str:
    """Scheme, host and port: nothing before the last @, wherever the name and the password of an invalid URL end."""
    scheme = _SCHEME.match(proxy)
    place = proxy[scheme.end() if scheme else 0 :].rpartition("@")[2]
    return (scheme[0] if scheme else "") + re.split("[/?#]", place)[0]
