"""Runs a module of Dask, a scheduler's or a worker's, in a process that ends when its work does.

    python dask_process.py MODULE [ARGUMENT]...

When a process ends, Python looks through all its objects for cycles, several times over: with Dask's packages loaded that takes
a third of a second, once for a scheduler and twice, one after the other, for a worker and its nanny. Somebody waits for it, and
the memory goes back to the system all the same.
"""

import atexit
import gc
import os
import runpy
import sys

# Registered first, so called last: whatever Dask and the user's code registered has run by then. A nanny's worker is a process
# that `multiprocessing` spawns, which imports this file, too.
atexit.register(gc.freeze)

if __name__ == "__main__":
    del sys.argv[0]
    if not getattr(sys.flags, "safe_path", False):
        # As `python -m` has it: the cluster's folder, not this file's.
        sys.path[0] = os.getcwd()
    runpy.run_module(sys.argv[0], run_name="__main__")
