"""Connect to a Ray cluster."""

import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras_sister.errors import InputError, shortened
from keras_sister.extras import missing_extra

_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

_joined: set[str] = set()
"""The addresses of the cluster that this process has joined; Ray may call it by another one."""


def connect(address: str | None, *, object_store: int | None = None) -> None:
    """Connect this process to a Ray cluster, if it is not connected to one already.

    Args:
        address: ``HOST:PORT`` of a cluster, or ``auto`` for one that runs on this machine. None starts a cluster of
            this machine, which ends with this process and requires a token that only its own processes have (unless Ray
            was imported before).
        object_store: bytes of shared memory of a cluster that is started; Ray's choice if None.

    Raises:
        InputError: if Ray is not installed, the cluster is not reachable, or this process is connected to another one.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address is None and "ray" not in sys.modules:  # which reads it when it is imported
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ |= {} if "RAY_AUTH_MODE" in os.environ else secret
    try:
        import ray
    except ImportError as error:
        raise missing_extra("Engine ray needs Ray", "ray") from error
    if ray.is_initialized():
        _check_same(address, ray.get_runtime_context().gcs_address)
        return
    _joined.clear()
    handler = signal.getsignal(signal.SIGTERM)
    if address:
        _join(address)
    else:  # not "auto", which could join the private cluster of another job
        with _without_noise():
            ray.init("local", include_dashboard=False, object_store_memory=object_store, **_QUIET)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray has put its own there, which does not say how to resume


def nodes() -> list[dict[str, float]]:
    """The resources of each machine of the cluster that is up: ``CPU``, ``GPU`` and others."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def reason(error: Exception) -> str:
    """What an error of a worker says: the last line, after its traceback."""
    line = str(error).strip().splitlines()[-1]
    return line.rpartition("InputError: ")[2] if "InputError: " in line else shortened(line)


def _join(address: str) -> None:
    import ray

    try:
        _check_reachable(address)
        with _without_noise():
            ray.init(address, **_QUIET)
    except OSError as error:
        raise InputError(
            f"{address}: no Ray cluster is reachable there, or it requires a token (RAY_AUTH_MODE=token)."
        ) from error
    _joined.add(address)


@contextmanager
def _without_noise() -> Iterator[None]:
    """Close standard error: the C++ part of Ray tells of its log level, and of each try to connect."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_same(address: str | None, connected: str) -> None:
    if address not in (None, "auto", connected, *_joined):
        raise InputError(f"{address}: this process is connected to another Ray cluster already, {connected}.")


def _check_reachable(address: str) -> None:
    """Try to connect to host and port, because Ray itself retries for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"{address}: not a valid address of a Ray cluster; give HOST:PORT, or auto for one on this machine."
        )
    socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
