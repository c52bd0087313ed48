"""PyInstaller runs this before a one-file program's own script, and in the same namespace."""

from osquery_sdk.onefile import begin

if __name__ == "__main__":
    begin()
