"""The example data set: its schema, its rhythm, and that it comes out the same and whole."""

import hashlib
import io
import sys
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import make_taxi_data as taxi

ROWS = 120_000

# The columns of the published yellow-taxi files of 2019-2022, in their order.
PUBLISHED = {
    "VendorID": "int64",
    "tpep_pickup_datetime": "timestamp[us]",
    "tpep_dropoff_datetime": "timestamp[us]",
    "passenger_count": "double",
    "trip_distance": "double",
    "RatecodeID": "double",
    "store_and_fwd_flag": "string",
    "PULocationID": "int64",
    "DOLocationID": "int64",
    "payment_type": "int64",
    "fare_amount": "double",
    "extra": "double",
    "mta_tax": "double",
    "tip_amount": "double",
    "tolls_amount": "double",
    "improvement_surcharge": "double",
    "total_amount": "double",
    "congestion_surcharge": "double",
    "airport_fee": "double",
}


def digest(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*/*.parquet"))
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("taxi") / "yellow_taxi_NYC"
    assert taxi.make(out, ROWS, io.StringIO())
    return out


@pytest.fixture(scope="module")
def trips(folder):
    return ds.dataset(sorted(map(str, folder.glob("*/*.parquet")))).to_table().to_pandas()


def test_one_file_a_month_in_a_folder_a_year(folder):
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.parquet"))
    assert len(files) == 48
    assert files[0] == "2019/yellow_tripdata_2019-01.parquet"
    assert files[-1] == "2022/yellow_tripdata_2022-12.parquet"


def test_every_file_has_the_published_schema(folder):
    for path in folder.glob("*/*.parquet"):
        schema = pq.read_schema(path)
        assert {field.name: str(field.type) for field in schema} == PUBLISHED, path
        assert schema.names == list(PUBLISHED)


def test_the_row_count_is_exact(trips):
    assert len(trips) == ROWS


def test_each_file_holds_its_own_month(folder):
    table = pq.read_table(folder / "2021" / "yellow_tripdata_2021-02.parquet").to_pandas()
    assert set(table.tpep_pickup_datetime.dt.strftime("%Y-%m")) == {"2021-02"}
    assert table.tpep_pickup_datetime.is_monotonic_increasing


def test_trips_make_sense(trips):
    assert (trips.tpep_dropoff_datetime > trips.tpep_pickup_datetime).all()
    assert (trips.trip_distance > 0).all() and (trips.fare_amount >= 2.5).all()
    assert (trips.total_amount >= trips.fare_amount + trips.tip_amount).all()
    assert trips.PULocationID.between(1, 263).all() and trips.DOLocationID.between(1, 263).all()
    assert (trips.tip_amount[trips.payment_type == 2] == 0).all(), "cash tips are not recorded"
    assert trips.airport_fee[trips.tpep_pickup_datetime < "2021-05-01"].isna().all()


def test_what_the_meter_does_not_know_is_missing_together(trips):
    missing = trips[["passenger_count", "RatecodeID", "store_and_fwd_flag", "congestion_surcharge"]].isna()
    assert 0.02 < missing.passenger_count.mean() < 0.05
    assert missing.all(axis=1).equals(missing.any(axis=1))
    assert (trips.payment_type[missing.passenger_count] == 0).all()


def test_the_city_has_a_rhythm(trips):
    pickup = trips.tpep_pickup_datetime.dt
    year = trips[pickup.year == 2019].tpep_pickup_datetime.dt
    hours = pd.Series(year.hour).value_counts()
    assert hours[18] > 5 * hours[4], "the evening rush stands out of the night"
    days = pd.Series(year.day_of_week).value_counts()
    assert days[4] > 1.1 * days[0], "Fridays are busier than Mondays"
    months = pd.Series(year.month).value_counts()
    assert months[3] > 1.15 * months[8], "March is busier than August"


def test_spring_2020_is_empty_and_the_city_comes_back(trips):
    by_month = trips.tpep_pickup_datetime.dt.to_period("M").value_counts()
    assert by_month["2020-04"] < 0.06 * by_month["2019-04"]
    assert 0.3 < by_month["2022-04"] / by_month["2019-04"] < 0.7


def test_the_same_count_gives_the_same_bytes(folder, tmp_path):
    taxi.make(tmp_path / "again", ROWS, io.StringIO())
    assert digest(tmp_path / "again") == digest(folder)


def test_a_second_run_does_nothing(folder):
    before = digest(folder)
    said = io.StringIO()
    assert not taxi.make(folder, ROWS, said)
    assert "already" in said.getvalue()
    assert digest(folder) == before


def test_what_is_missing_or_damaged_is_made_again(tmp_path):
    out = tmp_path / "taxi"
    taxi.make(out, 500, io.StringIO())
    whole = digest(out)
    (out / "2019" / "yellow_tripdata_2019-03.parquet").unlink()
    (out / "2020" / "yellow_tripdata_2020-04.parquet").write_bytes(b"PAR1")
    assert taxi.make(out, 500, io.StringIO())
    assert digest(out) == whole


def test_an_interrupted_run_leaves_no_half_data_set(tmp_path, monkeypatch):
    out = tmp_path / "taxi"
    taxi.make(out, 500, io.StringIO())
    real = taxi.month_table

    def stops_in_2021(year, month, rows):
        if year == 2021:
            raise KeyboardInterrupt
        return real(year, month, rows)

    monkeypatch.setattr(taxi, "month_table", stops_in_2021)
    with pytest.raises(KeyboardInterrupt):
        taxi.make(out, 600, io.StringIO())
    monkeypatch.undo()
    assert not taxi.is_complete(out, 500) and not taxi.is_complete(out, 600)
    assert not list(out.rglob("*.part"))
    assert taxi.make(out, 600, io.StringIO())
    assert sum(pq.read_metadata(path).num_rows for path in out.glob("*/*.parquet")) == 600


def test_progress_counts_up(tmp_path):
    said = io.StringIO()
    taxi.make(tmp_path / "taxi", 50, said)
    assert "12 of 48 months" in said.getvalue() and "48 of 48 months, 50 rows" in said.getvalue()


@pytest.mark.parametrize("rows", ["0", "-5", "many"])
def test_a_bad_row_count_is_refused(rows, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        taxi.main([f"--rows={rows}", "--out", str(tmp_path / "taxi")])
    assert stop.value.code == 2
    assert "row" in capsys.readouterr().err
    assert not (tmp_path / "taxi").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as stop:
        taxi.main(["--rows", "10", "--out", str(tmp_path / "file" / "taxi")])
    assert stop.value.code == 1
    assert "--out" in capsys.readouterr().err
