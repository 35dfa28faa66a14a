#!/usr/bin/env python
"""Write a synthetic data set with the schema of New York City's yellow-taxi records.

    python make_taxi_data.py [--rows 3000000] [--out data/yellow_taxi_NYC]

The trips are invented, but they follow the rhythm of a city: rush hours, weekends, seasons, and the collapse of spring
2020 with its slow recovery. The same row count gives the same rows on every machine. Files are Parquet, one a month in
one folder a year: ``OUT/2019/yellow_tripdata_2019-01.parquet``.
"""

import argparse
import calendar
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

YEARS = (2019, 2020, 2021, 2022)
DEFAULT_ROWS = 3_000_000
DEFAULT_OUT = Path(__file__).resolve().parent / "data" / "yellow_taxi_NYC"
# Goes into every random stream and into the manifest: raise it when the rows of a given count change.
VERSION = 1
MANIFEST = "manifest.json"

SCHEMA = pa.schema(
    [
        ("VendorID", pa.int64()),
        ("tpep_pickup_datetime", pa.timestamp("us")),
        ("tpep_dropoff_datetime", pa.timestamp("us")),
        ("passenger_count", pa.float64()),
        ("trip_distance", pa.float64()),
        ("RatecodeID", pa.float64()),
        ("store_and_fwd_flag", pa.string()),
        ("PULocationID", pa.int64()),
        ("DOLocationID", pa.int64()),
        ("payment_type", pa.int64()),
        ("fare_amount", pa.float64()),
        ("extra", pa.float64()),
        ("mta_tax", pa.float64()),
        ("tip_amount", pa.float64()),
        ("tolls_amount", pa.float64()),
        ("improvement_surcharge", pa.float64()),
        ("total_amount", pa.float64()),
        ("congestion_surcharge", pa.float64()),
        ("airport_fee", pa.float64()),
    ]
)

# Demand on a day relative to early 2019, between these dates on a straight line.
DEMAND = [
    (date(2019, 1, 1), 1.00),
    (date(2019, 8, 1), 0.92),
    (date(2020, 3, 8), 0.88),
    (date(2020, 3, 23), 0.05),
    (date(2020, 4, 20), 0.03),
    (date(2020, 7, 1), 0.10),
    (date(2020, 11, 1), 0.23),
    (date(2021, 2, 1), 0.19),
    (date(2021, 7, 1), 0.39),
    (date(2021, 11, 15), 0.50),
    (date(2022, 1, 10), 0.31),
    (date(2022, 4, 1), 0.50),
    (date(2022, 12, 31), 0.47),
]
MONTH_OF_YEAR = [0.96, 1.00, 1.07, 1.06, 1.06, 1.01, 0.91, 0.88, 0.97, 1.05, 1.00, 1.03]
DAY_OF_WEEK = [0.89, 0.97, 1.02, 1.07, 1.10, 1.06, 0.89]  # Monday first
HOLIDAYS = {(1, 1): 0.75, (7, 4): 0.62, (12, 24): 0.75, (12, 25): 0.45}
WORKDAY_HOURS = [15, 8, 5, 4, 6, 15, 32, 52, 63, 60, 58, 60, 64, 64, 68, 70, 66, 74, 84, 80, 70, 64, 56, 36]
WEEKEND_HOURS = [56, 46, 36, 24, 14, 8, 11, 17, 27, 40, 52, 60, 66, 68, 68, 68, 66, 68, 72, 70, 62, 58, 60, 58]
# Miles an hour by hour of day, on a workday.
WORKDAY_SPEED = [17, 18, 19, 20, 21, 20, 16, 12.5, 10.5, 10, 10, 10, 10, 10, 9.5, 9.3, 9.5, 9.3, 9.8, 11, 12.5, 13.5, 14.5, 16]

ZONES = 263
JFK, LAGUARDIA, NEWARK = 132, 138, 1
AIRPORT_FEE_FROM = np.datetime64("2021-05-01")


def day_weights(year, month):
    """Relative demand of each day of a month."""
    anchors = [day.toordinal() for day, _ in DEMAND]
    levels = [level for _, level in DEMAND]
    days = [date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]
    trend = np.interp([day.toordinal() for day in days], anchors, levels)
    week = np.array([DAY_OF_WEEK[day.weekday()] for day in days])
    feast = np.array([HOLIDAYS.get((day.month, day.day), 1.0) for day in days])
    return trend * week * feast * MONTH_OF_YEAR[month - 1]


def rows_by_month(rows):
    """Shares ``rows`` out among the months by demand; the shares add up to ``rows`` exactly."""
    months = [(year, month) for year in YEARS for month in range(1, 13)]
    weights = np.array([day_weights(*month).sum() for month in months])
    edges = np.rint(np.cumsum(weights) / weights.sum() * rows).astype(int)
    return dict(zip(months, np.diff(edges, prepend=0).tolist()))


def zone_weights():
    """How often a trip begins or ends in each zone: few zones take most trips, as Manhattan's do."""
    order = np.random.default_rng(VERSION).permutation(ZONES)
    weights = np.empty(ZONES)
    weights[order] = 1.0 / (np.arange(ZONES) + 4.0) ** 1.1
    weights[[JFK - 1, LAGUARDIA - 1]] = 0.0  # airports are drawn on their own
    return weights / weights.sum()


def pickups(rng, year, month, rows):
    """Sorted pickup times, with the hour of the day and whether it is a weekend."""
    days = day_weights(year, month)
    first = date(year, month, 1).weekday()
    weekend_day = (first + np.arange(len(days))) % 7 >= 5
    hours = np.where(weekend_day[:, None], WEEKEND_HOURS, WORKDAY_HOURS).astype(float)
    hours /= hours.sum(axis=1, keepdims=True)
    share = (days[:, None] * hours).ravel()
    slot = np.repeat(np.arange(share.size), rng.multinomial(rows, share / share.sum()))
    second = np.sort(slot * 3600 + rng.integers(0, 3600, rows))
    start = np.datetime64(f"{year}-{month:02}-01", "us") + second.astype("timedelta64[s]")
    hour = (second // 3600) % 24
    return start, hour, weekend_day[second // 86400]


def month_table(year, month, rows):
    """The trips of one month."""
    rng = np.random.default_rng([VERSION, year, month])
    start, hour, weekend = pickups(rng, year, month, rows)

    zones = zone_weights()
    pickup = rng.choice(ZONES, rows, p=zones) + 1
    dropoff = rng.choice(ZONES, rows, p=zones) + 1
    kind = rng.random(rows)
    jfk, laguardia, newark = kind < 0.022, (kind >= 0.022) & (kind < 0.050), (kind >= 0.050) & (kind < 0.052)
    inbound = rng.random(rows) < 0.45
    for flags, zone in ((jfk, JFK), (laguardia, LAGUARDIA)):
        pickup[flags & ~inbound] = zone
        dropoff[flags & inbound] = zone
    dropoff[newark] = NEWARK
    airport = jfk | laguardia | newark

    typical = np.select([jfk, laguardia, newark], [17.0, 9.6, 17.5], 1.75)
    distance = typical * np.exp(rng.normal(0.0, np.where(airport, 0.13, 0.62)))
    speed = np.array(WORKDAY_SPEED)[hour] * np.where(weekend, 1.18, 1.0) * np.where(airport, 1.9, 1.0)
    speed = speed * np.exp(rng.normal(0.0, 0.22, rows))
    minutes = np.clip(1.2 + distance / speed * 60.0, 1.0, 180.0)
    seconds = np.rint(minutes * 60).astype(np.int64)

    rate = np.select([jfk, newark], [2.0, 3.0], 1.0)
    metered = 2.5 + 0.5 * np.rint(5.0 * distance * 0.82 + 0.45 * minutes)
    fare = np.select([jfk, newark], [52.0, metered + 17.5], metered)
    rush = ~weekend & (hour >= 16) & (hour < 20)
    extra = np.where(rush, 1.0, np.where((hour >= 20) | (hour < 6), 0.5, 0.0))
    tolls = np.where((airport & (rng.random(rows) < 0.55)) | (rng.random(rows) < 0.012), 6.55, 0.0)
    congestion = np.where(airport & (rng.random(rows) < 0.3), 0.0, 2.5)
    at_airport = np.isin(pickup, (JFK, LAGUARDIA)) & (start >= AIRPORT_FEE_FROM)
    fee = np.where(at_airport, 1.25, 0.0)

    payment = rng.choice([1, 2, 3, 4], rows, p=[0.745, 0.242, 0.008, 0.005])
    share = np.clip(rng.normal(0.20, 0.055, rows), 0.0, 0.6)
    before_tip = fare + extra + 0.5 + 0.3 + tolls + congestion + fee
    tip = np.where(payment == 1, np.round(before_tip * share, 2), 0.0)

    # Some trips reach the record without what only the meter knows; so do the published ones.
    unmetered = rng.random(rows) < 0.031
    passengers = rng.choice([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], rows, p=[0.02, 0.72, 0.15, 0.04, 0.02, 0.03, 0.02])
    forwarded = rng.random(rows) < 0.012
    columns = {
        "VendorID": rng.choice([1, 2], rows, p=[0.32, 0.68]),
        "tpep_pickup_datetime": start,
        "tpep_dropoff_datetime": start + seconds.astype("timedelta64[s]"),
        "passenger_count": pa.array(passengers, mask=unmetered),
        "trip_distance": np.round(distance, 2),
        "RatecodeID": pa.array(rate, mask=unmetered),
        "store_and_fwd_flag": pa.array(np.where(forwarded, "Y", "N"), mask=unmetered),
        "PULocationID": pickup,
        "DOLocationID": dropoff,
        "payment_type": np.where(unmetered, 0, payment),
        "fare_amount": np.round(fare, 2),
        "extra": extra,
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": tip,
        "tolls_amount": tolls,
        "improvement_surcharge": np.full(rows, 0.3),
        "total_amount": np.round(before_tip + tip, 2),
        "congestion_surcharge": pa.array(congestion, mask=unmetered),
        "airport_fee": pa.array(fee, mask=unmetered | (start < AIRPORT_FEE_FROM)),
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, schema=SCHEMA)


def month_path(out, year, month):
    """Where the file of a month lies."""
    return out / str(year) / f"yellow_tripdata_{year}-{month:02}.parquet"


def write_atomically(path, write):
    """Calls ``write(temporary path)``, then moves the result to ``path``: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not *.parquet, so that a glob never picks it up.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_complete(out, rows):
    """Whether ``out`` holds this data set already, whole."""
    try:
        manifest = json.loads((out / MANIFEST).read_text())
        return manifest["version"] == VERSION and manifest["rows"] == rows and all(
            (out / name).stat().st_size == size for name, size in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def progress(done, total, rows, stream):
    """Reports on ``stream``: a bar that moves on a terminal, elsewhere a line a year."""
    if stream.isatty():
        bar = "█" * (done * 32 // total)
        end = "\n" if done == total else ""
        print(f"\rTaxi data {bar:░<32} {done}/{total} months", end=end, file=stream, flush=True)
    elif done % 12 == 0:
        print(f"Taxi data: {done} of {total} months, {rows:,} rows", file=stream, flush=True)


def make(out=DEFAULT_OUT, rows=DEFAULT_ROWS, stream=None):
    """Writes the data set to the folder ``out`` unless it is there already.

    Returns whether anything was written. Raises ``OSError`` where the folder can't be written.
    """
    stream = stream or sys.stdout
    out = Path(out)
    if is_complete(out, rows):
        print(f"Taxi data: {rows:,} rows are in {out} already", file=stream)
        return False
    # Gone first: whatever interrupts us, half a data set is never taken for a whole one.
    (out / MANIFEST).unlink(missing_ok=True)

    def write_month(item):
        (year, month), count = item
        path = month_path(out, year, month)
        table = month_table(year, month, count)
        write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="snappy"))
        return path, count

    shares = rows_by_month(rows)
    files, written = {}, 0
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, (path, count) in enumerate(pool.map(write_month, shares.items()), 1):
            files[path.relative_to(out).as_posix()] = path.stat().st_size
            written += count
            progress(done, len(shares), written, stream)
    manifest = json.dumps({"version": VERSION, "rows": rows, "files": files}, indent=1)
    write_atomically(out / MANIFEST, lambda temporary: temporary.write_text(manifest))
    print(f"Taxi data: {rows:,} rows, {sum(files.values()) / 1e6:.0f} MB in {out}", file=stream)
    return True


def row_count(text):
    """A row count from the command line, such as ``250000`` or ``250_000``."""
    try:
        rows = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of rows") from None
    if rows < 1:
        raise argparse.ArgumentTypeError("there must be at least one row")
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write synthetic yellow-taxi data as Parquet, by year and month.")
    parser.add_argument("--rows", type=row_count, default=DEFAULT_ROWS, help="trips over 2019-2022 (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write to (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        make(options.out, options.rows)
    except OSError as error:
        parser.exit(1, f"The taxi data could not be written: {error}. Choose another folder with --out.\n")


if __name__ == "__main__":
    main()
