"""The table my_ext: the devices of an inventory, from its REST API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from osquery_sdk import Column, Query, Row, Table, TableError, table

from .api import Api


class Device(Row):
    """A device."""

    id: int = Column("Number of the device", index=True, key=True)
    name: str = Column("Name of the device")
    owner: str | None = Column("Owner; empty if there is none", index=True)
    online: bool = Column("1 if it answers")
    seen: datetime | None = Column("Time of its last answer, Unix seconds; NULL if it never answered")


def devices_table(api: Api, *, cache: float = 30.0) -> Table:
    """Return the table.

    Args:
        api: the client of the API.
        cache: seconds for which an equal query gets the same rows without a request. Errors are not kept.
    """

    @table(
        "my_ext",
        cache=cache,
        examples=(
            "select name, owner from my_ext where online = 0",
            "select name from my_ext where id in (1, 2)",
        ),
    )
    def devices(query: Query) -> Iterator[Device]:
        """Devices of the inventory."""
        ids, owners = query.equals("id"), query.equals("owner")
        if ids is not None:
            for number in ids:
                item = api.item(query, "devices", number)
                if item is not None:
                    yield device_of(item)
        elif owners is not None:
            for owner in owners:
                yield from map(device_of, api.items(query, "devices", owner=owner))
        else:
            yield from map(device_of, api.items(query, "devices"))

    return devices


def device_of(item: Any) -> Device:
    """Return the row of an item of the API.

    Raises:
        TableError: the item is not what the API promises.
    """
    try:
        seen = item["seen"]
        return Device(
            id=item["id"],
            name=item["name"],
            owner=item["owner"],
            online=item["online"],
            seen=None if seen is None else datetime.fromisoformat(seen).astimezone(UTC),
        )
    except KeyError as error:
        raise TableError(f"a device of the API has no {error}") from error
    except (TypeError, ValueError) as error:
        raise TableError(f"a device of the API is not as it should be: {error}") from error
