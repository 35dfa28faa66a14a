use std::io::Write;

use super::super::record::job;
use super::*;

async fn all(reader: &mut Reader) -> Vec<Line> {
    let mut lines = Vec::new();
    while let Some(more) = reader.read().await.unwrap() {
        lines.extend(more);
    }
    lines
}

fn out(text: &str) -> Line {
    Line::Stdout { text: text.into() }
}

#[tokio::test]
async fn waits_for_the_file_and_for_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.jsonl");
    let mut reader = Reader::new(path.clone());
    assert_eq!(reader.read().await.unwrap(), None);

    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"{\"kind\":\"stdout\",\"text\":\"a\\n\"}\n{\"kind\":\"std")
        .unwrap();
    assert_eq!(all(&mut reader).await, [out("a\n")]);
    file.write_all("out\",\"text\":\"☃\"}\n".as_bytes()).unwrap();
    file.write_all(
        b"{\"kind\":\"ready\",\"host\":\"h\",\"pid\":7}\n{\"kind\":\"later\",\"x\":1}\nnonsense\n",
    )
    .unwrap();
    file.write_all(b"{\"kind\":\"end\",\"ok\":false,\"error\":\"No.\",\"status\":3,\"more\":[]}\n")
        .unwrap();
    assert_eq!(
        all(&mut reader).await,
        [
            out("☃"),
            Line::Ready {
                host: "h".into(),
                pid: 7,
                language: None,
            },
            Line::Unknown,
            lost("a line that can't be read"),
            Line::End {
                ok: false,
                error: Some("No.".into()),
                status: Some(3),
            },
        ]
    );
}

#[tokio::test]
async fn holds_no_line_without_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    for _ in 0..(2 * LINE_LIMIT / 1024) {
        file.write_all(&[b'x'; 1024]).unwrap();
    }
    let mut reader = Reader::new(path);
    while reader.read().await.unwrap().is_some() {
        assert!(reader.partial.len() <= LINE_LIMIT);
    }
    file.write_all(b"\n{\"kind\":\"stdout\",\"text\":\"after\"}\n")
        .unwrap();
    assert_eq!(
        all(&mut reader).await,
        [lost("a line too long to show"), out("after")]
    );
}

#[tokio::test]
async fn the_end_of_the_job_itself_counts() {
    let (events, mut heard) = broadcast::channel(2);
    let told = |id: &str, state| Job { state, ..job(id, 1) };
    for (id, state) in [
        ("lagged", JobState::Queued),
        ("1", JobState::Running),
        ("2", JobState::Succeeded),
        ("1", JobState::Cancelling),
    ] {
        events.send(told(id, state)).unwrap();
    }
    let early = tokio::time::timeout(Duration::from_millis(20), is_over(&mut heard, "1")).await;
    assert!(early.is_err());
    events.send(told("1", JobState::Cancelled)).unwrap();
    is_over(&mut heard, "1").await;
}

#[tokio::test]
async fn joins_neighbours_and_stops_at_the_end() {
    let (messages, mut receiver) = mpsc::channel(16);
    let err = Line::Stderr { text: "e".into() };
    let long = "l".repeat(MESSAGE);
    let end = Line::End {
        ok: true,
        error: None,
        status: None,
    };
    let lines = vec![
        out("a"),
        Line::Ready {
            host: String::new(),
            pid: 0,
            language: None,
        },
        out("b"),
        err,
        out("c"),
        out(&long),
        end,
        out("too late"),
    ];
    assert!(send(lines, &[], &messages).await.unwrap());
    drop(messages);
    let mut seen = Vec::new();
    while let Some(message) = receiver.recv().await {
        seen.push(message);
    }
    let text = |text: &str| JobOutput::Stdout { text: text.into() };
    assert_eq!(
        seen,
        [
            text("ab"),
            JobOutput::Stderr { text: "e".into() },
            text("c"),
            text(&long)
        ]
    );
}
