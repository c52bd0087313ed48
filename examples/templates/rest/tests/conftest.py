"""Fixtures: the stand-in for the API, and the table that uses it."""

from collections.abc import Iterator

import pytest
from osquery_sdk import Secret, Table

from my_ext.api import Api
from my_ext.devices import devices_table
from my_ext.settings import Settings

from . import server


@pytest.fixture
def api() -> Iterator[server.Api]:
    """The stand-in."""
    with server.Api() as running:
        yield running


@pytest.fixture
def devices(api: server.Api) -> Table:
    """The table, without a rate limit and without a cache."""
    settings = Settings(api.url, Secret(server.TOKEN))
    return devices_table(Api(lambda: settings, per_second=1000), cache=0.001)
