"""Runs before a program's own script where `multiprocessing` is in the bundle, and in the same namespace.

A process that `multiprocessing` starts by itself is this program with other arguments. It is to do what these say, and not
to read them as the extension's command line.
"""

import sys

if __name__ == "__main__" and len(sys.argv) > 2:
    from osquery_sdk.children import is_child, run_child

    if is_child(sys.argv):
        run_child(sys.argv)
