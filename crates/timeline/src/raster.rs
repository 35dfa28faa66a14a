//! Lanes painted into rows of pixels.
//!
//! # The rule
//!
//! A row is painted in three layers, each over the one before: compute; transfer, disk and deserialize; errors. For a
//! column and a layer, *covered* is the sum of what the layer's rectangles cover of the column's span ([`View::edge`]), at
//! most the span itself. The layer's colour in the column is that of the rectangle that covers most of it, the earliest
//! arrival among equals. Its opacity is `max(floor(255 * covered / span), LEAST[layer])`, times the colour's own alpha over
//! 255, rounded; so a rectangle that covers the whole column has exactly its colour, and one narrower than a pixel still
//! shows. A column that no rectangle touches stays transparent. Layers are combined by the usual "over" of straight alpha.
//!
//! So that neighbours of one colour can be told apart, a column in which a compute rectangle begins that ends at least
//! [`SEAM_FROM`] columns later has five eighths of its opacity.
//!
//! Rectangles of a prefix that [`Colors::only`] leaves out are not there. With [`Colors::stripes`] the two upper layers are
//! striped: of the pixels that [`View`] counts from the epoch, two keep their colour and the next two have one that is three
//! quarters white.

use protocol::live::Action;

use crate::forest::{Forest, Leaf, Node, Step, Visit};
use crate::rect::Kind;
use crate::timeline::Timeline;
use crate::view::View;

/// Red, green, blue, straight alpha.
pub type Rgba = [u8; 4];

/// Layers of a lane, in order of painting.
pub(crate) const LAYERS: usize = 3;

/// Least opacity of a layer where it touches a column at all: errors never fade.
const LEAST: [u32; LAYERS] = [90, 128, 255];

/// Rectangles that end at least so many columns after the one in which they begin are set apart from what is before them.
pub const SEAM_FROM: usize = 4;

pub(crate) fn layer_of(action: Action) -> usize {
    match action {
        Action::Compute => 0,
        Action::Transfer | Action::DiskRead | Action::DiskWrite | Action::Deserialize => 1,
        Action::Erred => 2,
    }
}

/// Colours of rectangles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    /// By prefix id; an id beyond the end has the last one.
    pub prefixes: Vec<Rgba>,
    pub transfer: Rgba,
    pub disk: Rgba,
    pub deserialize: Rgba,
    pub erred: Rgba,
    /// Whether a prefix id is shown, where not all are; an id beyond the end is not.
    pub only: Option<Vec<bool>>,
    /// Whether a pattern sets apart what is not compute, for eyes to which its colours look alike.
    pub stripes: bool,
}

/// Seven colours that look different to everybody, after Okabe and Ito; vermilion is left for transfers.
const SAFE: [[u8; 3]; 7] = [
    [0x56, 0xB4, 0xE9],
    [0xE6, 0x9F, 0x00],
    [0x00, 0x9E, 0x73],
    [0xF0, 0xE4, 0x42],
    [0x00, 0x72, 0xB2],
    [0xCC, 0x79, 0xA7],
    [0x99, 0x99, 0x99],
];

impl Colors {
    /// Dask's own: `prefixes` holds a palette index for each prefix id.
    pub fn dask(prefixes: impl IntoIterator<Item = u8>) -> Self {
        Self {
            prefixes: prefixes.into_iter().map(Self::prefix).collect(),
            transfer: [255, 0, 0, 102],
            disk: [255, 165, 0, 102],
            deserialize: [128, 128, 128, 102],
            erred: [0, 0, 0, 255],
            only: None,
            stripes: false,
        }
    }

    /// Others, for eyes that can't tell Dask's apart: seven colours by turns for that many prefixes, and stripes.
    pub fn safe(prefixes: usize) -> Self {
        Self {
            prefixes: SAFE
                .iter()
                .cycle()
                .take(prefixes)
                .map(|[r, g, b]| [*r, *g, *b, 255])
                .collect(),
            transfer: [0xD5, 0x5E, 0x00, 230],
            disk: [90, 60, 20, 230],
            deserialize: [90, 90, 90, 230],
            stripes: true,
            ..Self::dask([])
        }
    }

    /// The same where the page is dark.
    pub fn on_dark(mut self) -> Self {
        for [r, g, b, _] in &mut self.prefixes {
            [*r, *g, *b] = crate::color::on_dark([*r, *g, *b]);
        }
        self
    }

    /// Whether rectangles of this prefix are shown.
    pub fn shows(&self, prefix: u16) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.get(usize::from(prefix)).copied().unwrap_or(false))
    }

    /// The colour of a palette index.
    pub fn prefix(index: u8) -> Rgba {
        let [r, g, b] = crate::color::PALETTE[usize::from(index) % crate::color::PALETTE.len()];
        [r, g, b, 255]
    }

    /// The colour of a rectangle that covers a whole pixel.
    pub fn of(&self, prefix: u16, action: Action) -> Rgba {
        match action {
            Action::Compute => {
                let found = self.prefixes.get(usize::from(prefix)).or(self.prefixes.last());
                found.copied().unwrap_or([128, 128, 128, 255])
            }
            Action::Transfer => self.transfer,
            Action::DiskRead | Action::DiskWrite => self.disk,
            Action::Deserialize => self.deserialize,
            Action::Erred => self.erred,
        }
    }
}

/// The columns of a [`View`], with what finds a moment's column by one look into a table.
#[derive(Clone, Debug)]
pub struct Columns {
    shift: u32,
    len: usize,
    /// Number of the first column's pixel.
    first: i64,
    /// Where each column begins, and [`SEAM_FROM`] beyond the last one.
    edges: Vec<i64>,
    column_of_bucket: Vec<u32>,
}

impl Columns {
    pub fn new(view: &View) -> Self {
        let len = view.width() as usize;
        let edges: Vec<i64> = (0..=(len + SEAM_FROM) as i64).map(|x| view.edge(x)).collect();
        let mut column_of_bucket = Vec::with_capacity(2 * len);
        for (column, span) in edges[..=len].windows(2).enumerate() {
            for _ in 0..(span[1] - span[0]) >> view.shift() {
                column_of_bucket.push(column as u32);
            }
        }
        Self {
            shift: view.shift(),
            len,
            first: view.first(),
            edges,
            column_of_bucket,
        }
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column that shows a moment inside of the window.
    #[inline]
    fn at(&self, t_us: i64) -> usize {
        let bucket = ((t_us - self.edges[0]) >> self.shift) as usize;
        self.column_of_bucket[bucket] as usize
    }

    /// How much of a column is covered, of 255. Its span is one bucket or two, so a shift divides by it.
    #[inline]
    fn share(&self, column: usize, covered: i64) -> u32 {
        let span = self.edges[column + 1] - self.edges[column];
        let shift = self.shift + u32::from(span >> self.shift == 2);
        if covered >= span {
            255
        } else {
            ((255 * covered) >> shift) as u32
        }
    }

    /// Whether a rectangle begins in `column` and ends at least [`SEAM_FROM`] columns later.
    #[inline]
    fn is_wide(&self, column: usize, start: i64, end: i64) -> bool {
        start >= self.edges[column] && end > self.edges[column + SEAM_FROM]
    }

    /// Whether a column has the lighter colour where there are stripes.
    #[inline]
    fn is_light(&self, column: usize) -> bool {
        (self.first + column as i64) & 2 != 0
    }

    /// The columns that show any of the time from `from` up to, not including, `to`.
    pub(crate) fn touched_by(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let (begin, end) = (self.edges[0], self.edges[self.len()]);
        if self.is_empty() || to <= begin || from >= end || to <= from {
            return 0..0;
        }
        self.at(from.max(begin))..self.at(to.min(end) - 1) + 1
    }
}

/// Paints rows; keeps its working memory between them.
#[derive(Debug, Default)]
pub struct Painter {
    cells: Vec<Cell>,
}

/// What a layer has in a column.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    covered: i64,
    most: i64,
    kind: Kind,
    /// A rectangle that is wide enough to be seen for itself begins here.
    seam: bool,
}

impl Painter {
    /// Paints the given columns of a lane into `row`, which holds all columns. A lane that isn't there is empty.
    pub fn paint(
        &mut self,
        timeline: &Timeline,
        lane: u16,
        columns: &Columns,
        which: std::ops::Range<usize>,
        colors: &Colors,
        row: &mut [Rgba],
    ) {
        let which = which.start..which.end.min(columns.len()).min(row.len());
        if which.is_empty() {
            return;
        }
        row[which.clone()].fill([0; 4]);
        let Some(layers) = timeline.layers(lane) else {
            return;
        };
        for (layer, (forest, least)) in layers.iter().zip(LEAST).enumerate() {
            if self.sweep(forest, columns, which.clone(), colors) {
                for x in which.clone() {
                    let cell = &self.cells[x - which.start];
                    if cell.most > 0 {
                        let mut color = colors.of(cell.kind.prefix(), cell.kind.action());
                        if colors.stripes && layer > 0 && columns.is_light(x) {
                            color = lightened(color);
                        }
                        let share = columns.share(x, cell.covered).max(least);
                        let share = if cell.seam && layer == 0 {
                            share * 5 / 8
                        } else {
                            share
                        };
                        row[x] = over(faded(color, share), row[x]);
                    }
                }
            }
        }
    }

    /// Fills the cells; `false` where the layer has nothing in these columns.
    fn sweep(
        &mut self,
        forest: &Forest,
        columns: &Columns,
        which: std::ops::Range<usize>,
        colors: &Colors,
    ) -> bool {
        let (from, to) = (columns.edges[which.start], columns.edges[which.end]);
        if forest
            .bounds()
            .is_none_or(|(start, end)| end <= from || start >= to)
        {
            return false;
        }
        self.cells.clear();
        self.cells.resize(which.len(), Cell::default());
        let mut sweep = Sweep {
            columns,
            only: colors.only.is_some().then_some(colors),
            from,
            to,
            base: which.start,
            cells: &mut self.cells,
            column: which.start,
            begin: from,
            end: from,
            cell: Cell::default(),
        };
        forest.visit(from, to, &mut sweep);
        sweep.flush();
        true
    }
}

struct Sweep<'a> {
    columns: &'a Columns,
    /// What is shown, where not everything is: a summary of several is no use then.
    only: Option<&'a Colors>,
    from: i64,
    to: i64,
    /// Column of the first cell.
    base: usize,
    cells: &'a mut [Cell],
    /// The column that was last added to, its span, and its cell: the next rectangle is often in the same one.
    column: usize,
    begin: i64,
    end: i64,
    cell: Cell,
}

impl Sweep<'_> {
    /// Makes a column the current one.
    #[inline]
    fn turn_to(&mut self, column: usize) {
        self.flush();
        self.column = column;
        self.begin = self.columns.edges[column];
        self.end = self.columns.edges[column + 1];
        self.cell = self.cells[column - self.base];
    }

    #[inline]
    fn flush(&mut self) {
        if self.begin < self.end {
            self.cells[self.column - self.base] = self.cell;
        }
    }

    /// Fills the columns after the current one up to the one that holds `last_us`, and makes that the current one.
    fn fill_to(&mut self, last_us: i64, kind: Kind) {
        let (first, last) = (self.column + 1, self.columns.at(last_us));
        let spans = self.columns.edges[first..=last].windows(2);
        for (cell, span) in self.cells[first - self.base..last - self.base]
            .iter_mut()
            .zip(spans)
        {
            cell.add(span[1] - span[0], span[1] - span[0], kind);
        }
        self.turn_to(last);
    }

    /// Makes the column that holds the moment the current one; it is often the next.
    #[inline]
    fn turn_to_time(&mut self, t_us: i64) {
        if t_us < self.begin || t_us >= self.end {
            self.turn_to(self.columns.at(t_us));
        }
    }
}

impl Visit for Sweep<'_> {
    #[inline]
    fn node(&mut self, node: &Node) -> Step {
        if node.start < self.from || node.end > self.to {
            return Step::Into;
        }
        if self.only.is_some() {
            return Step::Into;
        }
        self.turn_to_time(node.start);
        if node.end > self.end {
            return Step::Into;
        }
        self.cell.add(node.busy, node.longest, node.longest_kind);
        Step::Over
    }

    #[inline]
    fn leaf(&mut self, leaf: Leaf) {
        if self.only.is_some_and(|only| !only.shows(leaf.kind.prefix())) {
            return;
        }
        let (mut start, end) = (leaf.start.max(self.from), leaf.end.min(self.to));
        self.turn_to_time(start);
        // Also in the last column, where what is left of the rectangle lies beyond the window.
        if leaf.end > self.end {
            self.cell.seam |= self.columns.is_wide(self.column, leaf.start, leaf.end);
        }
        if end > self.end {
            let head = self.end - start;
            self.cell.add(head, head, leaf.kind);
            self.fill_to(end - 1, leaf.kind);
            start = self.begin;
        }
        self.cell.add(end - start, end - start, leaf.kind);
    }
}

impl Cell {
    #[inline]
    fn add(&mut self, covered: i64, most: i64, kind: Kind) {
        self.covered += covered;
        // Which of two is longer can't be predicted: both ways are computed, none is guessed.
        let more = most > self.most;
        self.most = std::hint::select_unpredictable(more, most, self.most);
        self.kind = std::hint::select_unpredictable(more, kind, self.kind);
    }
}

/// A colour where only a part of a column is covered, of 255.
fn faded([r, g, b, alpha]: Rgba, share: u32) -> Rgba {
    [r, g, b, ((share * u32::from(alpha) + 127) / 255) as u8]
}

/// A colour with three parts of white.
fn lightened([r, g, b, alpha]: Rgba) -> Rgba {
    let mix = |part: u8| ((u32::from(part) + 3 * 255) / 4) as u8;
    [mix(r), mix(g), mix(b), alpha]
}

/// `top` over `under`, straight alpha.
fn over(top: Rgba, under: Rgba) -> Rgba {
    if top[3] == 255 || under[3] == 0 {
        return top;
    }
    let upper = 255 * u32::from(top[3]);
    let lower = u32::from(under[3]) * (255 - u32::from(top[3]));
    let alpha = upper + lower;
    let mix = |i: usize| {
        ((u32::from(top[i]) * upper + u32::from(under[i]) * lower + alpha / 2) / alpha.max(1)) as u8
    };
    [mix(0), mix(1), mix(2), ((alpha + 127) / 255) as u8]
}

/// Paints a whole lane into a row as wide as the view, by the [rule of this module](self).
pub fn raster_row(timeline: &Timeline, lane: u16, view: &View, colors: &Colors, row: &mut [Rgba]) {
    Painter::default().paint(timeline, lane, &Columns::new(view), 0..row.len(), colors, row);
}
