"""Replace PyInstaller's own hook, which analyses every lexer and style; `graph.py` would take none of them."""

hiddenimports: list[str] = []
