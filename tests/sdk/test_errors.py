"""The tree of errors: which `except` catches what, and the places that an error can be imported from."""

import importlib
import socket

import pytest

from osquery_sdk import (
    ConnectionFailed,
    DeadlineExceeded,
    OsquerySdkError,
    TableError,
    WireError,
    WireTimeout,
    errors,
)
from osquery_sdk.wire.client import ExtensionConnection


@pytest.mark.parametrize("kind", [WireError, DeadlineExceeded, TableError, OsquerySdkError])
def test_a_timeout_on_the_socket_is_a_wire_error_and_a_missed_deadline(kind, tmp_path):
    path = str(tmp_path / "silent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        with ExtensionConnection(path, timeout=0.1) as connection, pytest.raises(kind) as caught:
            connection.ping()
    assert type(caught.value) is WireTimeout


def test_a_broken_connection_is_no_missed_deadline(tmp_path):
    with pytest.raises(ConnectionFailed) as caught:
        ExtensionConnection(str(tmp_path / "nobody"))
    assert not isinstance(caught.value, DeadlineExceeded)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_tree(name):
    assert issubclass(getattr(errors, name), OsquerySdkError)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("engine", "LaunchError"),
        ("engine", "SqlError"),
        ("freeze", "FreezeError"),
        ("packaging", "PackagingError"),
    ],
)
def test_the_documented_places_go_on_working(module, name):
    assert getattr(importlib.import_module(f"osquery_sdk.{module}"), name) is getattr(errors, name)
