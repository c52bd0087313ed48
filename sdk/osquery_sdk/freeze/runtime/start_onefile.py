"""Begin a one-file program: PyInstaller runs this before the program's own script, in the same namespace."""

from osquery_sdk.serving.onefile import begin

if __name__ == "__main__":
    begin()
