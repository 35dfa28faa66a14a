//! The browser modules: a toolchain for them, the compilation, and what makes them small.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use wasm_bindgen_cli_support::Bindgen;

use super::{cargo, copy_changed, copy_folder, debian, node};
use crate::job::Job;
use crate::plan::Step;
use crate::stamp::Inputs;
use crate::workspace::Workspace;

/// The modules: a feature of the frontend's crate, and the name of what it makes.
pub(crate) const MODULES: [(&str, &str); 3] = [
    ("panel", "gatehouse"),
    ("panes", "gatehouse_panes"),
    ("jobs", "gatehouse_jobs"),
];

const TARGET: &str = "wasm32-unknown-unknown";
/// Its own folder: two compilers would otherwise rebuild each other's work.
const FOLDER: &str = "target/wasm";
/// What the compiler makes, of either.
const COMPILED: &str = "target/wasm/wasm32-unknown-unknown/wasm/gatehouse_frontend.wasm";
/// This file: other flags make another module.
const RECIPE: &str = "crates/xtask/src/setup/wasm.rs";
const TOOLCHAIN: &str = "target/stamps/wasm-toolchain.json";
/// Where rustup finds no server it waits for long.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(60);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What rustc lets the module use; wasm-opt must be told, or refuses it.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// A panic ends the module in either case; without its message the module is a fifth smaller. What `{:?}` would print
/// is for developers: clippy keeps it out of the frontend.
const SMALL: [&str; 4] = [
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zfmt-debug=none",
];

/// Functions that are called once stay functions: inlined, they take fewer bytes raw and many more when compressed,
/// because what they have in common is no longer alike.
const SHRINK: [&str; 7] = [
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--one-caller-inline-max-function-size=1",
    "--strip-debug",
    "--strip-producers",
];

/// How the panel can be compiled on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Toolchain {
    /// The compiler has the target's library.
    Installed,
    /// The library is compiled along, from this compiler's source of it.
    BuildStd { rustc: PathBuf, linker: PathBuf },
}

pub(super) fn steps<'a>(workspace: &'a Workspace, rustc: &str) -> Vec<Step<'a>> {
    let sources = [
        "Cargo.toml",
        "Cargo.lock",
        "frontend/Cargo.toml",
        "frontend/src",
        "crates/protocol",
        "crates/timeline",
        RECIPE,
        TOOLCHAIN,
    ];
    let panel = workspace.panel();
    vec![
        Step {
            name: "wasm-toolchain",
            title: "WebAssembly toolchain",
            needs: vec![],
            inputs: Inputs::default().fact(rustc).fact(standing()),
            outputs: vec![workspace.path(TOOLCHAIN)],
            work: Box::new(|job| find_toolchain(workspace, job)),
        },
        Step {
            name: "wasm",
            title: "Compile the panel to WebAssembly",
            needs: vec!["wasm-toolchain"],
            inputs: Inputs::paths(workspace.paths(&sources)).fact(rustc),
            outputs: MODULES.map(|(_, name)| kept(workspace, name)).to_vec(),
            work: Box::new(|job| compile(workspace, job)),
        },
        Step {
            name: "panel",
            title: "Bind and shrink the panel",
            needs: vec!["wasm", "npm"],
            inputs: Inputs::paths(
                MODULES
                    .iter()
                    .map(|(_, name)| kept(workspace, name))
                    .chain(workspace.paths(&[
                        RECIPE,
                        "frontend/index.html",
                        "frontend/start.js",
                        "frontend/style",
                        "node_modules/binaryen/package.json",
                    ]))
                    .collect(),
            ),
            outputs: MODULES
                .iter()
                .flat_map(|(_, name)| [raw(workspace, name), packed(workspace, name)])
                .chain([panel.join("index.html")])
                .collect(),
            work: Box::new(|job| bind(workspace, job)),
        },
    ]
}

/// A module as the compiler made it.
fn kept(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path(FOLDER).join(name).with_extension("wasm")
}

/// A module as a browser runs it.
pub(crate) fn raw(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.panel().join(format!("{name}_bg.wasm"))
}

/// A module as JupyterLab sends it.
pub(crate) fn packed(workspace: &Workspace, name: &str) -> PathBuf {
    workspace
        .path("jupyter-extension/wasm")
        .join(format!("{name}_bg.wasm.gz"))
}

/// What is there to choose from: a compiler that lost its parts since is no longer the one that was chosen.
fn standing() -> String {
    let own = sysroot(Path::new("rustc")).ok();
    let has = |part: fn(&Path) -> bool| own.as_deref().is_some_and(part);
    format!(
        "source {}, target {}, Debian {}",
        has(has_library_source),
        has(has_target),
        debian_compiler()
    )
}

fn find_toolchain(workspace: &Workspace, job: &Job) -> Result<()> {
    let toolchain = choose(job)?;
    let file = workspace.path(TOOLCHAIN);
    fs::write(&file, serde_json::to_vec(&toolchain)?)?;
    job.remark(match &toolchain {
        Toolchain::Installed => "the compiler's own".to_owned(),
        Toolchain::BuildStd { rustc, .. } => format!("library built by {}", rustc.display()),
    });
    Ok(())
}

/// A library that is built along is a fifth smaller than the installed one: for size, and without panic messages.
fn choose(job: &Job) -> Result<Toolchain> {
    let sysroot = sysroot(Path::new("rustc"))?;
    let linker = linker(&sysroot);
    if let Some(linker) = &linker {
        if !has_library_source(&sysroot) {
            rustup(job, &["component", "add", "rust-src"]);
        }
        if has_library_source(&sysroot) {
            return Ok(build_std("rustc", linker));
        }
        if debian_compiler() {
            return Ok(build_std(DEBIAN_RUSTC, linker));
        }
    }
    if !has_target(&sysroot) {
        rustup(job, &["target", "add", TARGET]);
    }
    if has_target(&sysroot) {
        return Ok(Toolchain::Installed);
    }
    if let Some(linker) = &linker
        && debian::may_install()
    {
        debian::install(job, &["rustc-web", "rust-web-src"])?;
        if debian_compiler() {
            return Ok(build_std(DEBIAN_RUSTC, linker));
        }
    }
    Err(anyhow!(
        "A Rust compiler for WebAssembly is needed to build the panel, and none was found: get one with \
         `rustup target add {TARGET}` (any system with rustup), `apt-get install rustc-web rust-web-src lld` (Debian, Ubuntu) \
         or `brew install rustup && rustup target add {TARGET}` (macOS)."
    ))
}

fn build_std(rustc: &str, linker: &Path) -> Toolchain {
    Toolchain::BuildStd {
        rustc: PathBuf::from(rustc),
        linker: linker.to_owned(),
    }
}

/// Lets rustup try, where it is there; what it brought shows in the sysroot.
fn rustup(job: &Job, args: &[&str]) {
    if debian::find_program("rustup").is_none() {
        return;
    }
    let mut rustup = Command::new("rustup");
    // One attempt tells; the rest of its patience is ours.
    rustup.args(args).env("RUSTUP_MAX_RETRIES", "0");
    if let Err(error) = job.run_within(&mut rustup, Some(RUSTUP_PATIENCE)) {
        job.line(&format!("rustup cannot bring this here: {error:#}"));
    }
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("{} cannot be started", rustc.display()))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn has_library_source(sysroot: &Path) -> bool {
    sysroot
        // As Cargo asks for it.
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .is_file()
}

fn debian_compiler() -> bool {
    sysroot(Path::new(DEBIAN_RUSTC)).is_ok_and(|sysroot| has_library_source(&sysroot))
}

/// A linker that knows wasm: the one beside the compiler, or LLVM's from the system.
fn linker(sysroot: &Path) -> Option<PathBuf> {
    let hosts = fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let own = hosts
        .filter_map(Result::ok)
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|file| file.is_file());
    own.or_else(|| debian::find_program("wasm-ld"))
}

fn compile(workspace: &Workspace, job: &Job) -> Result<()> {
    let toolchain: Toolchain = serde_json::from_slice(&fs::read(workspace.path(TOOLCHAIN))?)?;
    for (feature, name) in MODULES {
        let mut command = cargo(workspace, &["build"], FOLDER);
        command
            .args(["-p", "gatehouse-frontend", "--lib", "--profile", "wasm"])
            .args(["--no-default-features", "--features", feature])
            .args(["--target", TARGET]);
        if let Toolchain::BuildStd { rustc, linker } = &toolchain {
            command
                .args(["-Z", "build-std=std,panic_abort"])
                .args(["-Z", "build-std-features=optimize_for_size"])
                .env("RUSTFLAGS", SMALL.join(" "))
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        job.run(&mut command)?;
        fs::copy(workspace.path(COMPILED), kept(workspace, name))?;
    }
    Ok(())
}

fn bind(workspace: &Workspace, job: &Job) -> Result<()> {
    let bound = workspace.path("target/wasm/bound");
    if bound.exists() {
        fs::remove_dir_all(&bound)?;
    }
    let mut sizes = Vec::new();
    for (_, name) in MODULES {
        job.line(&format!("wasm-bindgen {name}"));
        let mut bindgen = Bindgen::new();
        bindgen
            .input_path(kept(workspace, name))
            .web(true)?
            .out_name(name)
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(&bound)
            .map_err(|error| anyhow!("wasm-bindgen could not bind {name}: {error:#}"))?;
        tell_apart(&bound.join(format!("{name}.js")), name)?;
        let module = bound.join(format!("{name}_bg.wasm"));
        shrink(workspace, job, &module)?;
        sizes.push(format!("{name} {} kB", fs::metadata(&module)?.len() / 1000));
    }
    job.remark(sizes.join(", "));
    lay_out(workspace, &bound)
}

/// Yew marks elements with numbers of its own. On the standalone page panes lie within the panel: with the same names for
/// both modules, a click in a pane would be taken for one on whatever has that number in the panel.
fn tell_apart(glue: &Path, name: &str) -> Result<()> {
    let text = fs::read_to_string(glue)?;
    if !text.contains("__yew_") {
        return Err(anyhow!(
            "{} no longer marks elements as Yew did: see tell_apart",
            glue.display()
        ));
    }
    Ok(fs::write(
        glue,
        text.replace("__yew_", &format!("__yew_{name}_")),
    )?)
}

fn shrink(workspace: &Workspace, job: &Job, module: &Path) -> Result<()> {
    let smaller = module.with_extension("smaller");
    job.run(
        Command::new(node::tool(workspace, "wasm-opt"))
            .args(SHRINK)
            .args(FEATURES)
            .arg(module)
            .arg("-o")
            .arg(&smaller),
    )?;
    Ok(fs::rename(&smaller, module)?)
}

/// Puts the modules where the extension's bundler and the server look for them. The server compresses what it sends,
/// Jupyter does not.
fn lay_out(workspace: &Workspace, bound: &Path) -> Result<()> {
    let panel = workspace.panel();
    let bundled = workspace.path("jupyter-extension/wasm");
    copy_folder(bound, &panel)?;
    copy_folder(bound, &bundled)?;
    for (_, name) in MODULES {
        let mut smaller = Vec::new();
        let module = fs::read(bound.join(format!("{name}_bg.wasm")))?;
        zopfli::compress(
            zopfli::Options::default(),
            zopfli::Format::Gzip,
            module.as_slice(),
            &mut smaller,
        )?;
        fs::write(packed(workspace, name), smaller)?;
    }
    let style = workspace.path("frontend/style");
    copy_folder(&style, &panel)?;
    copy_folder(&style, &bundled)?;
    for page in ["index.html", "start.js"] {
        let from = workspace.path("frontend").join(page);
        if from.exists() {
            copy_changed(&from, &panel.join(page))?;
        }
    }
    Ok(())
}
