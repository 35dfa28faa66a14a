//! A recording from its first frame to its deletion.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::live::{Action, PrefixProgress, Progress, StateCounts, Worker};

use super::*;
use crate::live::{Bar, Task};

mod stretches;

struct House {
    room: Recordings,
    notices: broadcast::Receiver<Notice>,
    folder: tempfile::TempDir,
}

async fn house() -> House {
    house_in(tempfile::tempdir().unwrap(), RecordingSettings::default()).await
}

async fn house_in(folder: tempfile::TempDir, settings: RecordingSettings) -> House {
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let (sender, notices) = broadcast::channel(8);
    let root = folder.path().join("recordings");
    fs::create_dir_all(&root).unwrap();
    House {
        room: Recordings::new(root, settings, store, sender),
        notices,
        folder,
    }
}

fn tasks(range: std::ops::Range<u64>) -> Vec<Task> {
    range
        .map(|i| Task {
            key: format!("inc-{i}"),
            prefix: "inc".to_owned(),
            worker: format!("tcp://w{}", i % 2),
            thread: u64::MAX - i % 3,
            type_name: (i % 5 != 0).then(|| "int".to_owned()),
            nbytes: (i % 5 != 0).then_some(i),
            error: (i % 7 == 0).then(|| "ValueError('é')".to_owned()),
            traceback: (i % 7 == 0).then(|| "File".to_owned()),
            cause: None,
            bars: (0..i % 3)
                .map(|bar| Bar {
                    action: match (bar, i % 7) {
                        (0, _) => Action::Transfer,
                        (_, 0) => Action::Erred,
                        _ => Action::Compute,
                    },
                    start_us: 1_795_334_000_000_000 + i as i64 * 10 + bar as i64,
                    duration_us: bar + 5,
                })
                .collect(),
        })
        .collect()
}

fn worker(address: &str) -> Worker {
    Worker {
        address: address.to_owned(),
        name: address.replace("tcp://w", "worker-"),
        threads: 2,
        cpu: 12.5,
        occupancy: Some(0.5),
        processing: None,
        ..Worker::default()
    }
}

fn progress(memory: u64) -> Arc<Progress> {
    let counts = StateCounts {
        memory,
        ..StateCounts::default()
    };
    Arc::new(Progress {
        prefixes: vec![PrefixProgress {
            name: "inc".to_owned(),
            color: timeline::color_index("inc"),
            counts,
        }],
        totals: counts,
        ..Progress::default()
    })
}

fn record(house: &House, told: &[Task]) -> Arc<dyn Tap> {
    let tap = house.room.record("cluster-a", Some("Taxi".to_owned())).unwrap();
    tap.begin(
        "Scheduler-0a1b",
        &BTreeMap::from([("dask".to_owned(), "2026.6.0".to_owned())]),
    );
    tap.workers(1_000_000, &[worker("tcp://w0"), worker("tcp://w1")]);
    tap.progress(2_000_000, &progress(3));
    tap.tasks(0, told.to_vec());
    tap
}

async fn state(house: &House, wanted: impl Fn(&Recording) -> bool) -> Recording {
    for _ in 0..400 {
        if let Ok(recording) = house.room.get("0a1b").await
            && wanted(&recording)
        {
            return recording;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in time: {:?}", house.room.list().await)
}

/// Workers at a moment.
type Sampled = (i64, Vec<Worker>);

fn read_back(house: &House) -> (Vec<Task>, Vec<Sampled>, Vec<Progress>) {
    let (mut tasks, mut workers, mut states) = (Vec::new(), Vec::new(), Vec::new());
    reader::read(&house.room.folder("0a1b"), &Table::ALL, &mut |item| {
        match item {
            reader::Item::Name { .. } => {}
            reader::Item::Tasks(more) => tasks.extend(more),
            reader::Item::Workers { at_us, workers: now } => workers.push((at_us, now)),
            reader::Item::Progress { progress, .. } => states.push(progress),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    (tasks, workers, states)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_comes_back_as_it_was() {
    let house = house().await;
    let told = tasks(0..5_000);
    let tap = record(&house, &told);
    tap.lost(3);
    let running = state(&house, |r| r.tasks == 5_000 && r.lost == 3).await;
    assert_eq!(
        (running.state, running.label.as_deref()),
        (RecordingState::Recording, Some("Taxi"))
    );
    assert_eq!(read_back(&house).0, told, "from the log");
    assert_eq!(tap.details("Scheduler-0a1b", 4_321).unwrap().key, "inc-4321");
    assert!(matches!(
        house.room.delete("0a1b").await,
        Err(RecordingError::WrongState(_))
    ));

    tap.end();
    let ready = state(&house, |r| r.state == RecordingState::Ready).await;
    assert!(ready.ended_at.is_some() && ready.bytes > 0);
    let folder = house.room.folder("0a1b");
    assert!(
        !folder.join("log-000001").exists(),
        "the log is gone once it is Parquet"
    );
    let (tasks, workers, states) = read_back(&house);
    assert_eq!(tasks, told, "from Parquet");
    assert_eq!(
        workers,
        [(1_000_000, vec![worker("tcp://w0"), worker("tcp://w1")])]
    );
    assert_eq!(states, [Progress::clone(&progress(3))]);
    assert_eq!(tap.details("Scheduler-0a1b", 4_999).unwrap().key, "inc-4999");
    assert!(tap.details("Scheduler-0a1b", 5_000).is_none());
    assert!(tap.details("another", 1).is_none());

    house.room.delete("0a1b").await.unwrap();
    assert!(!folder.exists() && house.room.list().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_log_is_recovered_and_gone_on_with() {
    let house = house().await;
    let told = tasks(0..3_000);
    // A server that was killed: its log lies there, its last frame half written, and the index says it records.
    let folder = house.room.folder("0a1b");
    fs::create_dir_all(&folder).unwrap();
    let begin = entry::Begin {
        cluster: "cluster-a".to_owned(),
        scheduler: "Scheduler-0a1b".to_owned(),
        started_ms: 5,
        ..entry::Begin::default()
    };
    let path = reader::log_path(&folder, 1);
    let mut log = log::Log::create(&path, &begin).unwrap();
    log.tasks(&told[..2_000]).unwrap();
    log.tasks(&told[2_000..]).unwrap();
    let cut = log.length() - 7;
    drop(log);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(cut)
        .unwrap();

    house.room.recover().await;
    let recovered = house.room.get("0a1b").await.unwrap();
    assert_eq!(
        (recovered.state, recovered.tasks, recovered.started_at),
        (RecordingState::Ready, 2_000, 5)
    );
    assert_eq!(read_back(&house).0, told[..2_000]);

    // The scheduler tells again what it still has, from the middle of what is recorded on.
    let tap = record(&house, &told[500..1_500]);
    tap.tasks(1_000, told[1_500..].to_vec());
    tap.tasks(2_500, tasks(3_000..3_100));
    state(&house, |r| r.tasks == 3_100).await;
    let details = tap.details("Scheduler-0a1b", 0).unwrap();
    assert_eq!(
        (details.record, details.key.as_str()),
        (0, "inc-500"),
        "numbers are the watcher's"
    );
    assert_eq!(tap.details("Scheduler-0a1b", 2_500).unwrap().key, "inc-3000");
    tap.end();
    state(&house, |r| r.state == RecordingState::Ready).await;
    assert_eq!(read_back(&house).0, tasks(0..3_100), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_written_stops_with_a_notice() {
    let mut house = house().await;
    fs::write(house.room.folder("0a1b"), b"a file in the way").unwrap();
    let tap = record(&house, &tasks(0..10));
    let notice = house.notices.recv().await.unwrap();
    assert_eq!(notice.level, NoticeLevel::Warning);
    assert!(
        notice.message.contains("Taxi is not recorded") && notice.message.contains("live view"),
        "{}",
        notice.message
    );
    // What comes then is taken and let go.
    tap.tasks(10, tasks(10..20));
    tap.end();
}

#[test]
fn a_full_disk_is_an_error_and_not_a_half_written_frame() {
    let error = log::Log::create(Path::new("/dev/full"), &entry::Begin::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_records_and_the_other_lets_it() {
    let first = house().await;
    let tap = record(&first, &tasks(0..10));
    state(&first, |r| r.tasks == 10).await;
    let store = Store::open(&first.folder.path().join("store.sqlite"))
        .await
        .unwrap();
    let (sender, mut notices) = broadcast::channel(8);
    let root = first.folder.path().join("recordings");
    let second = Recordings::new(root, RecordingSettings::default(), store, sender);
    let other = second.record("cluster-a", None).unwrap();
    other.begin("Scheduler-0a1b", &BTreeMap::new());
    other.tasks(0, tasks(0..10));
    other.end();
    second.recover().await;
    second.close().await;
    assert!(notices.try_recv().is_err(), "nothing to say");
    tap.end();
    state(&first, |r| r.state == RecordingState::Ready).await;
    assert_eq!(read_back(&first).0.len(), 10);
}

#[test]
fn an_identity_never_leads_out_of_the_folder() {
    for (scheduler, id) in [
        ("Scheduler-0A1b-2c", "0a1b-2c"),
        ("../../etc/passwd", "etcpasswd"),
        ("a/b\\c\0d", "abcd"),
    ] {
        assert_eq!(active::id_of(scheduler), id);
    }
    assert_eq!(active::id_of("..//").len(), 32);
}

async fn rested(house: &House, told: &[Task]) {
    let tap = record(house, told);
    tap.end();
    state(house, |r| r.state == RecordingState::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_shown_as_a_feed() {
    let house = house().await;
    let told = tasks(0..12_345);
    rested(&house, &told).await;
    let feed = house.room.feed("0a1b").await.unwrap();
    for _ in 0..400 {
        if feed.log().next_record() == 12_345 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = feed.log();
    assert_eq!((log.scheduler(), log.next_record()), ("Scheduler-0a1b", 12_345));
    assert_eq!(
        log.details(12_344).map(|details| details.key).as_deref(),
        Some("inc-12344")
    );
    let batch = log.batch(0, 10, 0, 0);
    let mut names: Vec<_> = batch.lanes.iter().map(|lane| lane.worker_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["worker-0", "worker-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_export_is_what_it_claims_to_be() {
    use protocol::recordings::ExportFormat;

    let house = house().await;
    let told = tasks(0..100_000);
    rested(&house, &told).await;
    let bars: usize = told.iter().map(|task| task.bars.len()).sum();
    let make = async |request: ExportRequest| {
        let export = house.room.export("0a1b", request).await.unwrap();
        assert!(export.name.starts_with("Taxi-"), "{}", export.name);
        (std::fs::read(&export.path).unwrap(), export)
    };

    let (trace, _) = make(ExportRequest::new(ExportFormat::Trace)).await;
    let trace: serde_json::Value = serde_json::from_slice(&trace).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!((of("X"), of("M")), (bars, 2 + 6));

    let (svg, _) = make(ExportRequest::new(ExportFormat::Svg)).await;
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("Taxi"));
    let request = ExportRequest {
        from_us: Some(1_795_334_000_000_000),
        to_us: Some(1_795_334_000_500_000),
        ..ExportRequest::new(ExportFormat::Png)
    };
    let (picture, _) = make(request).await;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&picture))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.width, frame.height), (1_600, 900));
    assert!(pixels.chunks(3).filter(|pixel| pixel != &[255, 255, 255]).count() > 1_000);

    let (report, _) = make(ExportRequest::new(ExportFormat::Html)).await;
    assert!(report.len() <= 1_000_000, "{} bytes", report.len());
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("100,000") && report.contains("ValueError(&#39;\u{e9}&#39;)"));
    assert!(!report.contains("<script"));

    for table in Table::ALL {
        let request = ExportRequest {
            table,
            ..ExportRequest::new(ExportFormat::Parquet)
        };
        let (bytes, export) = make(request).await;
        assert_eq!(
            (&bytes[..4], &bytes[bytes.len() - 4..]),
            (b"PAR1" as &[u8], b"PAR1" as &[u8])
        );
        assert_eq!(export.bytes, bytes.len() as u64);
    }
    let error = house.room.export(
        "0a1b",
        ExportRequest {
            width: 1,
            ..ExportRequest::new(ExportFormat::Png)
        },
    );
    assert!(matches!(
        error.await,
        Err(RecordingError::Invalid { field: "width", .. })
    ));
}

/// pandas reads what we write: run against a real Python, where there is one with pyarrow.
#[tokio::test(flavor = "multi_thread")]
async fn pandas_reads_the_tables() {
    let python = std::env::var_os("GATEHOUSE_PYTHON").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python")),
        PathBuf::from,
    );
    let house = house().await;
    let told = tasks(0..60_000);
    rested(&house, &told).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_recording.py");
    let output = std::process::Command::new(python)
        .arg(script)
        .arg(house.room.folder("0a1b"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let erred = told.iter().filter(|task| task.error.is_some()).count();
    let bars: usize = told.iter().map(|task| task.bars.len()).sum();
    assert_eq!(
        facts,
        serde_json::json!({
            "tasks": 60_000, "erred": erred, "bars": bars, "keys": 60_000, "last": "inc-59999", "threads": 3,
            "typed": told.iter().filter(|task| task.type_name.is_some()).count(),
            "first": "2026-11-22T07:53:20.000010+00:00", "workers": 2, "cpu": 25.0, "prefixes": [["inc", 3]],
        })
    );
}
