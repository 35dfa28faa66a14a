//! Jobs, from their creation to their end, in real kernels on a real cluster.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod alive;
mod house;
mod kinds;

use std::time::Duration;

use gatehouse::embedded::jupyter::{PrivateJupyter, PrivateJupyterConfig};
use gatehouse::jobs::{JobError, JupyterSource};
use protocol::jobs::{JobOutput, JobState};

use self::house::{House, ended, jobs_in, python, request, until_printed, until_state};

#[tokio::test(flavor = "multi_thread")]
async fn shows_what_the_code_shows() {
    let house = House::new().await;
    let jobs = house.jobs("a").await;

    // In order, on the cluster, from threads, child processes and loggers, with the last value as in a notebook.
    let all = house
        .run(
            &jobs,
            r"
import logging, subprocess, sys, threading, warnings
print('from the cluster', client.submit(sum, [1, 2, 39]).result())
print(type(cluster).__name__, type(gateway).__name__, cluster.name)
print('to stderr', file=sys.stderr)
logging.getLogger('distributed').warning('a logger speaks')
threads = [threading.Thread(target=lambda n=n: [print(f'thread {n}.{i}') for i in range(50)]) for n in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print('é ☃ \U0001f600 \ud800 no newline', end='')
sys.stdout.flush()
subprocess.run(['sh', '-c', 'echo from a child; echo and its error >&2'])
display({'shown': 1})
{'answer': 42}
",
        )
        .await;
    assert_eq!(
        (all.state, all.error.as_str()),
        (Some(JobState::Succeeded), ""),
        "{all:#?}"
    );
    assert!(
        all.stdout
            .starts_with("from the cluster 42\nGatewayCluster Gateway "),
        "{}",
        all.stdout
    );
    assert!(all.stdout.contains(&house.cluster));
    for thread in 0..4 {
        assert!(
            (0..50).all(|i| all.stdout.contains(&format!("thread {thread}.{i}"))),
            "{}",
            all.stdout
        );
    }
    assert!(
        all.stdout.contains("é ☃ 😀 \\ud800 no newlinefrom a child\n"),
        "{}",
        all.stdout
    );
    for text in ["to stderr\n", "a logger speaks", "and its error\n"] {
        assert!(all.stderr.contains(text), "{text} is not in {}", all.stderr);
    }
    assert_eq!(all.results, ["{'shown': 1}", "{'answer': 42}"]);
    assert_eq!(all.errors, []);

    // Five megabytes in one go, and many lines: byte for byte.
    let big = house
        .run(
            &jobs,
            "print(''.join(chr(97 + i % 26) for i in range(5_000_000)))\nfor i in range(100_000): print(i)",
        )
        .await;
    assert_eq!(big.state, Some(JobState::Succeeded), "{}", big.error);
    let expected: String = (0..5_000_000_u32)
        .map(|i| char::from(b'a' + (i % 26) as u8))
        .chain(['\n'])
        .chain((0..100_000).flat_map(|i| format!("{i}\n").into_bytes().into_iter().map(char::from)))
        .collect();
    assert!(
        big.stdout == expected,
        "{} bytes of {}",
        big.stdout.len(),
        expected.len()
    );

    // A cell may await, as in a notebook.
    let awaited = house
        .run(&jobs, "import asyncio\nawait asyncio.sleep(0.01, 'later')")
        .await;
    assert_eq!(
        (awaited.state, awaited.results),
        (Some(JobState::Succeeded), vec!["'later'".to_owned()])
    );

    // Read again by somebody who comes late.
    let newest = jobs.list().await.unwrap();
    assert_eq!(newest.len(), 3);
    assert!(newest[1].name.starts_with("print(''.join("), "{}", newest[1].name);
    let again = ended(&jobs, &newest[2].id).await;
    assert_eq!(again.stdout, all.stdout);
    house.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_why_code_failed() {
    let house = House::new().await;
    let jobs = house.jobs("a").await;

    let raised = house
        .run(
            &jobs,
            "def inner(x):\n    return 1 / x\n\nprint('before')\ninner(0)",
        )
        .await;
    assert_eq!(raised.state, Some(JobState::Failed));
    assert_eq!(
        raised.error,
        "The code raised ZeroDivisionError: division by zero"
    );
    assert_eq!(raised.stdout, "before\n");
    let (name, value, traceback) = &raised.errors[0];
    assert_eq!(
        (name.as_str(), value.as_str()),
        ("ZeroDivisionError", "division by zero")
    );
    let traceback = traceback.join("\n");
    assert!(
        traceback.contains("return 1 / x") && traceback.contains("inner(0)"),
        "{traceback}"
    );
    assert!(!traceback.contains('\u{1b}'), "{traceback}");

    let syntax = house.run(&jobs, "print('unclosed'").await;
    assert!(
        syntax.error.contains("SyntaxError") || syntax.error.contains("IncompleteInput"),
        "{}",
        syntax.error
    );
    assert_eq!(syntax.stdout, "");

    let asked = house.run(&jobs, "input('your name? ')").await;
    assert_eq!(asked.state, Some(JobState::Failed));
    assert!(
        asked.error.contains("A job can't ask for input"),
        "{}",
        asked.error
    );

    let left = house.run(&jobs, "import sys\nprint('done')\nsys.exit()").await;
    assert_eq!(
        (left.state, left.stdout.as_str(), left.errors.len()),
        (Some(JobState::Succeeded), "done\n", 0)
    );
    let status = house.run(&jobs, "import sys\nsys.exit(3)").await;
    assert_eq!(status.error, "The code ended itself with exit status 3.");

    // The kernel's process ends in the middle; what it printed is there.
    let died = house
        .run(&jobs, "import os\nprint('last words')\nos._exit(3)")
        .await;
    assert_eq!(
        (died.state, died.stdout.as_str()),
        (Some(JobState::Failed), "last words\n")
    );
    assert!(died.error.contains("kernel died"), "{}", died.error);

    let mut request = house.request("1");
    request.place.cluster = Some("00000000000000000000000000000000".into());
    let job = jobs.create(request).await.unwrap();
    let unknown = ended(&jobs, &job.id).await;
    assert!(
        unknown.error.contains("could not connect to cluster 0000"),
        "{}",
        unknown.error
    );

    let mut request = house.request("1");
    request.kernel = Some("no-such-kernel".into());
    let unknown = jobs.create(request).await.unwrap_err().to_string();
    assert!(
        unknown.contains("The kernel no-such-kernel does not exist") && unknown.contains("python3"),
        "{unknown}"
    );
    house.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels() {
    let house = House::new().await;
    let jobs = house.jobs("a").await;

    let job = jobs
        .create(house.request("import time\nprint('going')\nwhile True: time.sleep(0.05)"))
        .await
        .unwrap();
    until_printed(&jobs, &job.id, "going").await;
    assert_eq!(until_state(&jobs, &job.id, JobState::Running).await.error, None);
    assert_eq!(jobs.cancel(&job.id).await.unwrap().state, JobState::Cancelling);
    let cancelled = ended(&jobs, &job.id).await;
    assert_eq!(
        (cancelled.state, cancelled.error.as_str()),
        (Some(JobState::Cancelled), "")
    );
    assert_eq!(cancelled.errors[0].0, "KeyboardInterrupt");
    // A second time, it stays as it is.
    assert_eq!(jobs.cancel(&job.id).await.unwrap().state, JobState::Cancelled);

    // One that does not listen is killed.
    let stubborn = "
import time
print('going')
while True:
    try:
        while True: time.sleep(0.05)
    except KeyboardInterrupt:
        print('no')
";
    let job = jobs.create(house.request(stubborn)).await.unwrap();
    until_printed(&jobs, &job.id, "going").await;
    jobs.cancel(&job.id).await.unwrap();
    let killed = ended(&jobs, &job.id).await;
    assert_eq!(killed.state, Some(JobState::Cancelled));
    assert!(killed.stdout.contains("no\n"), "{}", killed.stdout);

    // One that writes faster than it is read.
    let flood = "print('going')\nwhile True: print('x' * 60_000)";
    let job = jobs.create(house.request(flood)).await.unwrap();
    until_printed(&jobs, &job.id, "going").await;
    jobs.cancel(&job.id).await.unwrap();
    until_state(&jobs, &job.id, JobState::Cancelled).await;

    // One that has hardly begun, cancelled by another server that shares the store.
    let job = jobs
        .create(house.request("import time\ntime.sleep(600)"))
        .await
        .unwrap();
    let other = house.jobs("b").await;
    other.cancel(&job.id).await.unwrap();
    assert_eq!(ended(&other, &job.id).await.state, Some(JobState::Cancelled));
    assert!(matches!(jobs.cancel("unknown").await, Err(JobError::NotFound(_))));
    house.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_with_the_server() {
    let house = House::new().await;
    // As in JupyterLab, whose server is not ours to end.
    let (url, token) = house.jupyter.ensure().await.unwrap();
    let jobs = jobs_in(house.path(), "a", JupyterSource::External { url, token }).await;
    assert!(jobs.jupyter_status().available && !jobs.jupyter_status().private);
    let job = jobs
        .create(house.request("import time\nprint('going')\ntime.sleep(600)"))
        .await
        .unwrap();
    until_printed(&jobs, &job.id, "going").await;
    jobs.shutdown().await;
    let job = jobs.get(&job.id).await.unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert!(job.error.unwrap().contains("The server ended"));
    assert!(matches!(
        jobs.create(house.request("1")).await,
        Err(JobError::WrongState(_))
    ));
    house.leave().await;
}

/// A server dies at different moments; the next one finds its jobs and settles each.
#[test]
fn settles_what_a_dead_server_left() {
    let here = tokio::runtime::Runtime::new().unwrap();
    let house = here.block_on(House::new());
    let wait = "
import os, time
print('going')
while not os.path.exists('go'): time.sleep(0.05)
print('and on')
client.submit(sum, [40, 2]).result()
";
    // This runtime is the first server. What drops it ends its tasks where they stand.
    let dying = tokio::runtime::Runtime::new().unwrap();
    let (running, finished, cancelled, lost, queued) = dying.block_on(async {
        let jobs = house.jobs("first").await;
        let start = async |code: &str, printed: &str| {
            let job = jobs.create(house.request(code)).await.unwrap();
            until_printed(&jobs, &job.id, printed).await;
            job.id
        };
        let running = start(wait, "going").await;
        let finished = start("import time\nprint('soon')\ntime.sleep(4)\nprint('over')", "soon").await;
        let cancelled = start("import time\nprint('deaf')\ntime.sleep(600)", "deaf").await;
        let lost = start(
            "import os, time\nprint('dies')\ntime.sleep(3)\nos._exit(1)",
            "dies",
        )
        .await;
        let queued = jobs
            .create(house.request("print('not yet sent')"))
            .await
            .unwrap()
            .id;
        (running, finished, cancelled, lost, queued)
    });
    dying.shutdown_background();

    here.block_on(async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let jobs = house.jobs("second").await;
        // While its server may live, a job is left alone.
        jobs.settle(|_| true).await.unwrap();
        assert!(!jobs.get(&running).await.unwrap().state.is_over());
        jobs.cancel(&cancelled).await.unwrap();
        jobs.settle(|instance| instance != "first").await.unwrap();

        let ended_ = ended(&jobs, &finished).await;
        assert_eq!(
            (ended_.state, ended_.stdout.as_str()),
            (Some(JobState::Succeeded), "soon\nover\n")
        );
        assert_eq!(ended(&jobs, &cancelled).await.state, Some(JobState::Cancelled));
        let dead = ended(&jobs, &lost).await;
        assert_eq!(dead.state, Some(JobState::Failed));
        assert!(dead.error.contains("kernel"), "{}", dead.error);
        assert_eq!(ended(&jobs, &queued).await.stdout, "not yet sent\n");

        until_state(&jobs, &running, JobState::Running).await;
        std::fs::write(house.path().join("go"), "").unwrap();
        let on = ended(&jobs, &running).await;
        assert_eq!(
            (on.state, on.stdout.as_str()),
            (Some(JobState::Succeeded), "going\nand on\n"),
            "{}",
            on.error
        );
        assert_eq!(on.results, ["42"]);
        house.leave().await;
    });
}

#[tokio::test]
async fn says_what_keeps_jobs_from_running() {
    let folder = tempfile::tempdir().unwrap();
    let missing = PrivateJupyter::new(PrivateJupyterConfig {
        // An isolated interpreter sees no packages.
        python: bare_python(folder.path()),
        folder: folder.path().join("jupyter"),
        root: None,
        kernel_env: std::collections::BTreeMap::new(),
    });
    let jobs = jobs_in(folder.path(), "a", JupyterSource::Private(missing.into())).await;
    assert!(matches!(
        jobs.create(request("c", " \n")).await,
        Err(JobError::Invalid { field: "code", .. })
    ));
    let job = jobs.create(request("c", "1")).await.unwrap();
    let mut output = jobs.output(&job.id).await.unwrap();
    let Some(JobOutput::End {
        state: JobState::Failed,
        error: Some(error),
    }) = output.recv().await
    else {
        panic!("the job fails at once")
    };
    assert!(error.contains("pip install jupyter_server"), "{error}");
    assert_eq!(jobs.jupyter_status().message.as_ref(), Some(&error));

    let gone = JupyterSource::External {
        url: "http://127.0.0.1:9".into(),
        token: "x".into(),
    };
    let jobs = jobs_in(folder.path(), "a", gone).await;
    let job = jobs.create(request("c", "1")).await.unwrap();
    assert!(ended(&jobs, &job.id).await.error.contains("does not answer"));

    let none = JupyterSource::Unavailable {
        message: "Jobs need a Jupyter Server.".into(),
    };
    let jobs = jobs_in(folder.path(), "a", none).await;
    assert!(matches!(
        jobs.create(request("c", "1")).await,
        Err(JobError::Jupyter(_))
    ));
    assert!(!jobs.jupyter_status().available);
}

/// The part of the prelude that writes the output file, with a bound that is soon reached.
#[test]
fn keeps_no_output_without_bound() {
    const WRITE: &str = r#"
import os, sys
source = sys.stdin.read()
names = {"__name__": "prelude"}
exec(source.removesuffix("main(PARAMETERS)\n"), names)
recorder = names["Recorder"](sys.argv[1], 1 << 20)
for n in range(100):
    recorder.text("stdout", f"{n} " + "x" * 50_000 + "\n")
if os.fork() == 0:
    recorder.text("stdout", "x" * 50_000 + "\n")
    os._exit(0)
os.wait()
recorder.line(kind="result", text="late")
recorder.end("It failed.")
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.jsonl");
    let prelude = folder.path().join("prelude.py");
    std::fs::write(&prelude, include_str!("../../src/jobs/prelude.py")).unwrap();
    let status = std::process::Command::new(python())
        .args(["-c", WRITE])
        .arg(&path)
        .stdin(std::fs::File::open(&prelude).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.len() < (1 << 20) + 1000, "{} bytes", text.len());
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [written @ .., told, end] = lines.as_slice() else {
        panic!("{} lines", lines.len())
    };
    assert!(written.len() > 10 && written.iter().all(|line| line["kind"] == "stdout"));
    assert_eq!(told["kind"], "stderr");
    assert!(
        told["text"].as_str().unwrap().contains("more than 1 MiB"),
        "{told}"
    );
    assert_eq!(
        *end,
        serde_json::json!({ "kind": "end", "ok": false, "error": "It failed.", "status": 1 })
    );
}

/// The way to the gateway leads through the server, which may have been killed after it sent the code.
#[test]
fn a_server_that_starts_again_is_waited_for() {
    const ASK: &str = r#"
import sys
from aiohttp import ClientConnectionError
names = {"__name__": "prelude"}
exec(sys.stdin.read().removesuffix("main(PARAMETERS)\n"), names)
tries = []
def ask():
    tries.append(True)
    if len(tries) < 3:
        raise ClientConnectionError("nobody is there")
    return 7
assert names["patiently"](ask) == 7 and len(tries) == 3
names["AWAY_LIMIT"] = 0
tries.clear()
try:
    names["patiently"](ask)
except ClientConnectionError:
    assert len(tries) == 1
else:
    raise AssertionError(tries)
"#;
    let prelude = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jobs/prelude.py");
    let status = std::process::Command::new(python())
        .args(["-c", ASK])
        .stdin(std::fs::File::open(prelude).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

/// The private Jupyter Server is on this machine: no proxy leads there.
#[test]
fn no_proxy_comes_between_us_and_our_own_jupyter() {
    let nobody = "http://127.0.0.1:9";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "reaches_its_own_jupyter", "--ignored"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, nobody);
    }
    let output = again
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
#[ignore = "a part of no_proxy_comes_between_us_and_our_own_jupyter, which sets a proxy for it"]
async fn reaches_its_own_jupyter() {
    let folder = tempfile::tempdir().unwrap();
    let jupyter = std::sync::Arc::new(PrivateJupyter::new(PrivateJupyterConfig {
        python: python(),
        folder: folder.path().join("jupyter"),
        root: None,
        kernel_env: [(
            "DASK_GATEWAY__ADDRESS".to_owned(),
            "http://127.0.0.1:9".to_owned(),
        )]
        .into(),
    }));
    let jobs = jobs_in(folder.path(), "a", JupyterSource::Private(jupyter.clone())).await;
    let job = jobs.create(request("c", "1")).await.unwrap();
    let error = ended(&jobs, &job.id).await.error;
    assert!(error.contains("could not connect to cluster c"), "{error}");
    jupyter.shutdown().await;
}

/// An interpreter without packages: a wrapper that starts the real one isolated from its site folder.
fn bare_python(folder: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("python");
    std::fs::write(
        &path,
        format!("#!/bin/sh\nexec '{}' -S -E \"$@\"\n", python().display()),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
