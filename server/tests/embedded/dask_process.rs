//! The program that schedulers and workers of the embedded gateway run in.

use std::path::Path;
use std::process::Command;

use super::house::python;

/// The module: tells how it was started, and works in a child and in its own process.
const PROBE: &str = r#"
import multiprocessing
import os
import sys
from work import work

print(sys.argv, sys.path[0] == os.getcwd(), flush=True)
child = multiprocessing.get_context("spawn").Process(target=work, args=["child"])
child.start()
child.join()
work("parent")
sys.exit(3)
"#;

/// Tells what is called at a process's end, and what is frozen by then.
const WORK: &str = r#"
import atexit
import gc
import os
import sys


class Last:
    """Goes when Python takes its modules apart, as one of whose names it stands."""

    def __init__(self, name):
        self.name = name

    def __del__(self, write=os.write, frozen=gc.get_freeze_count):
        write(1, f"{self.name} frozen: {frozen() > 0}\n".encode())


def work(name):
    sys.gatehouse_probe = Last(name)
    atexit.register(lambda: print(name, "frozen when its own handlers run:", gc.get_freeze_count() > 0, flush=True))
"#;

#[test]
fn a_process_runs_a_module_and_ends_after_its_handlers_without_a_search_for_cycles() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("probe.py", PROBE), ("work.py", WORK)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embedded/dask_process.py");
    let output = Command::new(python())
        .arg(program)
        .args(["probe", "--name", "a b"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "['probe', '--name', 'a b'] True",
            "child frozen when its own handlers run: False",
            "child frozen: True",
            "parent frozen when its own handlers run: False",
            "parent frozen: True",
        ],
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(3), "{errors}");
}
