//! Where the boxes of a graph lie: what belongs together in a block of its own, what is needed left of what needs it.

use super::super::plot::sorted;

/// Sweeps that bring boxes near to those which they need.
const SWEEPS: usize = 4;

/// Column and row of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) column: usize,
    pub(super) row: usize,
}

/// Cells of all boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) cells: Vec<Cell>,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Layout {
    /// `needs` names for each box those that it needs. The block of the last box is the first.
    pub(super) fn new(needs: &[Vec<usize>]) -> Self {
        let columns = columns(needs);
        let blocks = blocks(needs);
        let mut layout = Self {
            cells: vec![Cell::default(); needs.len()],
            columns: columns.iter().max().map_or(0, |last| last + 1),
            rows: 0,
        };
        for block in blocks {
            let rows = rows(&block, &columns, needs);
            for (at, row) in block.iter().zip(&rows) {
                layout.cells[*at] = Cell {
                    column: columns[*at],
                    row: layout.rows + row,
                };
            }
            layout.rows += rows.iter().max().map_or(0, |last| last + 1);
        }
        layout
    }
}

/// The longest way that leads to each. Groups may need each other in a circle; there the way ends.
fn columns(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut columns = vec![None; needs.len()];
    let mut on_way = vec![false; needs.len()];
    for start in 0..needs.len() {
        // A way can be longer than the stack of a browser's thread.
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.pop() {
            if columns[at].is_some() {
                continue;
            }
            on_way[at] = true;
            if let Some(needed) = needs[at].get(next).copied() {
                way.push((at, next + 1));
                if columns[needed].is_none() && !on_way[needed] {
                    way.push((needed, 0));
                }
            } else {
                on_way[at] = false;
                let before = needs[at].iter().filter_map(|needed| columns[*needed]).max();
                columns[at] = Some(before.map_or(0, |before| before + 1));
            }
        }
    }
    columns.into_iter().map(Option::unwrap_or_default).collect()
}

/// Boxes that are connected, the block of the last box first.
fn blocks(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut near = vec![Vec::new(); needs.len()];
    for (at, needed) in needs.iter().enumerate() {
        for other in needed {
            near[at].push(*other);
            near[*other].push(at);
        }
    }
    let mut seen = vec![false; needs.len()];
    let mut blocks = Vec::new();
    for last in (0..needs.len()).rev() {
        if seen[last] {
            continue;
        }
        seen[last] = true;
        let mut block = vec![last];
        let mut at = 0;
        while let Some(one) = block.get(at).copied() {
            at += 1;
            for other in &near[one] {
                if !std::mem::replace(&mut seen[*other], true) {
                    block.push(*other);
                }
            }
        }
        blocks.push(sorted(block, &|a, b| a.cmp(&b)));
    }
    blocks
}

/// Rows of a block's boxes: those of one column one below the other, in the order of the middle of what they need.
fn rows(block: &[usize], columns: &[usize], needs: &[Vec<usize>]) -> Vec<usize> {
    let last = block.iter().map(|at| columns[*at]).max().unwrap_or(0);
    let mut row = vec![0.0; columns.len()];
    let mut lines: Vec<Vec<usize>> = (0..=last)
        .map(|column| {
            block
                .iter()
                .copied()
                .filter(|at| columns[*at] == column)
                .collect()
        })
        .collect();
    let number = |line: &[usize], row: &mut [f64]| {
        for (n, at) in line.iter().enumerate() {
            row[*at] = n as f64;
        }
    };
    for line in &lines {
        number(line, &mut row);
    }
    for sweep in 0..SWEEPS {
        for column in 0..=last {
            // To and fro, so that those which are needed follow as well.
            let column = if sweep % 2 == 0 { column } else { last - column };
            let middle = |at: usize| {
                let near: Vec<f64> = if sweep % 2 == 0 {
                    needs[at].iter().map(|other| row[*other]).collect()
                } else {
                    let by = block.iter().filter(|other| needs[**other].contains(&at));
                    by.map(|other| row[*other]).collect()
                };
                if near.is_empty() {
                    row[at]
                } else {
                    near.iter().sum::<f64>() / near.len() as f64
                }
            };
            let line = &lines[column];
            let middles: Vec<f64> = line.iter().map(|at| middle(*at)).collect();
            let order = sorted((0..line.len()).collect(), &|a, b| {
                middles[a].total_cmp(&middles[b]).then(line[a].cmp(&line[b]))
            });
            lines[column] = order.into_iter().map(|n| line[n]).collect();
            number(&lines[column], &mut row);
        }
    }
    block.iter().map(|at| row[*at] as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_lies_left_of_what_needs_it() {
        let needs = [vec![], vec![0], vec![0, 1], vec![]];
        let layout = Layout::new(&needs);
        assert_eq!((layout.columns, layout.rows), (3, 2));
        let columns: Vec<_> = layout.cells.iter().map(|cell| cell.column).collect();
        assert_eq!(columns, [0, 1, 2, 0]);
        assert_eq!(layout.cells[3].row, 0, "the newest block is the first");
        assert_eq!(layout.cells[2].row, 1);
    }

    #[test]
    fn no_two_boxes_share_a_cell_and_circles_end() {
        // A circle, a chain that is longer than any stack, and a star.
        let mut needs: Vec<Vec<usize>> = vec![vec![2], vec![0], vec![1]];
        needs.extend((3..20_000).map(|at| if at == 3 { vec![] } else { vec![at - 1] }));
        let hub = needs.len();
        needs.push((0..3).collect());
        needs.extend((0..9).map(|_| vec![hub]));
        let layout = Layout::new(&needs);
        let mut seen = std::collections::HashSet::new();
        assert!(
            layout
                .cells
                .iter()
                .all(|cell| seen.insert((cell.column, cell.row)))
        );
        assert_eq!(layout.columns, 20_000 - 3);
        for cell in &layout.cells {
            assert!(cell.column < layout.columns && cell.row < layout.rows);
        }
    }

    #[test]
    fn lines_cross_less_than_they_would() {
        // Two sources, each with a follower, named crosswise.
        let needs = [vec![], vec![], vec![1], vec![0], vec![2, 3]];
        let cells = Layout::new(&needs).cells;
        assert_eq!(cells[2].row, cells[1].row);
        assert_eq!(cells[3].row, cells[0].row);
    }

    #[test]
    fn nothing_takes_no_room() {
        assert_eq!(Layout::new(&[]), Layout::default());
    }
}
