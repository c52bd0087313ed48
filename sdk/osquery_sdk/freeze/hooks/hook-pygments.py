"""In place of PyInstaller's own hook, which has every lexer and style looked into: `graph.py` takes none of them for it."""

hiddenimports: list[str] = []
