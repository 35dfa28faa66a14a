use protocol::rest::Scaling;
use serde_json::json;

use super::*;

fn options() -> Options {
    Options {
        options: vec![spec_of("profile", Some(&json!("Small")))],
        max_workers: Some(4),
        warnings: Vec::new(),
    }
}

#[test]
fn arguments_are_split_as_a_shell_does() {
    for (line, found) in [
        ("", vec![]),
        ("  -n 3\tx ", vec!["-n", "3", "x"]),
        (
            r#"--name "a b" 'c "d"' e\ f """#,
            vec!["--name", "a b", "c \"d\"", "e f", ""],
        ),
        (r#"a'b'"c""#, vec!["abc"]),
    ] {
        let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
        assert_eq!(words(line).as_ref(), Ok(&found), "{line}");
        assert_eq!(words(&quoted(&found)), Ok(found), "{line}");
    }
    assert!(words("it's").is_err() && words("a\\").is_err());
    let odd = vec!["it's".to_owned(), "$HOME".to_owned()];
    assert_eq!(words(&quoted(&odd)), Ok(odd));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let draft = JobDraft {
        place: PlaceKind::Cluster,
        time_limit: "soon".into(),
        retries: "-1".into(),
        wait_for: "two".into(),
        environment: "[1".into(),
        ..JobDraft::default()
    };
    let errors = draft.accept(None, None).expect_err("much is wrong");
    for field in [
        "code",
        "cluster",
        "time_limit",
        "retries",
        "wait_for",
        "environment",
    ] {
        assert!(errors.fields.get(field).is_some(), "{field}");
        assert!(FIELDS.iter().any(|(known, _)| *known == field), "{field}");
    }
}

#[test]
fn a_fresh_cluster_has_workers() {
    let draft = JobDraft {
        code: "1".into(),
        place: PlaceKind::Fresh,
        time_limit: "1.5".into(),
        environment: "N: 1\nM: a b".into(),
        ..JobDraft::default()
    };
    let draft = draft.with_workers(Some(1));
    let request = draft.accept(Some(&options()), None).expect("it passes");
    assert_eq!(request.place.scaling, Some(Scaling::Manual { workers: 1 }));
    assert_eq!(request.place.options["profile"], json!("Small"));
    assert_eq!(request.time_limit_s, Some(90));
    assert_eq!(request.environment["M"], "a b");
    let mut many = draft;
    many.fresh.scale.workers = "9".into();
    let errors = many.accept(Some(&options()), None).expect_err("at most 4");
    assert!(errors.fresh.scale.is_some());
}

#[test]
fn only_parameters_that_were_touched_are_sent() {
    let parameter = |name: &str, default: Option<Value>| Parameter {
        name: name.into(),
        default,
        ..Parameter::default()
    };
    let file = JobFile {
        path: "a.ipynb".into(),
        kind: WorkKind::Notebook,
        parameters: vec![
            parameter("n", Some(json!(1))),
            parameter("rate", Some(json!(0.5))),
            parameter("when", None),
        ],
        ..JobFile::default()
    };
    let mut draft = JobDraft {
        kind: Kind::File,
        path: "/a.ipynb".into(),
        file: Some(Rc::new(file)),
        ..JobDraft::default()
    };
    draft.parameters.set("n", Draft::Text("7".into()));
    draft.parameters.set("when", Draft::Text("[1, 2]".into()));
    let work = draft.accept(None, None).expect("it passes").work;
    assert_eq!(Value::Object(work.parameters), json!({"n": 7, "when": [1, 2]}));
    assert_eq!(
        (work.path.as_deref(), work.source.as_str()),
        (Some("a.ipynb"), "")
    );
    draft.parameters.set("rate", Draft::Text("fast".into()));
    let errors = draft.accept(None, None).expect_err("no number");
    assert!(errors.fields.get("parameters.rate").is_some());
}

#[test]
fn a_job_comes_back_as_it_was() {
    let request = CreateJob {
        work: Work {
            kind: WorkKind::Script,
            source: "import sys".into(),
            path: Some("etl/load.py".into()),
            args: vec!["--day".into(), "a b".into()],
            ..Work::default()
        },
        place: Place {
            kind: PlaceKind::Fresh,
            options: json!({"profile": "Big"}).as_object().cloned().unwrap_or_default(),
            scaling: Some(Scaling::Adaptive {
                minimum: 1,
                maximum: 3,
            }),
            wait_for: Some(2),
            ..Place::default()
        },
        name: Some("Nightly".into()),
        kernel: Some("python3".into()),
        folder: Some("etl".into()),
        environment: [("A".to_owned(), "1: x".to_owned())].into(),
        time_limit_s: Some(90),
        retries: 2,
        on_mismatch: OnMismatch::Stop,
    };
    let job = Job::queued("1", "Nightly", request.clone(), 0);
    let mut draft = JobDraft::again(&job, &options().options);
    let now = draft
        .accept(Some(&options()), None)
        .expect("what was accepted once");
    let mut expected = request.clone();
    expected.work.source.clear();
    assert_eq!(now, expected, "the file as it is now");
    draft.as_earlier = true;
    let then = draft
        .accept(Some(&options()), None)
        .expect("what was accepted once");
    assert_eq!(then, request);
}

#[test]
fn a_refusal_goes_to_the_field_it_names() {
    let refusal = |field: &str| ApiError {
        code: "invalid".into(),
        message: "no".into(),
        field: Some(field.to_owned()),
        request_id: String::new(),
    };
    let specs = options().options;
    assert!(
        JobErrors::of(&refusal("time_limit_s"), &specs)
            .fields
            .get("time_limit")
            .is_some()
    );
    assert!(
        JobErrors::of(&refusal("profile"), &specs)
            .fresh
            .options
            .get("profile")
            .is_some()
    );
    assert_eq!(
        JobErrors::of(&refusal("other"), &specs).whole.as_deref(),
        Some("no")
    );
}

#[test]
fn a_fresh_cluster_can_have_the_workers_that_are_waited_for() {
    let with = |mode, workers: &str, wait_for: &str| {
        let mut draft = JobDraft {
            code: "1".into(),
            place: PlaceKind::Fresh,
            wait_for: wait_for.into(),
            ..JobDraft::default()
        };
        draft.fresh.scale = ScaleDraft {
            mode,
            workers: workers.into(),
            minimum: "0".into(),
            maximum: workers.into(),
        };
        draft.accept(Some(&options()), None).map(drop)
    };
    for mode in [ScaleMode::Manual, ScaleMode::Adaptive] {
        assert!(with(mode, "2", "2").is_ok() && with(mode, "1", "").is_ok());
        let wrong = with(mode, "2", "3").unwrap_err();
        assert!(wrong.fields.get("wait_for").is_some() && wrong.fresh.scale.is_none());
        // Where there is no worker, that is what is wrong, however many are waited for.
        let wrong = with(mode, "0", "5").unwrap_err();
        assert!(wrong.fields.get("wait_for").is_none() && wrong.fresh.scale.is_some());
    }
    // Beside what is wrong with the cluster otherwise.
    let mut draft = JobDraft {
        code: "1".into(),
        place: PlaceKind::Fresh,
        wait_for: "3".into(),
        ..JobDraft::default()
    };
    draft.fresh.label = "x".repeat(10_000);
    draft.fresh.scale = ScaleDraft {
        mode: ScaleMode::Manual,
        workers: "2".into(),
        ..ScaleDraft::default()
    };
    let wrong = draft.accept(Some(&options()), None).map(drop).unwrap_err();
    assert!(wrong.fields.get("wait_for").is_some() && wrong.fresh.label.is_some());
}

#[test]
fn a_parameter_that_was_emptied_is_left_alone() {
    let parameter = Parameter {
        name: "when".into(),
        code: "now()".into(),
        ..Parameter::default()
    };
    let file = JobFile {
        kind: WorkKind::Notebook,
        parameters: vec![parameter],
        ..JobFile::default()
    };
    let mut draft = JobDraft {
        kind: Kind::File,
        path: "a.ipynb".into(),
        file: Some(Rc::new(file)),
        ..JobDraft::default()
    };
    draft.parameters.set("when", Draft::Text(" ".into()));
    assert!(
        draft
            .accept(None, None)
            .expect("it passes")
            .work
            .parameters
            .is_empty()
    );
}
