"""Replace PyInstaller's own hook, which analyses every lexer and style; `graph.py` drops them again."""

hiddenimports: list[str] = []
