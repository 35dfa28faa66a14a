use super::*;

fn texts(output: &Output) -> Vec<(Stream, &str)> {
    output
        .blocks
        .iter()
        .filter_map(|block| match &block.content {
            Content::Text(stream, text) => Some((*stream, text.as_str())),
            _ => None,
        })
        .collect()
}

fn stdout(output: &mut Output, text: &str) {
    output.push(&JobOutput::Stdout { text: text.into() });
}

#[test]
fn streams_keep_their_order_and_colour() {
    let mut output = Output::default();
    stdout(&mut output, "a\n");
    stdout(&mut output, "b\n");
    output.push(&JobOutput::Stderr {
        text: "warn\n".into(),
    });
    output.push(&JobOutput::Shown {
        data: [("text/plain".to_owned(), "42".to_owned())].into(),
        result: true,
        id: None,
        update: false,
    });
    assert_eq!(
        texts(&output),
        [
            (Stream::Stdout, "a\nb\n"),
            (Stream::Stderr, "warn\n"),
            (Stream::Result, "42\n")
        ]
    );
    assert_eq!(output.to_text(), "a\nb\nwarn\n42\n");
}

#[test]
fn control_sequences_go_even_when_cut() {
    let mut output = Output::default();
    stdout(&mut output, "\u{1b}[0;31mred\u{1b}[");
    stdout(&mut output, "0m plain\u{1b}]0;title\u{7}!");
    output.push(&JobOutput::Error {
        name: "E".into(),
        value: "x".into(),
        traceback: vec!["\u{1b}[1mTraceback\u{1b}[0m".into(), "E: x".into()],
    });
    assert_eq!(output.to_text(), "red plain!\nTraceback\nE: x\n");
}

#[test]
fn a_carriage_return_rewrites_its_line_only() {
    let mut output = Output::default();
    stdout(&mut output, "head\n10 %\r20 %\r");
    stdout(&mut output, "30 %");
    stdout(&mut output, "\rdone\r\nnext\r\n");
    assert_eq!(output.to_text(), "head\ndone\nnext\n");
}

#[test]
fn only_the_last_of_much_output_is_kept() {
    let mut output = Output::default();
    let line = "x".repeat(1023) + "\n";
    for _ in 0..(12 << 10) {
        stdout(&mut output, &line);
    }
    assert!(output.dropped());
    let kept: usize = output.blocks().map(|b| b.bytes()).sum();
    assert!(kept <= KEEP && kept > KEEP - 2 * BLOCK, "{kept}");
    assert_eq!(kept, output.bytes);
}

#[test]
fn blocks_that_rest_are_not_copied() {
    let mut output = Output::default();
    for _ in 0..100 {
        stdout(&mut output, &("y".repeat(999) + "\n"));
    }
    let before: Vec<_> = output.blocks().cloned().collect();
    stdout(&mut output, "more\n");
    let same = output
        .blocks()
        .zip(&before)
        .filter(|(a, b)| Rc::ptr_eq(a, b))
        .count();
    assert_eq!(same, before.len() - 1);
}

fn shown(kind: &str, data: &str, id: Option<&str>, update: bool) -> JobOutput {
    let words = ("text/plain".to_owned(), format!("<{data}>"));
    JobOutput::Shown {
        data: [(kind.to_owned(), data.to_owned()), words].into(),
        result: false,
        id: id.map(str::to_owned),
        update,
    }
}

#[test]
fn what_is_shown_anew_takes_its_place() {
    let mut output = Output::default();
    output.push(&shown("text/html", "<b>1</b>", Some("a"), false));
    stdout(&mut output, "x\n");
    output.push(&shown("image/png", "AA\nBB", None, false));
    output.push(&shown("text/html", "<b>2</b>", Some("a"), true));
    output.push(&shown("text/html", "<b>3</b>", Some("other"), true));
    let rich: Vec<_> = output
        .blocks()
        .filter_map(|block| match &block.content {
            Content::Rich { rich, .. } => rich.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(
        rich,
        [
            Rich::Html("<b>2</b>".into()),
            Rich::Picture("data:image/png;base64,AABB".into())
        ]
    );
    assert_eq!(output.to_text(), "<<b>2</b>>x\n<AA\nBB>");
    let counted: usize = output.blocks().map(|block| block.bytes()).sum();
    assert_eq!(counted, output.bytes);
}

#[test]
fn a_cell_ends_above_its_output() {
    let mut output = Output::default();
    for (cell, ended) in [(0, false), (0, true), (1, false)] {
        let source = (!ended).then(|| format!("cell {cell}"));
        output.push(&JobOutput::Cell { cell, ended, source });
        if !ended {
            stdout(&mut output, "said\n");
        }
    }
    let cells: Vec<_> = output
        .blocks()
        .filter_map(|block| match &block.content {
            Content::Cell { source, state, .. } => Some((source.as_str(), *state)),
            _ => None,
        })
        .collect();
    assert_eq!(
        cells,
        [("cell 0", CellState::Done), ("cell 1", CellState::Running)]
    );
    assert_eq!(output.to_text(), "said\nsaid\n");
}

#[test]
fn what_is_cleared_is_gone_from_its_cell_only() {
    let begins = |source: Option<&str>| JobOutput::Cell {
        cell: 0,
        ended: false,
        source: source.map(str::to_owned),
    };
    // The cells of a notebook, and the attempts of what is none.
    for source in [Some("code"), None] {
        let mut output = Output::default();
        output.push(&begins(source));
        stdout(&mut output, "first\n");
        output.push(&begins(source));
        let cells = output.blocks().count();
        stdout(&mut output, "10 %\n");
        output.push(&shown("text/html", "<b>10 %</b>", None, false));
        output.push(&JobOutput::Cleared);
        assert_eq!(
            (output.to_text().as_str(), output.blocks().count()),
            ("first\n", cells)
        );
        stdout(&mut output, "20 %\n");
        assert_eq!(output.to_text(), "first\n20 %\n");
        let counted: usize = output.blocks().map(|block| block.bytes()).sum();
        assert_eq!(counted, output.bytes);
    }
}

#[test]
fn words_that_are_shown_anew_take_their_place() {
    let mut output = Output::default();
    for (words, update) in [("0 %", false), ("99 %", true)] {
        output.push(&JobOutput::Shown {
            data: [("text/plain".to_owned(), words.to_owned())].into(),
            result: false,
            id: Some("bar".into()),
            update,
        });
    }
    assert_eq!(output.to_text(), "99 %");
    output.push(&shown("text/markdown", "# Title", None, false));
    assert_eq!(output.to_text(), "99 %\n# Title\n");
}

#[test]
fn a_cell_that_raised_stays_so() {
    let mut output = Output::default();
    let cell = |ended| JobOutput::Cell {
        cell: 0,
        ended,
        source: Some("1 / 0".into()),
    };
    output.push(&cell(false));
    output.push(&JobOutput::Error {
        name: "E".into(),
        value: String::new(),
        traceback: Vec::new(),
    });
    output.push(&cell(true));
    let state = output.blocks().find_map(|block| match block.content {
        Content::Cell { state, .. } => Some(state),
        _ => None,
    });
    assert_eq!(state, Some(CellState::Raised));
}
