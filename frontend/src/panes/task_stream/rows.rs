//! Where each worker thread's row lies: grouped by worker, workers in natural order of their names.

use std::cmp::Ordering;

use protocol::live::Lane;

use super::filter::Filter;

/// Height of a row with its gap, CSS pixels, at least and at most.
const PITCH: (f64, f64) = (6.0, 36.0);
/// At least, of a worker's only row: beside it there is room for the worker's name.
const ONLY: f64 = 13.0;
/// Gap between workers, CSS pixels.
const GROUP_GAP: f64 = 5.0;

/// All rows, in CSS pixels from the top of the content, which may be higher than the plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// From top to bottom.
    pub rows: Vec<Row>,
    pub groups: Vec<Group>,
    pub height: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub lane: u16,
    pub y: f64,
    pub height: f64,
}

/// A worker and its threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Short enough for the side of the plot.
    pub name: String,
    pub full_name: String,
    pub address: String,
    pub threads: usize,
    pub y: f64,
    pub height: f64,
}

impl Rows {
    /// Lays out the lanes of the workers that the filter admits, for a plot of `height` CSS pixels.
    pub fn layout(lanes: &[Lane], filter: &Filter, height: f64) -> Self {
        let mut order: Vec<usize> = (0..lanes.len())
            .filter(|&lane| filter.admits(&lanes[lane]))
            .collect();
        order.sort_by(|&a, &b| {
            natural(&lanes[a].worker_name, &lanes[b].worker_name)
                .then_with(|| lanes[a].worker.cmp(&lanes[b].worker))
                .then(a.cmp(&b))
        });
        let workers = order.chunk_by(|&a, &b| lanes[a].worker == lanes[b].worker);
        let count = workers.clone().count();
        let gaps = GROUP_GAP * (count as f64 + 1.0);
        let least = if count == order.len() { ONLY } else { PITCH.0 };
        let pitch = ((height - gaps) / order.len().max(1) as f64).clamp(least, PITCH.1);
        let gap = if pitch >= 10.0 { 2.0 } else { 1.0 };
        let mut layout = Self {
            height: GROUP_GAP,
            ..Self::default()
        };
        for worker in workers {
            let y = layout.height;
            for (n, &lane) in worker.iter().enumerate() {
                layout.rows.push(Row {
                    lane: lane as u16,
                    y: y + n as f64 * pitch,
                    height: pitch - gap,
                });
            }
            let height = worker.len() as f64 * pitch - gap;
            let first = &lanes[worker[0]];
            layout.groups.push(Group {
                name: short(&first.worker_name).to_owned(),
                full_name: first.worker_name.clone(),
                address: first.worker.clone(),
                threads: worker.len(),
                y,
                height,
            });
            layout.height = y + height + gap + GROUP_GAP;
        }
        layout
    }

    /// The row at a height, or the one whose gap is there.
    pub fn at(&self, y: f64) -> Option<&Row> {
        let next = self.rows.partition_point(|row| row.y <= y);
        let row = self.rows.get(next.checked_sub(1)?)?;
        (y < row.y + row.height + 2.0).then_some(row)
    }
}

/// A name as it is, or the first eight digits of one that is only a long hexadecimal number, as gateways give.
pub(super) fn short(name: &str) -> &str {
    let hash = name.len() >= 24 && name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if hash { &name[..8] } else { name }
}

/// Compares names as people do: `worker-2` before `worker-10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            let (digits_a, after_a) = leading_digits(rest_a);
            let (digits_b, after_b) = leading_digits(rest_b);
            let (number_a, number_b) = (digits_a.trim_start_matches('0'), digits_b.trim_start_matches('0'));
            let order = number_a
                .len()
                .cmp(&number_b.len())
                .then_with(|| number_a.cmp(number_b));
            if order != Ordering::Equal {
                return order;
            }
            (rest_a, rest_b) = (after_a, after_b);
        } else {
            if first_a != first_b {
                return first_a.cmp(&first_b);
            }
            (rest_a, rest_b) = (&rest_a[first_a.len_utf8()..], &rest_b[first_b.len_utf8()..]);
        }
    }
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str, thread: u64) -> Lane {
        Lane {
            worker: format!("tcp://{name}"),
            worker_name: name.to_owned(),
            thread,
        }
    }

    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = [
            "w-10", "w-2", "w-02b", "a", "W-1", "w-2-9", "w-2-10", "", "10", "9",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "", "9", "10", "W-1", "a", "w-2", "w-2-9", "w-2-10", "w-02b", "w-10"
            ]
        );
    }

    #[test]
    fn names_that_are_numbers_get_short() {
        assert_eq!(short("3c39f830d09c48bf9cc79609b86060c0"), "3c39f830");
        assert_eq!(short("tls://127.0.0.1:40000/a/b"), "tls://127.0.0.1:40000/a/b");
        assert_eq!(short("worker-12"), "worker-12");
    }

    #[test]
    fn rows_of_a_worker_stay_together() {
        let lanes = [lane("10", 1), lane("2", 1), lane("10", 2), lane("2", 2)];
        let rows = Rows::layout(&lanes, &Filter::default(), 400.0);
        assert_eq!(rows.rows.iter().map(|r| r.lane).collect::<Vec<_>>(), [1, 3, 0, 2]);
        assert_eq!(
            rows.groups
                .iter()
                .map(|g| (g.name.as_str(), g.threads))
                .collect::<Vec<_>>(),
            [("2", 2), ("10", 2)]
        );
        assert!(
            rows.rows
                .windows(2)
                .all(|pair| pair[0].y + pair[0].height <= pair[1].y)
        );
        let third = rows.rows[2];
        assert_eq!(rows.at(third.y + 1.0).map(|r| r.lane), Some(0));
        assert_eq!(rows.at(0.0), None);
        assert_eq!(rows.at(390.0), None);
    }

    #[test]
    fn many_rows_are_higher_than_the_plot() {
        let lanes: Vec<_> = (0..300).map(|i| lane(&i.to_string(), 1)).collect();
        let rows = Rows::layout(&lanes, &Filter::default(), 400.0);
        assert!(rows.height > 400.0);
        assert!(rows.rows.iter().all(|row| row.height >= 11.0));
        let filter = Filter {
            workers: "29".into(),
            ..Filter::default()
        };
        let rows = Rows::layout(&lanes, &filter, 400.0);
        assert_eq!(rows.rows.len(), 13, "29, 129, 229 and 290 to 299");
    }
}
