//! How the user looks at a plot: table or picture, order, filter, choice. A reload keeps it.

use super::stretch::Stretch;
use crate::state::kept::Place;

/// The settings of one pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The table instead of the picture.
    pub table: bool,
    /// Column that rows are ordered by, and whether the largest comes first.
    pub sort: Option<(usize, bool)>,
    /// Words that rows must hold.
    pub search: String,
    /// Address of the one worker that is meant; empty for all.
    pub worker: String,
    /// What the plot lets choose; empty for none.
    pub choice: String,
    /// Asked for anew every few seconds.
    pub auto: bool,
    /// The stretch of time that a plot over time shows; everything where there is none.
    pub stretch: Option<Stretch>,
    /// The part that fills the plot; not kept.
    pub focus: usize,
}

/// What the user changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Table(bool),
    /// Order by a column; the same one again turns the order round, and then ends it.
    Sort(usize),
    Search(String),
    Worker(String),
    Choice(String),
    Auto(bool),
    Stretch(Option<Stretch>),
    Focus(usize),
    /// Asks again.
    Refresh,
}

impl View {
    fn key(plot: &str, cluster: &str) -> String {
        format!("gatehouse:view:{plot}:{cluster}")
    }

    /// The view as this browser tab had it before a reload.
    pub fn restored(plot: &str, cluster: &str) -> Self {
        Place::Tab
            .get(&Self::key(plot, cluster))
            .map(|text| Self::read(&text))
            .unwrap_or_default()
    }

    pub fn remember(&self, plot: &str, cluster: &str) {
        Place::Tab.set(&Self::key(plot, cluster), &self.write());
    }

    fn write(&self) -> String {
        let (column, falling) = self.sort.map_or((String::new(), false), |(column, falling)| {
            (column.to_string(), falling)
        });
        let [length, end] = match self.stretch {
            Some(Stretch { length_us, end_us }) => [
                length_us.to_string(),
                end_us.map_or(String::new(), |end| end.to_string()),
            ],
            None => Default::default(),
        };
        [
            flag(self.table),
            &column,
            flag(falling),
            &self.worker,
            &self.choice,
            flag(self.auto),
            &self.search,
            &length,
            &end,
        ]
        .join("\n")
    }

    /// Reads what [`Self::write`] wrote; what makes no sense is as at first.
    fn read(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut next = || lines.next().unwrap_or_default();
        let table = next() == "1";
        let (column, falling) = (next().parse().ok(), next() == "1");
        Self {
            table,
            sort: column.map(|column| (column, falling)),
            worker: next().to_owned(),
            choice: next().to_owned(),
            auto: next() == "1",
            search: next().to_owned(),
            stretch: next().parse().ok().map(|length_us| Stretch {
                length_us,
                end_us: next().parse().ok(),
            }),
            focus: 0,
        }
    }

    /// Takes a change in.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Table(table) => self.table = table,
            Change::Sort(column) => {
                self.sort = match self.sort {
                    Some((before, true)) if before == column => Some((column, false)),
                    Some((before, false)) if before == column => None,
                    _ => Some((column, true)),
                }
            }
            Change::Search(search) => self.search = search,
            Change::Worker(worker) => {
                self.worker = worker;
                self.focus = 0;
            }
            Change::Choice(choice) => {
                self.choice = choice;
                self.focus = 0;
            }
            Change::Auto(auto) => self.auto = auto,
            Change::Stretch(stretch) => self.stretch = stretch,
            Change::Focus(focus) => self.focus = focus,
            Change::Refresh => {}
        }
    }
}

fn flag(on: bool) -> &'static str {
    if on { "1" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_keeps_the_view() {
        let view = View {
            table: true,
            sort: Some((3, true)),
            search: "a b".into(),
            worker: "tls://1:2".into(),
            choice: "inc".into(),
            auto: true,
            stretch: Some(Stretch {
                length_us: 60_000_000,
                end_us: Some(1_795_334_646_893_921),
            }),
            focus: 0,
        };
        assert_eq!(View::read(&view.write()), view);
        let mut following = view.clone();
        following.stretch = view.stretch.map(|stretch| Stretch {
            end_us: None,
            ..stretch
        });
        assert_eq!(View::read(&following.write()), following);
        assert_eq!(View::read(&View::default().write()), View::default());
        assert_eq!(View::read("x"), View::default());
    }

    #[test]
    fn a_column_orders_three_ways() {
        let mut view = View::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            view.apply(Change::Sort(2));
            seen.push(view.sort);
        }
        assert_eq!(seen, [Some((2, true)), Some((2, false)), None, Some((2, true))]);
        view.apply(Change::Sort(0));
        assert_eq!(view.sort, Some((0, true)));
    }

    #[test]
    fn another_worker_has_other_parts() {
        let mut view = View {
            focus: 7,
            ..View::default()
        };
        view.apply(Change::Search("x".into()));
        assert_eq!(view.focus, 7);
        view.apply(Change::Worker("w".into()));
        assert_eq!((view.focus, view.worker.as_str()), (0, "w"));
    }
}
