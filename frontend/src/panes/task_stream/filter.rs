//! What the user chose to see of a task stream, kept across a reload of the page.

use protocol::live::Lane;

use super::camera::Camera;
use crate::state::kept::Place;

/// The palette is the same in all panes, and the next day.
const PALETTE: &str = "gatehouse-palette";
const SAFE: &str = "safe";

/// Which tasks are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of key prefixes; none: all of them.
    pub prefixes: Vec<String>,
    /// A part of the names or addresses of workers.
    pub workers: String,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.workers.is_empty()
    }

    /// Shows a prefix too, or no longer.
    pub fn toggle(&mut self, prefix: &str) {
        let before = self.prefixes.len();
        self.prefixes.retain(|name| name != prefix);
        if self.prefixes.len() == before {
            self.prefixes.push(prefix.to_owned());
        }
    }

    pub fn admits(&self, lane: &Lane) -> bool {
        let wanted = self.workers.to_lowercase();
        wanted.is_empty()
            || lane.worker_name.to_lowercase().contains(&wanted)
            || lane.worker.to_lowercase().contains(&wanted)
    }
}

/// Keeps filter and window of a pane: the window's ends in microseconds, nothing while it follows, then a line each.
pub(super) fn keep(name: &str, filter: &Filter, camera: &Camera) {
    let view = camera.view();
    let window = if camera.following() {
        String::new()
    } else {
        format!("{} {}", view.t0_us(), view.t1_us())
    };
    let prefixes = filter.prefixes.join("\n");
    Place::Tab.set(name, &format!("{window}\n{}\n{prefixes}", filter.workers));
}

/// What was kept: the filter and, where the pane stood still, its window.
pub(super) fn kept(name: &str) -> (Filter, Option<(f64, f64)>) {
    read(&Place::Tab.get(name).unwrap_or_default())
}

fn read(text: &str) -> (Filter, Option<(f64, f64)>) {
    let mut lines = text.lines();
    let window = lines.next().and_then(|line| line.split_once(' '));
    let window =
        window.and_then(|(t0, t1)| Some((t0.parse::<i64>().ok()? as f64, t1.parse::<i64>().ok()? as f64)));
    let filter = Filter {
        workers: lines.next().unwrap_or_default().to_owned(),
        prefixes: lines.map(str::to_owned).collect(),
    };
    (filter, window)
}

/// Whether the user wants colours that everybody can tell apart.
pub(super) fn safe_palette() -> bool {
    Place::Browser.get(PALETTE).as_deref() == Some(SAFE)
}

pub(super) fn keep_palette(safe: bool) {
    Place::Browser.set(PALETTE, if safe { SAFE } else { "dask" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_admits_parts_of_names_and_addresses() {
        let lane = Lane {
            worker: "tcp://10.0.0.7:4000".into(),
            worker_name: "Node-7".into(),
            thread: 1,
        };
        let with = |workers: &str| Filter {
            workers: workers.into(),
            ..Filter::default()
        };
        assert!(with("").admits(&lane) && with("node").admits(&lane) && with("10.0.0.7").admits(&lane));
        assert!(!with("node-8").admits(&lane));
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let (filter, window) = read("1795334646000000 1795334647000000\nnode\ninc\nsum");
        assert_eq!(window, Some((1_795_334_646e6, 1_795_334_647e6)));
        assert_eq!((filter.workers.as_str(), filter.prefixes.len()), ("node", 2));
        let (mut filter, window) = read("");
        assert!(filter.is_empty() && window.is_none());
        filter.toggle("inc");
        assert_eq!(filter.prefixes, ["inc"]);
        filter.toggle("inc");
        assert!(filter.is_empty());
    }
}
