//! A scheduler's task stream as its batches build it up.

use protocol::live::{Action, Hello, Lane, Prefix, TaskBatch};
use timeline::{Rect, Timeline, TimelineError};

/// Rectangles kept in the browser; older ones are let go in blocks.
const KEEP_RECTS: usize = 3_000_000;

/// Tasks of one scheduler, and what they add up to.
#[derive(Debug, Default)]
pub struct Stream {
    /// Identity of the scheduler; empty while none is known.
    pub scheduler: String,
    pub timeline: Timeline,
    /// Threads as the server numbers them.
    pub threads: Vec<Thread>,
    /// For each lane of the timeline the thread that has it now.
    pub lanes: Vec<Lane>,
    pub prefixes: Vec<PrefixTotal>,
    /// Rectangles taken in, by [`Action`].
    pub actions: [u64; 6],
    /// Records that were announced when the stream began.
    pub expected: u64,
    /// Whether everything was here once.
    pub caught_up: bool,
}

/// A thread and the lane of the timeline that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: Lane,
    pub lane: u16,
}

/// A key prefix and its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixTotal {
    pub prefix: Prefix,
    /// Computed, those that raised included.
    pub tasks: u64,
    /// Microseconds of compute.
    pub busy_us: u64,
}

/// A batch that contradicts itself or what came before.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("columns of different lengths in a batch of tasks")]
    Ragged,
    #[error("prefix {0} was never named")]
    NoSuchPrefix(u16),
    #[error(transparent)]
    Rect(#[from] TimelineError),
}

impl Stream {
    pub fn new(hello: &Hello) -> Self {
        Self {
            scheduler: hello.scheduler.clone(),
            timeline: Timeline::new(hello.first_record),
            expected: hello.records,
            caught_up: hello.records == 0,
            ..Self::default()
        }
    }

    /// Whether both are told by the same scheduler, in the same life.
    pub fn is_same_scheduler(&self, other: &Self) -> bool {
        !self.scheduler.is_empty() && self.scheduler == other.scheduler
    }

    /// Rectangles taken in that show this.
    pub fn count_of(&self, action: Action) -> u64 {
        self.actions[action as usize]
    }

    /// Gives a thread a lane. A worker that came back under its name, at another address, has its former threads' lanes: rows
    /// would be empty from its return on, and as many new ones below.
    fn add_thread(&mut self, id: Lane) {
        let own = |lane: &&Thread| lane.id.worker == id.worker && lane.id.worker_name == id.worker_name;
        let before = self.threads.iter().filter(own).count();
        let mut of_name = (0_u16..)
            .zip(&self.lanes)
            .filter(|(_, lane)| lane.worker_name == id.worker_name);
        let lane = match of_name.nth(before) {
            Some((lane, former)) if former.worker != id.worker => {
                self.lanes[usize::from(lane)] = id.clone();
                lane
            }
            _ => {
                self.lanes.push(id.clone());
                self.timeline.add_lane()
            }
        };
        self.threads.push(Thread { id, lane });
    }

    /// Takes a batch in.
    pub fn extend(&mut self, batch: TaskBatch) -> Result<(), StreamError> {
        let rects = batch.start_delta_us.len();
        let columns = [
            batch.duration_us.len(),
            batch.lane.len(),
            batch.prefix.len(),
            batch.action.len(),
            batch.record.len(),
        ];
        if columns.iter().any(|len| *len != rects) {
            return Err(StreamError::Ragged);
        }
        for id in batch.lanes {
            self.add_thread(id);
        }
        self.prefixes
            .extend(batch.prefixes.into_iter().map(|prefix| PrefixTotal {
                prefix,
                tasks: 0,
                busy_us: 0,
            }));
        let mut start_us = batch.base_us;
        for i in 0..rects {
            start_us = start_us.saturating_add(batch.start_delta_us[i]);
            let rect = Rect {
                start_us,
                duration_us: batch.duration_us[i],
                prefix: batch.prefix[i],
                action: batch.action[i],
                record: batch.first_record + u64::from(batch.record[i]),
            };
            let total = self
                .prefixes
                .get_mut(usize::from(rect.prefix))
                .ok_or(StreamError::NoSuchPrefix(rect.prefix))?;
            if matches!(rect.action, Action::Compute | Action::Erred) {
                total.tasks += 1;
                total.busy_us += rect.duration_us;
            }
            let lane = self.threads.get(usize::from(batch.lane[i]));
            self.timeline
                .push(lane.map_or(u16::MAX, |thread| thread.lane), rect)?;
            self.actions[rect.action as usize] += 1;
        }
        self.timeline.add_records(u64::from(batch.records));
        self.timeline.evict(KEEP_RECTS);
        self.caught_up |= batch.caught_up;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::live::VERSION;

    use super::*;

    fn batch() -> TaskBatch {
        TaskBatch {
            first_record: 10,
            records: 3,
            caught_up: true,
            lanes: vec![Lane {
                worker: "tcp://a".into(),
                worker_name: "0".into(),
                thread: 7,
            }],
            prefixes: vec![Prefix {
                name: "inc".into(),
                color: 12,
            }],
            base_us: 1_000_000,
            start_delta_us: vec![0, 500, -100],
            duration_us: vec![100, 200, 300],
            lane: vec![0, 0, 0],
            prefix: vec![0, 0, 0],
            action: vec![Action::Transfer, Action::Compute, Action::Erred],
            record: vec![0, 0, 1],
        }
    }

    fn stream() -> Stream {
        Stream::new(&Hello {
            version: VERSION,
            scheduler: "Scheduler-1".into(),
            first_record: 10,
            records: 3,
        })
    }

    #[test]
    fn a_batch_becomes_rectangles_and_totals() {
        let mut stream = stream();
        stream.extend(batch()).expect("a fair batch");
        assert_eq!(
            (
                stream.timeline.records(),
                stream.timeline.rects(),
                stream.count_of(Action::Erred)
            ),
            (3, 3, 1)
        );
        assert_eq!(stream.prefixes[0].tasks, 2);
        assert_eq!(stream.prefixes[0].busy_us, 500);
        assert_eq!(stream.timeline.bounds(), Some((1_000_000, 1_000_700)));
        let second = stream.timeline.locate(11);
        assert_eq!(
            second.iter().map(|l| l.rect.start_us).collect::<Vec<_>>(),
            [1_000_400]
        );
        assert!(stream.caught_up);
    }

    #[test]
    fn a_worker_that_came_back_has_its_rows_again() {
        let mut stream = stream();
        for (worker, thread) in [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("b", 5), ("a", 6)] {
            stream.add_thread(Lane {
                worker: format!("tcp://{worker}"),
                worker_name: "0".into(),
                thread,
            });
        }
        let lanes: Vec<u16> = stream.threads.iter().map(|thread| thread.lane).collect();
        assert_eq!(lanes, [0, 1, 0, 1, 2, 2]);
        assert_eq!((stream.lanes.len(), stream.timeline.lanes()), (3, 3));
        assert_eq!(stream.lanes[0].thread, 3);
    }

    #[test]
    fn a_batch_that_makes_no_sense_is_refused() {
        let ragged = TaskBatch {
            lane: vec![0],
            ..batch()
        };
        assert!(matches!(stream().extend(ragged), Err(StreamError::Ragged)));
        let nameless = TaskBatch {
            prefixes: Vec::new(),
            ..batch()
        };
        assert!(matches!(
            stream().extend(nameless),
            Err(StreamError::NoSuchPrefix(0))
        ));
        let nowhere = TaskBatch {
            lanes: Vec::new(),
            ..batch()
        };
        assert!(matches!(stream().extend(nowhere), Err(StreamError::Rect(_))));
    }
}
