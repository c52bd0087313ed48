"""Read the version of an application of macOS from its property list."""

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import printable
from osquery_sdk import Query


def application_version(path: str, query: Query) -> str | None:
    """Return the version of an application, whose path ends with .app; None if it tells none."""
    import plistlib
    from xml.parsers.expat import ExpatError

    file = f"{path}/Contents/Info.plist"
    try:
        version = plistlib.loads(read_file(file)).get("CFBundleShortVersionString")
    except (Unreadable, LimitExceeded):
        return None
    except (ValueError, AttributeError, plistlib.InvalidFileException, ExpatError, OverflowError):
        query.warn(f"{file} is not a property list")
        return None
    return printable(version) if isinstance(version, str) else None
