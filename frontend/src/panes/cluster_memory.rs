//! Cluster Memory: what all workers together store, by parts, against their limit.

use protocol::live::Topics;

use super::bars::{self, BOTTOM, stack};
use super::hue;
use super::memory::{LEGEND, PARTS, figures, parts, sum, tone};
use super::plot::{Cell, Column, Data, Figure, Picture, Plot, Room, Table, Tip};
use crate::draw::scale::{ACROSS, Scale, Unit};
use crate::draw::shape::{Area, Shape};

/// Height of the bar, CSS pixels, at most; and what is free beside it.
const BAR: f64 = 72.0;
const SIDE: f64 = 20.0;
const TOP: f64 = 10.0;

pub struct ClusterMemory;

const COLUMNS: [Column; 3] = [
    ("Part", Unit::Text),
    ("Memory", Unit::Bytes),
    ("Of limit", Unit::Percent),
];

impl Plot for ClusterMemory {
    fn topics(&self) -> Topics {
        bars::TOPICS
    }

    fn table(&self, data: &Data<'_>) -> Table {
        let workers = data.workers();
        let all = sum(&workers);
        let row = |name: &str, bytes: u64| -> Vec<Cell> {
            let share = (all.limit > 0).then(|| 100.0 * bytes as f64 / all.limit as f64);
            vec![name.into(), bytes.into(), share.into()]
        };
        let mut rows: Vec<_> = PARTS.iter().map(|(name, of, _)| row(name, of(&all))).collect();
        rows.push(row("Limit", all.limit));
        if workers.is_empty() {
            rows.clear();
        }
        Table {
            columns: &COLUMNS,
            rows,
            totals: row("Stored in memory", all.process),
        }
    }

    fn picture(&self, data: &Data<'_>, room: Room<'_>) -> Picture {
        let workers = data.workers();
        let mut picture = Picture {
            height: room.height,
            ..Picture::default()
        };
        if workers.is_empty() {
            return picture;
        }
        let all = sum(&workers);
        // As Dask does: the worst of the workers gives the colour.
        let worst = [hue::RED, hue::ORANGE]
            .into_iter()
            .find(|color| workers.iter().any(|worker| tone(worker) == *color));
        let plot = Area::new(
            SIDE,
            TOP,
            (room.width - 2.0 * SIDE).max(1.0),
            (room.height - TOP - BOTTOM).clamp(4.0, BAR),
        );
        let most = all.limit.max(all.process + all.spilled) as f64;
        let scale = Scale::new(Unit::Bytes, most, plot.w, ACROSS);
        picture.shapes.push(Shape::Axes {
            area: plot,
            x: scale.clone(),
            y: Scale::bare(1.0),
        });
        let bar = Area {
            y: plot.y + 2.0,
            h: plot.h - 4.0,
            ..plot
        };
        for (row, area) in stack(
            &mut picture,
            &parts(&all, worst.unwrap_or(hue::BLUE)),
            &scale,
            bar,
        ) {
            picture.spots.push((area, Tip::Row(row)));
        }
        picture
    }

    fn figures(&self, data: &Data<'_>) -> Vec<Figure> {
        figures(data)
    }

    fn legend(&self) -> &'static [(&'static str, &'static str)] {
        &LEGEND
    }
}
