use super::*;
use crate::live::Bar;

fn task(key: &str, thread: u64, start_us: i64) -> Task {
    let bar = |action, start_us, duration_us| Bar {
        action,
        start_us,
        duration_us,
    };
    Task {
        key: key.to_owned(),
        prefix: timeline::key_split(key),
        worker: "tcp://127.0.0.1:1".to_owned(),
        thread,
        type_name: Some("int".to_owned()),
        nbytes: Some(28),
        bars: vec![
            bar(Action::Transfer, start_us, 1_000),
            bar(Action::Compute, start_us + 1_000, 249_000),
        ],
        ..Task::default()
    }
}

fn log(limits: Limits, n: usize) -> TaskLog {
    let mut log = TaskLog::new(String::new(), limits);
    log.extend(
        &(0..n)
            .map(|i| task(&format!("inc-{i}"), 1, i as i64))
            .collect::<Vec<_>>(),
    );
    log
}

#[test]
fn a_batch_holds_what_was_taken_in() {
    let mut log = log(Limits::default(), 0);
    log.extend(&[
        task("inc-0123", 1, 1_000_000_000),
        task("dec-0123", 2, 1_000_500_000),
    ]);
    let batch = log.batch(0, 10, 0, 0);
    assert_eq!(
        (
            batch.records,
            batch.caught_up,
            batch.lanes.len(),
            batch.prefixes.len()
        ),
        (2, true, 2, 2)
    );
    assert_eq!(batch.base_us, 1_000_000_000);
    assert_eq!(batch.start_delta_us, [0, 1000, 499_000, 1000]);
    assert_eq!(batch.duration_us, [1000, 249_000, 1000, 249_000]);
    use Action::{Compute, Transfer};
    assert_eq!(batch.action, [Transfer, Compute, Transfer, Compute]);
    assert_eq!(batch.record, [0, 0, 1, 1]);
    let later = log.batch(1, 10, 2, 1);
    assert_eq!(
        (later.records, later.lanes.len(), later.prefixes.len()),
        (1, 0, 1)
    );
}

#[test]
fn batches_are_bounded_and_continue_over_blocks() {
    let log = log(Limits::default(), 2 * BLOCK + 25);
    let (mut from, mut seen) = (0, 0);
    loop {
        let batch = log.batch(from, 1_000, 0, 0);
        assert_eq!(batch.base_us, from as i64);
        seen += batch.records;
        from = batch.first_record + u64::from(batch.records);
        if batch.caught_up {
            break;
        }
        assert_eq!(batch.records, 1_000);
    }
    assert_eq!((seen as usize, from), (2 * BLOCK + 25, 2 * BLOCK as u64 + 25));
}

#[test]
fn the_oldest_give_way_in_blocks() {
    let limits = Limits {
        tasks: 2 * BLOCK,
        ..Limits::default()
    };
    let log = log(limits, 3 * BLOCK + 7);
    assert_eq!(log.first_record(), BLOCK as u64);
    assert_eq!(log.next_record(), 3 * BLOCK as u64 + 7);
    let batch = log.batch(0, 1, 0, 0);
    assert_eq!((batch.first_record, batch.base_us), (BLOCK as u64, BLOCK as i64));
    assert!(log.details(BLOCK as u64 - 1).is_none());
    assert_eq!(
        log.details(BLOCK as u64).map(|d| d.key),
        Some(format!("inc-{BLOCK}"))
    );
}

#[test]
fn details_have_a_bound_of_their_own() {
    let limits = Limits {
        detail_bytes: 40 * BLOCK,
        ..Limits::default()
    };
    let log = log(limits, 8 * BLOCK);
    let (geometry, details) = log.bytes();
    assert!(details <= 40 * BLOCK, "{details}");
    assert!(
        geometry <= 50 * log.len(),
        "{} bytes a task",
        geometry / log.len()
    );
    assert!(log.details(0).is_none(), "the oldest were let go");
    assert_eq!(log.batch(0, 1, 0, 0).records, 1, "their geometry was not");
    let newest = log.details(8 * BLOCK as u64 - 1).expect("the newest are kept");
    assert_eq!(
        (newest.type_name.as_deref(), newest.nbytes),
        (Some("int"), Some(28))
    );
}

#[test]
fn an_error_is_in_the_details() {
    let mut log = log(Limits::default(), 0);
    log.extend(&[Task {
        error: Some("ValueError('boom')".to_owned()),
        ..task("f-1", 1, 0)
    }]);
    assert_eq!(
        log.details(0).and_then(|d| d.error).as_deref(),
        Some("ValueError('boom')")
    );
}
