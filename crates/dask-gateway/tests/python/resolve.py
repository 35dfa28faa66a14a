"""What Dask's own code makes of configurations: cases as JSON on standard input, answers as JSON on standard output."""

import json
import os
import site
import sys
import warnings

warnings.simplefilter("ignore")

import dask.config
from dask_gateway import Gateway
from dask_gateway.utils import format_template

PACKAGES = list(dask.config.defaults)


def resolve(case):
    os.environ.clear()
    os.environ.update({name: case["env"][name] for name in case["order"]})
    sys.prefix, site.PREFIXES = case["sys_prefix"], case["site_prefixes"]
    # As on import: files and variables first, then what the packages bring along.
    dask.config.defaults.clear()
    dask.config.refresh(paths=dask.config._get_paths(), env=os.environ)
    for defaults in PACKAGES:
        dask.config.update_defaults(defaults)
    proxy = format_template(dask.config.get("gateway.http-client.proxy"))
    ca = dask.config.get("distributed.comm.tls.ca-file")
    with Gateway() as gateway:
        auth = {key: value for key, value in vars(gateway.auth).items()}
        return {
            "address": gateway.address,
            "public": gateway._public_address,
            "proxy": gateway.proxy_address,
            "auth": {"kind": type(gateway.auth).__name__, **auth},
            "http_proxy": proxy if isinstance(proxy, str) and proxy else "environment" if proxy is True else "off",
            "options": gateway._config_cluster_options(),
            "ca": ca,
        }


def attempt(case):
    try:
        return resolve(case)
    except Exception as error:  # noqa: BLE001 - each error is an answer
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    json.dump([attempt(case) for case in json.load(sys.stdin)], sys.stdout)


main()
