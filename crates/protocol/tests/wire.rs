//! What goes over the wire, as snapshots: a change here breaks panels and servers of different versions.

use protocol::events::{Event, Notice, NoticeLevel};
use protocol::guard::{AtEnd, Enforcer, Lease, LeaseTerms, Limit, Offer, OfferedAct, Spent};
use protocol::jobs::{
    Cells, CreateJob, Job, JobOutput, JobState, JobSummary, Place, PlaceKind, PrefixTime, Work, WorkKind,
};
use protocol::live::{
    Action, Frame, Health, Hello, Lane, Moment, Packet, Prefix, Request, TaskBatch, Topics,
};
use protocol::rest::{
    ApiError, Cluster, ClusterState, ClusterSummary, CreateCluster, GatewayKind, GatewayState, GatewayStatus,
    JupyterStatus, LiveState, OptionKind, OptionSpec, Scaling, Status,
};
use serde_json::json;

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        gateway: GatewayStatus {
            kind: GatewayKind::Embedded,
            state: GatewayState::Up,
            address: Some("http://127.0.0.1:8000".into()),
            version: Some("2026.3.0".into()),
            access: None,
            message: None,
        },
        jupyter: JupyterStatus {
            available: true,
            private: false,
            message: None,
        },
    }
}

fn cluster() -> Cluster {
    Cluster {
        name: "0123abcd".into(),
        label: Some("Taxi".into()),
        state: ClusterState::Running,
        reason: None,
        started_at: Some(1_795_334_509_547),
        stopped_at: None,
        options: json!({"profile": "Medium Worker"})
            .as_object()
            .cloned()
            .unwrap_or_default(),
        scaling: Scaling::Adaptive {
            minimum: 1,
            maximum: 5,
        },
        summary: Some(ClusterSummary {
            workers: 2,
            threads: 4,
            memory_limit: 8 << 30,
            ..Default::default()
        }),
        live: LiveState::Live,
        dashboard: Some("clusters/0123abcd/status".into()),
        life: protocol::life::Life {
            since: Some(1_795_334_509_547),
            asked: Some(3),
            scaling_waits: false,
            problem: None,
            not_ended: false,
            tails: true,
        },
        lease: Some(Lease {
            terms: LeaseTerms {
                idle_s: Some(3600),
                lifetime_s: None,
                stops: true,
                at_end: AtEnd::Stop,
            },
            enforced_by: Enforcer::Gatehouse,
            note: "Gatehouse sees to it.".into(),
            idle_since: Some(1_795_334_600_000),
            due_at: Some(1_795_338_200_000),
            limit: Some(Limit::Idle),
            told: false,
        }),
        cost: Some(Spent {
            amount: Some(0.25),
            per_hour: None,
            worker_hours: 2.5,
            memory_hours: 10.0,
        }),
    }
}

fn job() -> Job {
    Job {
        id: "f00d".into(),
        name: "array job".into(),
        request: CreateJob {
            work: Work {
                kind: WorkKind::Notebook,
                source: "{}".into(),
                path: Some("a/b.ipynb".into()),
                ..Work::default()
            },
            place: Place {
                kind: PlaceKind::Fresh,
                scaling: Some(Scaling::Manual { workers: 2 }),
                ..Place::default()
            },
            ..CreateJob::default()
        },
        cluster: Some("0123abcd".into()),
        cluster_label: None,
        state: JobState::Running,
        doing: None,
        cells: Some(Cells { done: 1, all: 3 }),
        attempt: 1,
        mismatches: Vec::new(),
        notebook: None,
        report: Some("gatehouse-jobs/b.html".into()),
        tasks: Some("gatehouse-jobs/b.parquet".into()),
        position: None,
        cost: Some(Spent {
            amount: None,
            per_hour: None,
            worker_hours: 0.5,
            memory_hours: 2.0,
        }),
        summary: Some(JobSummary {
            recordings: vec!["r1".into()],
            shared: true,
            tasks: 4,
            prefixes: vec![PrefixTime {
                name: "inc".into(),
                tasks: 3,
                compute_us: 1_500,
                longest_us: 700,
                ..PrefixTime::default()
            }],
            ..JobSummary::default()
        }),
        exit_status: None,
        error: None,
        created_at: 1,
        started_at: Some(2),
        ended_at: None,
    }
}

#[test]
fn events() {
    insta::assert_json_snapshot!([
        Event::Snapshot {
            status: status(),
            clusters: vec![cluster()],
            jobs: vec![job()]
        },
        Event::Notice {
            notice: Notice {
                level: NoticeLevel::Warning,
                message: "It idles.".into(),
                offer: Some(Offer {
                    cluster: "0123abcd".into(),
                    act: OfferedAct::Keep,
                    until: Some(1_795_338_200_000),
                }),
            }
        },
    ]);
}

#[test]
fn job_output() {
    insta::assert_json_snapshot!([
        JobOutput::Stdout { text: "a\n".into() },
        JobOutput::Cell {
            cell: 0,
            ended: false,
            source: Some("1 + 1".into()),
        },
        JobOutput::Shown {
            data: [("text/plain".to_owned(), "2".to_owned())].into(),
            result: true,
            id: None,
            update: false
        },
        JobOutput::Cleared,
        JobOutput::Error {
            name: "ValueError".into(),
            value: "no".into(),
            traceback: vec!["line 1".into()]
        },
        JobOutput::End {
            state: JobState::Failed,
            error: Some("ValueError: no".into())
        },
    ]);
}

#[test]
fn errors_leave_out_a_field_they_do_not_name() {
    let error = ApiError {
        code: "not_found".into(),
        message: "No.".into(),
        field: None,
        request_id: "1".into(),
    };
    insta::assert_json_snapshot!(error);
}

#[test]
fn options_of_all_types_are_read_as_gateways_write_them() {
    let specs = json!([
        {"field": "a", "label": "A", "default": "x", "spec": {"type": "select", "options": ["x", "y"]}},
        {"field": "b", "label": "B", "default": "", "spec": {"type": "string"}},
        {"field": "c", "label": "C", "default": false, "spec": {"type": "bool"}},
        {"field": "d", "label": "D", "default": 1, "spec": {"type": "int", "min": 0, "max": null}},
        {"field": "e", "label": "E", "default": 0, "spec": {"type": "float", "min": 0.5, "max": 3600}},
        {"field": "f", "label": "F", "default": {}, "spec": {"type": "mapping"}},
        {"field": "g", "label": "G", "default": null, "spec": {"type": "colour", "shades": 3}},
    ]);
    let specs: Vec<OptionSpec> = serde_json::from_value(specs).expect("readable");
    let kinds: Vec<_> = specs.into_iter().map(|spec| spec.spec).collect();
    assert_eq!(
        kinds,
        [
            OptionKind::Select {
                options: vec!["x".into(), "y".into()]
            },
            OptionKind::String,
            OptionKind::Bool,
            OptionKind::Int {
                min: Some(0),
                max: None
            },
            OptionKind::Float {
                min: Some(0.5),
                max: Some(3600.0)
            },
            OptionKind::Mapping,
            OptionKind::Unknown,
        ]
    );
}

#[test]
fn a_request_with_an_unknown_field_is_refused() {
    assert!(serde_json::from_value::<CreateCluster>(json!({"option": {}})).is_err());
}

/// The bytes themselves: postcard has no names, so an order that changes is a version that changes.
#[test]
fn live_frames() {
    let frames = [
        Frame::Hello(Hello {
            version: 1,
            scheduler: "S".into(),
            first_record: 0,
            records: 300,
        }),
        Frame::Tasks(TaskBatch {
            records: 1,
            caught_up: true,
            lanes: vec![Lane {
                worker: "w".into(),
                worker_name: "0".into(),
                thread: 7,
            }],
            prefixes: vec![Prefix {
                name: "inc".into(),
                color: 12,
            }],
            base_us: 1000,
            start_delta_us: vec![0],
            duration_us: vec![20],
            lane: vec![0],
            prefix: vec![0],
            action: vec![Action::Compute],
            record: vec![0],
            ..Default::default()
        }),
        Frame::Health(Health {
            state: LiveState::Busy,
            poll_ms: 1.0,
            lost_records: 0,
            message: None,
            limited: None,
        }),
        Frame::Moment(Moment {
            first_us: 1_000,
            last_us: 3_000,
            at_us: Some(2_000),
        }),
    ];
    let requests = [
        Request::Subscribe(Topics {
            tasks: true,
            ..Topics::default()
        }),
        Request::Ack { seq: 3 },
        Request::Details { record: 300 },
        Request::Moment { at_us: Some(2_000) },
        Request::Moment { at_us: None },
    ];
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let frames = frames
        .into_iter()
        .map(|frame| hex(protocol::live::encode(&Packet { seq: 1, frame }).expect("encodes")));
    let requests = requests
        .iter()
        .map(|request| hex(protocol::live::encode(request).expect("encodes")));
    insta::assert_json_snapshot!(frames.chain(requests).collect::<Vec<_>>());
}
