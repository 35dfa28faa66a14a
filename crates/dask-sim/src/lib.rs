//! A simulated Dask scheduler that speaks the real protocol: for benches and tests of sizes that no test machine has.
//!
//! It holds no state but its start: the task with number `n` is the same whenever it is asked for, so what a reader must
//! have seen is known exactly. Its answers have the shape of a real scheduler's, which a test compares.

mod answers;

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dask_comm::value::{self, get_f64, get_str, get_u64, map};
use dask_comm::{Limits, Value, frame};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub workers: u64,
    /// Of each worker.
    pub threads: u64,
    /// Of the whole cluster; a task's rectangle is 0.9 of the time that its thread has for it.
    pub tasks_a_second: f64,
    /// How long tasks are finished.
    pub lasts: Duration,
}

/// A scheduler that runs by a plan since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    plan: Plan,
    /// Seconds since the epoch.
    started: f64,
}

/// Records that a scheduler keeps for those who ask late.
const BUFFER: u64 = 100_000;

impl Simulation {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            started: unix_now(),
        }
    }

    /// Tasks that were finished until now.
    pub fn finished(&self) -> u64 {
        let elapsed = (unix_now() - self.started).clamp(0.0, self.plan.lasts.as_secs_f64());
        (elapsed * self.plan.tasks_a_second) as u64
    }

    /// Answers whoever connects, for as long as it is polled.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            // A peer that hangs up ends its own conversation only.
            tokio::spawn(async move { self.converse(stream).await.ok() });
        }
    }

    async fn converse(self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let hello = map([
            ("compression", Value::Nil),
            ("python", Value::Array(vec![3.into(), 11.into(), 7.into()])),
            ("pickle-protocol", 5.into()),
        ]);
        send(&mut stream, &hello).await?;
        receive(&mut stream).await?;
        loop {
            let request = receive(&mut stream).await?;
            let op = get_str(&request, "op").unwrap_or_default();
            match op {
                "close" => return Ok(()),
                "feed" => {
                    return self
                        .feed(stream, get_f64(&request, "interval").unwrap_or(1.0))
                        .await;
                }
                _ => send(&mut stream, &self.answer(op, &request)).await?,
            }
        }
    }

    /// What the operation answers; nil where it is not known, as a real scheduler does.
    fn answer(&self, op: &str, request: &Value) -> Value {
        match op {
            "identity" => self.identity(),
            "versions" => answers::versions(),
            "get_task_prefix_states" => self.prefix_states(),
            "get_task_stream_index" => self.finished().into(),
            "get_task_stream" => {
                let finished = self.finished();
                let oldest = finished.saturating_sub(BUFFER);
                let first = get_u64(request, "start_index").unwrap_or(oldest).max(oldest);
                Value::Array((first..finished).map(|n| self.record(n)).collect())
            }
            _ => Value::Nil,
        }
    }

    async fn feed(self, mut stream: TcpStream, every: f64) -> io::Result<()> {
        loop {
            send(&mut stream, &self.state()).await?;
            tokio::time::sleep(Duration::from_secs_f64(every)).await;
        }
    }
}

async fn send(stream: &mut TcpStream, message: &Value) -> io::Result<()> {
    stream.write_all(&frame::encode(&value::encode(message))).await
}

async fn receive(stream: &mut TcpStream) -> io::Result<Value> {
    let limits = Limits::default();
    let body = frame::read(stream, &limits).await.map_err(io::Error::other)?;
    value::decode(&body, &limits).map_err(io::Error::other)
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
