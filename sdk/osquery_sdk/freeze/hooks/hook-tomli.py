"""Include the shared part of `tomli`: its wheels are compiled, and the compiled modules import it unseen."""

from importlib.metadata import files

hiddenimports = sorted(
    {path.name.partition(".")[0] for path in files("tomli") or () if "__mypyc." in path.name}
)
