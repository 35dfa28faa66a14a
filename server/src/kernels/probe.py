"""Prints what of Python and of the packages that matter to Dask is in the interpreter that runs this; imports none of them."""

import json
import sys
from importlib.metadata import PackageNotFoundError, version

packages = {}
for name in sys.argv[1:]:
    try:
        found = version(name)
    except PackageNotFoundError:
        continue
    # A broken installation has metadata without a version.
    if found:
        packages[name] = found
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "prefix": sys.prefix, "packages": packages}))
