//! A watcher that records a simulated scheduler of 1,000 workers and 5,000 tasks a second: does it lose a record, what does
//! it cost?
//!
//! Run by `npm run bench -- sim`; prints a JSON object a line. The scheduler is a process of its own, so that memory and
//! processor time are the watcher's alone.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use dask_sim::{Plan, Simulation};
use gatehouse::live::{Settings, Target, Watcher};
use gatehouse::recordings::{RecordingSettings, Recordings};
use gatehouse::store::Store;
use protocol::recordings::Recording;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast};

/// What is simulated.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How long tasks are finished, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    #[arg(long, default_value_t = 1000)]
    workers: u64,
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// Be the scheduler.
    #[arg(long)]
    scheduler: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    if arguments.scheduler {
        runtime.block_on(schedule(&arguments))
    } else {
        runtime.block_on(watch(&arguments))
    }
}

async fn schedule(arguments: &Arguments) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let simulation = Simulation::new(Plan {
        workers: arguments.workers,
        threads: 2,
        tasks_a_second: arguments.rate,
        lasts: Duration::from_secs(arguments.seconds),
    });
    Ok(simulation.serve(listener).await?)
}

/// Ends with us.
struct Scheduler(Child);

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let mut scheduler = Scheduler(
        Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .arg("--scheduler")
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let output = scheduler.0.stdout.take().context("its output")?;
    let mut port = String::new();
    BufReader::new(output).read_line(&mut port)?;
    let address = format!("tcp://127.0.0.1:{}", port.trim()).parse()?;

    let folder = tempfile::tempdir()?;
    let settings = RecordingSettings::default();
    let recordings = Recordings::new(
        folder.path().to_owned(),
        settings.clone(),
        Store::open(&folder.path().join("store.sqlite")).await?,
        broadcast::channel(16).0,
    );
    let watcher = Watcher::start(
        Target::direct(address),
        Settings {
            idle: false,
            feed: true,
            limits: settings.limits(),
        },
        Arc::new(Notify::new()),
        recordings.record("simulated", None),
    );
    let feed = watcher.feed();
    // As a browser would: with somebody looking, the watcher asks more often and for more.
    let _viewer = feed.viewer();
    let expected = (arguments.seconds as f64 * arguments.rate) as u64;
    let began = Instant::now();
    let (mut peak, mut halfway) = (0, 0);
    let mut gap = Duration::ZERO;
    let mut last = (0, Instant::now());
    while feed.log().next_record() < expected {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let seen = feed.log().next_record();
        if seen > last.0 {
            last = (seen, Instant::now());
        }
        gap = gap.max(last.1.elapsed());
        peak = peak.max(resident_bytes()?);
        if seen < expected / 2 {
            halfway = peak;
        }
        if began.elapsed() > Duration::from_secs(arguments.seconds + 60) {
            bail!("{seen} of {expected} records came");
        }
    }
    let lost = feed.health().borrow().lost_records;
    let cpu = processor_seconds()?;
    let report = |metric: &str, unit: &str, value: f64| {
        println!(
            "{}",
            serde_json::json!({"metric": metric, "unit": unit, "value": value})
        );
    };
    report("records", "records", feed.log().next_record() as f64);
    report(
        "lost_records",
        "records",
        (lost + expected.abs_diff(feed.log().next_record())) as f64,
    );
    report("longest_gap_ms", "ms", gap.as_secs_f64() * 1e3);
    report("server_cpu_ms_per_1k_tasks", "ms", cpu * 1e6 / expected as f64);
    report(
        "server_rss_halfway_mib",
        "MiB",
        halfway as f64 / f64::from(1 << 20),
    );
    report("server_rss_peak_mib", "MiB", peak as f64 / f64::from(1 << 20));
    watcher.stop().await;
    recordings.close().await;
    let recorded = recordings.list().await?;
    let sum = |part: fn(&Recording) -> u64| recorded.iter().map(part).sum::<u64>() as f64;
    report(
        "lost_in_recording",
        "records",
        expected as f64 - sum(|recording| recording.tasks),
    );
    report(
        "recording_bytes_per_task",
        "bytes",
        sum(|recording| recording.bytes) / expected as f64,
    );
    Ok(())
}

/// Memory of this process, from Linux.
fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("this bench needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .context("VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// Processor time of this process, from Linux.
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this bench needs Linux")?;
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .context("a process's line")?
        .1
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Ok((ticks(11) + ticks(12)) / 100.0)
}
