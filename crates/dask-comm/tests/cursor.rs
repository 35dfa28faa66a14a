//! The task stream cursor against a scheduler that behaves as no real one can be made to on purpose.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dask_comm::value::{self, get, get_f64, get_str, get_u64, map};
use dask_comm::{Address, CommError, Connection, Limits, TaskStreamCursor, Timeouts, Value, Version, frame};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const BY_INDEX: Version = Version::new(2026, 6, 0);
const BY_TIME: Version = Version::new(2026, 5, 9);

/// Records as (number, time of stop), and what `TaskStreamPlugin.collect` does with them.
#[derive(Default)]
struct Buffer {
    records: VecDeque<(u64, f64)>,
    index: u64,
    room: usize,
    /// Records appended after each `get_task_stream_index`, as happens between two calls.
    appended_between: u64,
    largest_answer: usize,
}

impl Buffer {
    fn append(&mut self, stop: f64) {
        self.records.push_back((self.index, stop));
        self.index += 1;
        if self.records.len() > self.room {
            self.records.pop_front();
        }
    }

    fn bisect(&self, target: f64) -> usize {
        let (mut left, mut right) = (0, self.records.len());
        while left != right {
            let middle = (left + right) / 2;
            if self.records[middle].1 < target {
                left = middle + 1
            } else {
                right = middle
            }
        }
        left
    }

    fn collect(&mut self, request: &Value) -> Value {
        let length = self.records.len();
        let count = get_u64(request, "count").map(|count| count as usize);
        let start = match (get_u64(request, "start_index"), get_f64(request, "start"), count) {
            (Some(index), _, _) => {
                let gone = self.index - length as u64;
                (index.saturating_sub(gone) as usize).min(length)
            }
            (None, Some(time), _) => self.bisect(time),
            (None, None, count) => length.saturating_sub(count.unwrap_or(length)),
        };
        let stop = count.map_or(length, |count| (start + count).min(length));
        self.largest_answer = self.largest_answer.max(stop - start);
        Value::Array(self.records.range(start..stop).map(record).collect())
    }
}

fn record((number, stop): &(u64, f64)) -> Value {
    let compute = map([
        ("action", "compute".into()),
        ("start", (stop - 0.01).into()),
        ("stop", (*stop).into()),
    ]);
    map([
        ("key", format!("task-{number}").into()),
        ("worker", "tcp://w:1".into()),
        ("thread", 1.into()),
        ("status", "OK".into()),
        ("startstops", Value::Array(vec![compute])),
    ])
}

async fn serve(mut stream: TcpStream, buffer: Arc<Mutex<Buffer>>) -> Result<(), CommError> {
    let limits = Limits::default();
    let hello = map([("compression", Value::Nil), ("pickle-protocol", 5.into())]);
    let io = |source| CommError::Closed {
        address: String::new(),
        source: Some(source),
    };
    stream
        .write_all(&frame::encode(&value::encode(&hello)))
        .await
        .map_err(io)?;
    frame::read(&mut stream, &limits).await?;
    loop {
        let request = value::decode(&frame::read(&mut stream, &limits).await?, &limits)?;
        let op = get_str(&request, "op").unwrap_or_default().to_owned();
        if op == "stall" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let reply = {
            let mut buffer = buffer.lock().expect("not poisoned");
            match op.as_str() {
                "get_task_stream_index" => {
                    let index = buffer.index;
                    for _ in 0..buffer.appended_between {
                        buffer.append(index as f64);
                    }
                    index.into()
                }
                "get_task_stream" => buffer.collect(&request),
                "garbage" => Value::Binary(vec![0; 100]),
                "hang-up" => return Ok(()),
                _ => get(&request, "echo").cloned().unwrap_or(Value::Nil),
            }
        };
        stream
            .write_all(&frame::encode(&value::encode(&reply)))
            .await
            .map_err(io)?;
    }
}

async fn scheduler(room: usize) -> (Connection, Arc<Mutex<Buffer>>) {
    let buffer = Arc::new(Mutex::new(Buffer {
        room,
        ..Buffer::default()
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let served = Arc::clone(&buffer);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        serve(stream, served).await.ok();
    });
    let address = Address::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let timeouts = Timeouts {
        connect: Duration::from_secs(10),
        reply: Duration::from_secs(20),
    };
    (
        Connection::connect(&address, None, timeouts)
            .await
            .expect("connects"),
        buffer,
    )
}

fn append(buffer: &Mutex<Buffer>, stops: impl IntoIterator<Item = f64>) {
    let mut buffer = buffer.lock().expect("not poisoned");
    stops.into_iter().for_each(|stop| buffer.append(stop));
}

fn largest_answer(buffer: &Mutex<Buffer>) -> usize {
    buffer.lock().expect("not poisoned").largest_answer
}

/// Polls until all is read; returns the records' numbers and how many were lost.
async fn drain(cursor: &mut TaskStreamCursor, connection: &mut Connection) -> (Vec<u64>, u64) {
    let (mut numbers, mut lost) = (Vec::new(), 0);
    loop {
        let polled = cursor.poll(connection).await.expect("polls");
        numbers.extend(
            polled
                .records
                .iter()
                .map(|r| r.key["task-".len()..].parse::<u64>().expect("a number")),
        );
        lost += polled.lost;
        if !polled.more {
            return (numbers, lost);
        }
    }
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[tokio::test]
async fn each_record_comes_once_and_in_order_in_both_modes() {
    for version in [BY_INDEX, BY_TIME] {
        let (mut connection, buffer) = scheduler(100_000).await;
        append(&buffer, (0..7).map(|i| 100.0 + f64::from(i)));
        let mut cursor = TaskStreamCursor::new(version);
        cursor.arm(&mut connection).await.expect("arms");
        let mut seen = 7;
        assert_eq!(drain(&mut cursor, &mut connection).await, (numbers(0..7), 0));
        for round in 1..30 {
            assert_eq!(drain(&mut cursor, &mut connection).await, (Vec::new(), 0));
            let more = round * 13 % 50;
            // Nearly sorted, with equal times, and with stragglers from long before.
            append(
                &buffer,
                (0..more).map(|i| {
                    if i % 7 == 3 {
                        100.0 + round as f64 - 3.0
                    } else {
                        110.0 + round as f64 - (i % 3) as f64 / 4.0
                    }
                }),
            );
            assert_eq!(
                drain(&mut cursor, &mut connection).await,
                (numbers(seen..seen + more), 0),
                "{version}"
            );
            seen += more;
        }
    }
}

#[tokio::test]
async fn a_backlog_is_read_in_bounded_answers() {
    for version in [BY_INDEX, BY_TIME] {
        let (mut connection, buffer) = scheduler(100_000).await;
        append(&buffer, (0..30_000).map(|i| f64::from(i) / 2_000.0));
        let mut cursor = TaskStreamCursor::new(version);
        assert_eq!(drain(&mut cursor, &mut connection).await, (numbers(0..30_000), 0));
        assert!(
            largest_answer(&buffer) <= 10_000,
            "{} records in one answer",
            largest_answer(&buffer)
        );
        append(&buffer, [16.0]);
        assert_eq!(
            drain(&mut cursor, &mut connection).await,
            (numbers(30_000..30_001), 0)
        );
    }
}

#[tokio::test]
async fn more_tasks_a_second_than_a_chunk_holds() {
    for version in [BY_INDEX, BY_TIME] {
        let (mut connection, buffer) = scheduler(100_000).await;
        append(&buffer, (0..25_000).map(|i| 100.0 + f64::from(i) / 25_000.0));
        let mut cursor = TaskStreamCursor::new(version);
        assert_eq!(
            drain(&mut cursor, &mut connection).await,
            (numbers(0..25_000), 0),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_backlog_that_grows_while_it_is_read() {
    let (mut connection, buffer) = scheduler(100_000).await;
    append(&buffer, (0..30_000).map(|i| f64::from(i) / 1_000.0));
    buffer.lock().expect("not poisoned").appended_between = 17;
    let mut cursor = TaskStreamCursor::new(BY_INDEX);
    let (mut seen, mut lost) = (Vec::new(), 0);
    for _ in 0..4 {
        let (numbers, gone) = drain(&mut cursor, &mut connection).await;
        seen.extend(numbers);
        lost += gone;
    }
    buffer.lock().expect("not poisoned").appended_between = 0;
    let (last, gone) = drain(&mut cursor, &mut connection).await;
    seen.extend(last);
    let index = buffer.lock().expect("not poisoned").index;
    assert_eq!((seen, lost + gone), (numbers(0..index), 0));
}

#[tokio::test]
async fn what_the_buffer_dropped_is_counted() {
    let (mut connection, buffer) = scheduler(1_000).await;
    append(&buffer, (0..500).map(f64::from));
    let mut cursor = TaskStreamCursor::new(BY_INDEX);
    assert_eq!(drain(&mut cursor, &mut connection).await, (numbers(0..500), 0));
    append(&buffer, (500..2_500).map(f64::from));
    assert_eq!(
        drain(&mut cursor, &mut connection).await,
        (numbers(1_500..2_500), 1_000)
    );
    // Beyond what one answer may hold, and with records that come in between the index and the answer.
    append(&buffer, (2_500..40_000).map(f64::from));
    buffer.lock().expect("not poisoned").appended_between = 40;
    let (first, lost) = drain(&mut cursor, &mut connection).await;
    buffer.lock().expect("not poisoned").appended_between = 0;
    let (second, lost_late) = drain(&mut cursor, &mut connection).await;
    assert_eq!([first, second].concat(), numbers(39_040..40_040));
    assert_eq!(lost + lost_late, 39_040 - 2_500);
    append(&buffer, [50_000.0]);
    assert_eq!(
        drain(&mut cursor, &mut connection).await,
        (numbers(40_040..40_041), 0)
    );
}

#[tokio::test]
async fn by_time_a_loss_is_noticed() {
    let (mut connection, buffer) = scheduler(1_000).await;
    append(&buffer, (0..500).map(f64::from));
    let mut cursor = TaskStreamCursor::new(BY_TIME);
    assert_eq!(drain(&mut cursor, &mut connection).await, (numbers(0..500), 0));
    append(&buffer, (500..2_500).map(f64::from));
    assert_eq!(
        drain(&mut cursor, &mut connection).await,
        (numbers(1_500..2_500), 1)
    );
    assert_eq!(drain(&mut cursor, &mut connection).await, (Vec::new(), 0));
}

#[tokio::test]
async fn a_stream_numbered_anew_is_read_from_its_beginning() {
    let (mut connection, buffer) = scheduler(1_000).await;
    append(&buffer, (0..500).map(f64::from));
    let mut cursor = TaskStreamCursor::new(BY_INDEX);
    drain(&mut cursor, &mut connection).await;
    *buffer.lock().expect("not poisoned") = Buffer {
        room: 1_000,
        ..Buffer::default()
    };
    append(&buffer, (0..3).map(|i| 1_000.0 + f64::from(i)));
    assert_eq!(drain(&mut cursor, &mut connection).await, (numbers(0..3), 0));
}

#[tokio::test]
async fn a_slow_answer_can_be_watched_while_it_is_awaited() {
    let (mut connection, _buffer) = scheduler(10).await;
    let mut busy = 0;
    let answer = {
        let call = connection.call("stall", [("echo", "at last".into())]);
        tokio::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => break answer,
                () = tokio::time::sleep(Duration::from_millis(50)) => busy += 1,
            }
        }
    };
    assert_eq!(answer.expect("an answer").as_str(), Some("at last"));
    assert!(busy > 0);
    assert_eq!(
        connection
            .call("x", [("echo", 1.into())])
            .await
            .expect("still usable")
            .as_u64(),
        Some(1)
    );
}

#[tokio::test]
async fn an_abandoned_call_ends_the_connection() {
    let (mut connection, _buffer) = scheduler(10).await;
    let call = connection.call("stall", [("echo", "late".into())]);
    assert!(
        tokio::time::timeout(Duration::from_millis(20), call)
            .await
            .is_err()
    );
    let error = connection
        .call("x", [("echo", 1.into())])
        .await
        .expect_err("abandoned");
    assert!(matches!(error, CommError::Abandoned { .. }), "{error}");
    assert!(!error.keeps_connection());
}

#[tokio::test]
async fn closed_busy_and_too_large_are_different_errors() {
    let (mut connection, _buffer) = scheduler(10).await;
    let error = connection.call("hang-up", []).await.expect_err("closed");
    assert!(matches!(error, CommError::Closed { .. }), "{error}");

    let (mut connection, _buffer) = scheduler(10).await;
    connection.set_limits(Limits {
        message_bytes: 64,
        ..Limits::default()
    });
    let error = connection.call("garbage", []).await.expect_err("too large");
    assert!(matches!(error, CommError::Frame(_)), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let address = Address::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let timeouts = Timeouts {
        connect: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let error = Connection::connect(&address, None, timeouts)
        .await
        .expect_err("silent");
    assert!(matches!(error, CommError::Timeout { .. }), "{error}");

    drop(silent);
    let error = Connection::connect(&address, None, Timeouts::default())
        .await
        .expect_err("nobody");
    assert!(matches!(error, CommError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn something_that_is_no_scheduler_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
    });
    let address = Address::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let error = Connection::connect(&address, None, Timeouts::default())
        .await
        .expect_err("no scheduler");
    assert!(matches!(error, CommError::Handshake { .. }), "{error}");
    let tls = Address::Tls {
        host: "127.0.0.1".into(),
        port,
    };
    let error = Connection::connect(&tls, None, Timeouts::default())
        .await
        .expect_err("no certificate");
    assert!(!matches!(error, CommError::Handshake { .. }), "{error}");
}
