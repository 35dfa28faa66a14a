//! What reports are tested with: a big recording, and images that are small and big.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::live::{Action, Worker, WorkerMemory};
use tokio::sync::broadcast;

use super::super::host::Trace;
use crate::live::{Bar, Task};
use crate::recordings::{RecordingSettings, Recordings, Stretch};
use crate::store::Store;

/// When the recorded work began, microseconds since the Unix epoch.
const BEGAN_US: i64 = 1_795_334_000_000_000;

/// 100,000 tasks of a dozen prefixes on 16 threads, recorded and read like a job's.
pub(super) async fn big_trace(title: &str) -> Trace {
    const PREFIXES: [&str; 12] = [
        "read-parquet",
        "random_sample",
        "sum",
        "mean_chunk",
        "mean_combine-partial",
        "mean_agg-aggregate",
        "getitem",
        "rechunk-split",
        "rechunk-merge",
        "transpose",
        "dot",
        "<img src=x onerror=alert(1)>",
    ];
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let root = folder.path().join("recordings");
    std::fs::create_dir_all(&root).unwrap();
    let recordings = Recordings::new(root, RecordingSettings::default(), store, broadcast::channel(8).0);
    let tap = recordings.record("c", None).unwrap();
    tap.begin(
        "Scheduler-1",
        &BTreeMap::from([("dask".into(), "2026.6.0".into())]),
    );
    let worker = |number: u64, memory: u64| Worker {
        address: format!("tls://10.0.0.{number}:40000"),
        name: format!("w-{number}"),
        threads: 2,
        cpu: 150.0,
        memory: WorkerMemory {
            process: memory,
            limit: 4 << 30,
            ..WorkerMemory::default()
        },
        ..Worker::default()
    };
    let workers = |memory| (0..8).map(|number| worker(number, memory)).collect::<Vec<_>>();
    tap.workers(BEGAN_US, &workers(1 << 30));
    tap.workers(BEGAN_US + 20_000_000, &workers(2 << 30));
    // As good as random, and the same each time.
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut free = [0_i64; 16];
    let mut tasks = Vec::new();
    for number in 0..100_000_u64 {
        let lane = number as usize % 16;
        let prefix = PREFIXES[(random(13) * number / 100_000) as usize % 12];
        let erred = random(1_000) == 0;
        let (wait, transfer, compute) = (random(900), random(1_500), 500 + random(9_000));
        let start = BEGAN_US + free[lane] + wait as i64;
        free[lane] += (wait + transfer + compute) as i64;
        let bar = |action, start_us, duration_us| Bar {
            action,
            start_us,
            duration_us,
        };
        tasks.push(Task {
            key: format!("('{prefix}-4f2c{number:08x}', {number}, 0)"),
            prefix: prefix.to_owned(),
            worker: format!("tls://10.0.0.{}:40000", lane / 2),
            thread: lane as u64,
            type_name: Some("numpy.ndarray".into()),
            nbytes: Some(8_000),
            error: erred.then(|| "ValueError('</pre><script>alert(1)</script>')".into()),
            traceback: erred.then(|| "  File \"job.py\", line 3, in f\n    raise ValueError\n".repeat(40)),
            cause: None,
            bars: vec![
                bar(Action::Transfer, start, transfer),
                bar(
                    if erred { Action::Erred } else { Action::Compute },
                    start + transfer as i64,
                    compute,
                ),
            ],
        });
    }
    for (turn, part) in tasks.chunks(10_000).enumerate() {
        tap.tasks(turn as u64 * 10_000, part.to_vec());
        tap.written().unwrap().await.unwrap();
    }
    tap.end();
    let whole = Stretch {
        cluster: "c".into(),
        from_ms: None,
        to_ms: None,
    };
    let limit = Duration::from_secs(30);
    let account = recordings
        .account(title.to_owned(), &[whole], limit)
        .await
        .unwrap();
    Trace::from(account.expect("a recording"))
}

/// Pixels that no compression makes small, as base64 of so many bytes.
pub(super) fn noise(bytes: usize) -> String {
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(bytes)
    .collect();
    STANDARD.encode(noise)
}

pub(super) fn small_png() -> String {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 320, 160);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..160_u32)
        .flat_map(|y| (0..320_u32).flat_map(move |x| [(x * 255 / 320) as u8, (y * 255 / 160) as u8, 160]))
        .collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    STANDARD.encode(bytes)
}
