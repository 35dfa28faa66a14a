use std::collections::BTreeMap;
use std::sync::Mutex;

use dask_sim::{Plan, Simulation};
use protocol::live::{Details, Progress, Worker};
use tokio::net::TcpListener;

use super::*;
use crate::live::{Limits, Past};

/// Keeps the progress that it is told.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Arc<Progress>>>);

impl Archive for Heard {
    fn details(&self, _: &str, _: u64) -> Option<Details> {
        None
    }

    fn past(&self, _: i64) -> Past {
        Past::default()
    }
}

impl Tap for Heard {
    fn begin(&self, _: &str, _: &BTreeMap<String, String>) {}
    fn workers(&self, _: i64, _: &[Worker]) {}
    fn progress(&self, _: i64, progress: &Arc<Progress>) {
        self.0.lock().unwrap().push(Arc::clone(progress));
    }
    fn tasks(&self, _: u64, _: Vec<Task>) {}
    fn lost(&self, _: u64) {}
    fn end(&self) {}
}

#[tokio::test]
async fn what_is_left_is_told_while_it_is_heard_of_and_not_recorded() {
    let scheduler = tokio::runtime::Runtime::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let plan = Plan {
        workers: 2,
        threads: 2,
        tasks_a_second: 400.0,
        lasts: Duration::from_secs(600),
    };
    scheduler.spawn(async move {
        let listener = TcpListener::from_std(listener)?;
        Simulation::new(plan).serve(listener).await
    });
    let heard = Arc::new(Heard::default());
    let settings = Settings {
        feed: true,
        idle: false,
        limits: Limits::default(),
    };
    let target = Target::direct(address.parse().unwrap());
    let watcher = Watcher::start(target, settings, Arc::default(), Some(heard.clone()));
    let feed = watcher.feed();
    let _looks = feed.viewer();
    let mut progress = feed.progress();
    let mut told = async |is_told: bool| {
        let suits = |progress: &Arc<Progress>| progress.left.all.is_some() == is_told;
        let wait = progress.wait_for(suits);
        let told = tokio::time::timeout(Duration::from_secs(30), wait).await;
        told.expect("in time").expect("watched").clone()
    };
    let shown = told(true).await;
    // A thousand tasks of each prefix wait all the time, and all prefixes run at one pace.
    let left = f64::from(shown.left.all.unwrap());
    let expected = shown.totals.remaining() as f64 / plan.tasks_a_second;
    assert!((left / expected - 1.0).abs() < 0.5, "{left} s, not {expected} s");
    assert!(
        (0..shown.prefixes.len()).any(|n| shown.left(n).is_some()),
        "{shown:?}"
    );
    let recorded = std::mem::take(&mut *heard.0.lock().unwrap());
    assert!(!recorded.is_empty());
    assert!(
        recorded
            .iter()
            .all(|progress| progress.left == TimeLeft::default())
    );

    scheduler.shutdown_background();
    let last = told(false).await;
    assert_eq!((&last.left, last.totals.all() > 0), (&TimeLeft::default(), true));
    watcher.stop().await;
}
