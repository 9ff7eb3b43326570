"""The proxy between this machine and a server: none on loopback, else the one of the environment, by its name."""

import ipaddress
import os
from urllib.parse import urlsplit, urlunsplit

import requests.utils


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
    """The proxy of the environment that `requests` uses for a URL."""
    return requests.utils.select_proxy(url, rest_proxies(url))


def grpc_proxy(host: str) -> str | None:
    """The proxy of the environment that gRPC uses for a host."""
    bypassed = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy") or ""  # noqa: SIM112 - gRPC's spelling
    if is_loopback(host) or any(host.endswith(name.strip()) for name in bypassed.split(",") if name.strip()):
        return None
    return next(
        (os.environ[name] for name in ("grpc_proxy", "https_proxy", "http_proxy") if os.environ.get(name)), None
    )


def through(proxy: str | None) -> str:
    """The proxy, to be added to an error, without its password.

    Example:
        >>> through("http://me:secret@proxy:3128")
        ' (through the proxy http://proxy:3128 of the environment; NO_PROXY=HOST bypasses it)'
    """
    if not proxy:
        return ""
    parts = urlsplit(proxy)
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return f" (through the proxy {shown} of the environment; NO_PROXY=HOST bypasses it)"
