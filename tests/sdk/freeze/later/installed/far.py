"""A plugin."""

import graphlib


def say() -> str:
    return graphlib.__name__
