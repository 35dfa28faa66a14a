"""Runs in a job's kernel while its cluster still starts: imports what takes long, in the environment and the folder that the
code will have. Whatever fails here fails again in the prelude, which says so.
"""

import contextlib
import os


def main(parameters):
    os.environ.update(parameters["environment"])
    with contextlib.suppress(OSError):
        if parameters["folder"]:
            os.chdir(parameters["folder"])
    with contextlib.suppress(Exception):
        import dask_gateway  # noqa: F401


main(PARAMETERS)
