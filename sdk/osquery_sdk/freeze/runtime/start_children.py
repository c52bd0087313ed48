"""Run a process of `multiprocessing`, before the extension would read its arguments as a command line.

`multiprocessing` starts its processes as this program with other arguments. If it is in the bundle,
PyInstaller runs this file before the program's own script, in the same namespace.
"""

import sys

if __name__ == "__main__" and len(sys.argv) > 2:
    from kolide_kit.frozen_children import is_child, run_child

    if is_child(sys.argv):
        run_child(sys.argv)
