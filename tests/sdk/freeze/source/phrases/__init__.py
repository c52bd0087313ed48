"""A package of nothing but data, beside the extension; no import statement names it."""
