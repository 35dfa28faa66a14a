//! Measures the index on this machine, one JSON object a line: `npm run bench -- timeline` reads them.

use std::time::Instant;

use timeline::{Action, Colors, Rect, Surface, Timeline, View};

const BASE_US: i64 = 1_795_334_646_000_000;
const LANES: u16 = 64;
const WIDTH: u32 = 1920;
const QUERIES: usize = 15;
const APPENDS: usize = 51;
const MILLION: usize = 1_000_000;

fn main() {
    for (label, tasks) in [
        ("1k", 1_000),
        ("10k", 10_000),
        ("100k", 100_000),
        ("1m", MILLION),
        ("10m", 10 * MILLION),
    ] {
        let mut work = Work {
            seed: 0,
            count: 0,
            now: [0; LANES as usize],
        };
        let rects: Vec<(u16, Rect)> = work.by_ref().take(tasks).collect();
        let begin = Instant::now();
        let mut timeline = Timeline::new(0);
        append(&mut timeline, &rects);
        report(&format!("build_ms_{label}"), "ms", ms(begin));
        drop(rects);
        report(&format!("query_full_ms_{label}"), "ms", full_view(&timeline));
        if tasks >= MILLION {
            let metric = if tasks == MILLION {
                "bytes_per_task".to_owned()
            } else {
                format!("bytes_per_task_{label}")
            };
            report(&metric, "bytes", timeline.bytes() as f64 / tasks as f64);
        }
        if tasks == MILLION {
            let mut times: Vec<f64> = (0..APPENDS)
                .map(|_| {
                    let more: Vec<(u16, Rect)> = work.by_ref().take(10_000).collect();
                    let begin = Instant::now();
                    append(&mut timeline, &more);
                    timeline.evict(tasks);
                    ms(begin)
                })
                .collect();
            report("append_10k_ms", "ms", median(&mut times));
        }
    }
}

fn append(timeline: &mut Timeline, rects: &[(u16, Rect)]) {
    while timeline.lanes() < usize::from(LANES) {
        timeline.add_lane();
    }
    for (lane, rect) in rects {
        if let Err(error) = timeline.push(*lane, *rect) {
            panic!("{error}");
        }
    }
}

/// Every lane and all of the time, painted anew.
fn full_view(timeline: &Timeline) -> f64 {
    let Some((start, end)) = timeline.bounds() else {
        return f64::NAN;
    };
    let view = View::fit(start as f64, end as f64, WIDTH);
    let colors = Colors::dask(0..18);
    let lanes: Vec<u16> = (0..LANES).collect();
    let mut surface = Surface::default();
    let mut times: Vec<f64> = (0..QUERIES)
        .map(|_| {
            surface.invalidate();
            let begin = Instant::now();
            surface.update(timeline, &view, &lanes, &colors);
            ms(begin)
        })
        .collect();
    median(&mut times)
}

/// Tasks of about 20 ms with short gaps, lane after lane, one in 500 erred, one in 20 after a transfer; the same in every run.
struct Work {
    seed: u64,
    count: u64,
    now: [i64; LANES as usize],
}

impl Work {
    /// From 0 to 1.
    fn random(&mut self) -> f64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Iterator for Work {
    type Item = (u16, Rect);

    fn next(&mut self) -> Option<Self::Item> {
        let lane = (self.count % u64::from(LANES)) as u16;
        let long = (-self.random().max(1e-9).ln() * 20_000.0) as u64 + 1;
        let gap = (self.random() * 1_000.0) as i64;
        let kind = self.random();
        let now = &mut self.now[usize::from(lane)];
        let rect = Rect {
            start_us: BASE_US + *now + gap,
            duration_us: long,
            prefix: (kind * 8000.0) as u16 % 8,
            action: match kind {
                ..0.002 => Action::Erred,
                ..0.05 => Action::Transfer,
                _ => Action::Compute,
            },
            record: self.count,
        };
        *now += gap + long as i64;
        self.count += 1;
        Some((lane, rect))
    }
}

fn ms(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(metric: &str, unit: &str, value: f64) {
    println!(r#"{{"metric":"{metric}","unit":"{unit}","value":{value:.4}}}"#);
}
