"""Reads a recording's folder with pandas and tells on stdout what is in it, as one JSON object."""

import json
import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
tasks = pd.read_parquet(folder / "tasks")
workers = pd.read_parquet(folder / "workers")
prefixes = pd.read_parquet(folder / "prefixes")
assert (tasks["record"] == range(len(tasks))).all()
assert tasks["bar_start"].map(len).equals(tasks["bar_action"].map(len))
json.dump(
    {
        "tasks": len(tasks),
        "erred": int(tasks["error"].notna().sum()),
        "bars": int(tasks["bar_action"].map(len).sum()),
        "keys": tasks["key"].nunique(),
        "last": tasks["key"].iloc[-1],
        "threads": tasks["thread"].nunique(),
        "typed": int(tasks["type"].notna().sum()),
        "first": tasks["start"].min().isoformat(),
        "workers": workers["address"].nunique(),
        "cpu": float(workers["cpu"].sum()),
        "prefixes": prefixes[["prefix", "memory"]].values.tolist(),
    },
    sys.stdout,
)
