"""A plugin."""

import colorsys


def say() -> str:
    return colorsys.__name__
