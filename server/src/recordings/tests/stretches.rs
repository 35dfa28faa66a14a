//! What was recorded in stretches of clusters' time.

use super::*;

/// When the first task began, microseconds.
const BEGAN: i64 = 1_795_334_000_000_000;

fn stretch(from_us: Option<i64>, to_us: Option<i64>) -> Stretch {
    Stretch {
        cluster: "cluster-a".into(),
        from_ms: from_us.map(|us| us / 1000),
        to_ms: to_us.map(|us| us / 1000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_added_up() {
    let house = house().await;
    let told = tasks(0..5_000);
    let tap = house.room.record("cluster-a", None).unwrap();
    let versions = BTreeMap::from([("dask".to_owned(), "2026.6.0".to_owned())]);
    tap.begin("Scheduler-0a1b", &versions);
    let sized = |address: &str, memory: u64| Worker {
        memory: protocol::live::WorkerMemory {
            process: memory,
            ..Default::default()
        },
        ..worker(address)
    };
    tap.workers(BEGAN, &[sized("tcp://w0", 10), sized("tcp://w1", 30)]);
    tap.workers(BEGAN + 2_000_000, &[sized("tcp://w0", 25)]);
    tap.tasks(0, told.clone());
    tap.written().unwrap().await.unwrap();
    let account = async |stretches: &[Stretch]| {
        let limit = Duration::from_millis(50);
        house.room.account("t".into(), stretches, limit).await.unwrap()
    };
    assert!(account(&[]).await.is_none());
    let another = Stretch {
        cluster: "cluster-b".into(),
        ..stretch(None, None)
    };
    assert!(account(&[another]).await.is_none());

    // While it is recorded, a stretch of it; `rested` waits for whole ones only.
    let part = account(&[stretch(Some(BEGAN), Some(BEGAN + 10_000))])
        .await
        .unwrap();
    let within = |task: &&Task| task.span().is_some_and(|(start, _)| start <= BEGAN + 10_000);
    assert_eq!(part.tasks, told.iter().filter(within).count() as u64);
    assert_eq!((part.peak_workers, part.peak_memory), (2, 40));
    // Between two samples, the workers are those of the first.
    let between = account(&[stretch(Some(BEGAN + 5_000), Some(BEGAN + 10_000))])
        .await
        .unwrap();
    assert_eq!((between.peak_workers, between.peak_memory), (2, 40));

    let ends = {
        let room = house.room.clone();
        tokio::spawn(async move {
            room.account("t".into(), &[stretch(None, None)], Duration::from_secs(30))
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ends.is_finished(), "it waits until the recording is at rest");
    tap.end();
    let whole = ends.await.unwrap().unwrap().unwrap();
    assert_eq!(house.room.get("0a1b").await.unwrap().state, RecordingState::Ready);
    let sum = |wanted: &[Action]| -> u64 {
        let bars = told.iter().flat_map(|task| &task.bars);
        bars.filter(|bar| wanted.contains(&bar.action))
            .map(|bar| bar.duration_us)
            .sum()
    };
    assert_eq!(
        (whole.tasks, whole.erred, whole.compute_us, whole.transfer_us),
        (
            5_000,
            715,
            sum(&[Action::Compute, Action::Erred]),
            sum(&[Action::Transfer])
        )
    );
    assert_eq!(whole.recordings, ["0a1b"]);
    assert_eq!((whole.prefixes.len(), whole.prefixes[0].tasks), (1, 5_000));
    assert_eq!((whole.errors.total, &whole.versions), (715, &versions));
    let peaks: Vec<_> = whole
        .workers
        .iter()
        .map(|worker| (worker.name.as_str(), worker.memory))
        .collect();
    assert_eq!(peaks, [("worker-0", 25), ("worker-1", 30)]);
    for figure in [&whole.stream, &whole.progress] {
        assert!(figure.starts_with("<svg") && figure.trim_end().ends_with("</svg>"));
    }
    // What touches two stretches is done once.
    let twice = account(&[stretch(None, None), stretch(Some(BEGAN), None)])
        .await
        .unwrap();
    assert_eq!(
        (twice.tasks, twice.recordings.len(), twice.peak_workers),
        (5_000, 1, 2)
    );
}

/// The tasks of a file as they are read back, with the names of their workers.
fn tasks_of(folder: &Path) -> (Vec<Task>, HashMap<String, String>) {
    let (mut tasks, mut names) = (Vec::new(), HashMap::new());
    parquet::read(folder, 1, &[Table::Tasks], &mut |item| {
        match item {
            reader::Item::Tasks(list) => tasks.extend(list),
            reader::Item::Name { address, name } => drop(names.insert(address, name)),
            reader::Item::Workers { .. } | reader::Item::Progress { .. } => {}
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    (tasks, names)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_stretches_are_a_table() {
    let house = house().await;
    let told = tasks(0..5_000);
    let tap = record(&house, &told);
    tap.written().unwrap().await.unwrap();
    let target = house.folder.path().join("tasks/000001.parquet");
    fs::create_dir(target.parent().unwrap()).unwrap();
    let write =
        async |stretches: &[Stretch]| house.room.write_tasks(stretches, target.clone()).await.unwrap();

    // While it is recorded: those that touch a stretch, once each, though one lies across two.
    let parts = [
        stretch(Some(BEGAN + 30_000), Some(BEGAN + 40_000)),
        stretch(Some(BEGAN), Some(BEGAN + 10_000)),
        stretch(Some(BEGAN + 10_000), Some(BEGAN + 11_000)),
    ];
    let touches = |task: &&Task, from: i64, to: i64| {
        task.span()
            .is_some_and(|(start, end)| end >= BEGAN + from && start <= BEGAN + to)
    };
    let across = |task: &&Task| touches(task, 0, 10_000) && touches(task, 10_000, 11_000);
    assert!(told.iter().any(|task| across(&task)));
    let shown = |task: &&Task| touches(task, 0, 11_000) || touches(task, 30_000, 40_000);
    let wanted: Vec<_> = told.iter().filter(shown).cloned().collect();
    assert_eq!(write(&parts).await, wanted.len() as u64);
    let (found, names) = tasks_of(house.folder.path());
    assert_eq!(found, wanted);
    assert_eq!(names["tcp://w1"], "worker-1");

    // At rest, all of it, over what was written before: a step of a job may be taken twice.
    tap.end();
    state(&house, |recording| recording.state == RecordingState::Ready).await;
    assert_eq!(write(&[stretch(None, None)]).await, 5_000);
    assert_eq!(tasks_of(house.folder.path()).0, told);

    // Of nothing there is no file, though there was one, and of a failure no rest.
    let before = stretch(Some(BEGAN - 20_000), Some(BEGAN - 10_000));
    assert_eq!(write(&[before]).await, 0);
    assert!(!target.exists());
    let part = fs::read_dir(house.room.folder("0a1b").join("tasks"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(part.path(), "PAR1").unwrap();
    house
        .room
        .write_tasks(&[stretch(None, None)], target.clone())
        .await
        .unwrap_err();
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);
}
