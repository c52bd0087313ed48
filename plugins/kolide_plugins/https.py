"""Make the clients of the plugins that speak HTTPS."""

from collections.abc import Mapping
from typing import Any

from kolide_kit.http import HttpsClient
from osquery_sdk import DefinitionError


def https_client(url: str, headers: Mapping[str, str] | None, **options: Any) -> HttpsClient:
    """Return a client for a URL, which tells the server that the SDK asks; `options` are those of the client.

    Raises:
        DefinitionError: the URL cannot be used.
    """
    try:
        return HttpsClient(url, headers={"User-Agent": "osquery-sdk", **(headers or {})}, **options)
    except ValueError as error:
        raise DefinitionError(str(error)) from error
