//! What a step was last made from: a step whose inputs are the same and whose outputs are there is not run again.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that hold what tools made, never what a person wrote.
const MADE: [&str; 8] = [
    "node_modules",
    "target",
    "__pycache__",
    ".git",
    ".venv",
    "lib",
    "labextension",
    ".ipynb_checkpoints",
];

/// A step's inputs: files, folders (walked) and loose facts such as a compiler's version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    pub paths: Vec<PathBuf>,
    pub facts: Vec<String>,
}

impl Inputs {
    pub(crate) fn paths(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            facts: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn fact(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// One number over names and contents. Contents, not times: a fresh checkout of the same text is the same.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub(crate) fn hash(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        self.facts.hash(&mut hasher);
        let mut files = BTreeSet::new();
        for path in &self.paths {
            collect(path, &mut files)?;
        }
        for file in files {
            file.hash(&mut hasher);
            let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            bytes.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    // Named inputs may not be there yet (a lock file before its first install): their absence is part of the hash.
    let Ok(meta) = fs::metadata(path) else {
        return Ok(());
    };
    if meta.is_file() {
        files.insert(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("{} cannot be listed", path.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if MADE.iter().all(|made| name.to_str() != Some(made)) {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// The stamp file of one step.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// # Errors
    /// When an input cannot be read.
    pub(crate) fn new(folder: &Path, step: &str, inputs: &Inputs) -> Result<Self> {
        Ok(Self {
            file: folder.join(step),
            hash: format!("{:016x}", inputs.hash()?),
        })
    }

    /// Whether the step was done from these very inputs and its outputs are still there.
    pub(crate) fn is_fresh(&self, outputs: &[PathBuf]) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|stored| stored == self.hash)
            && outputs.iter().all(|output| output.exists())
    }

    /// # Errors
    /// When the stamp cannot be written.
    pub(crate) fn write(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.file, &self.hash)
            .with_context(|| format!("{} cannot be written", self.file.display()))
    }

    /// Forgets the step, so that a failed run is not taken for a done one.
    pub(crate) fn clear(&self) {
        fs::remove_file(&self.file).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_fresh_until_an_input_or_an_output_changes() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let output = folder.path().join("output");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("a"), "1").unwrap();
        fs::write(&output, "").unwrap();
        let inputs = Inputs::paths(vec![source.clone(), folder.path().join("not-there")]).fact("compiler 1");
        let stamp = || Stamp::new(&folder.path().join("stamps"), "step", &inputs).unwrap();
        let outputs = [output.clone()];

        assert!(!stamp().is_fresh(&outputs));
        stamp().write().unwrap();
        assert!(stamp().is_fresh(&outputs));

        fs::write(source.join("a"), "2").unwrap();
        assert!(!stamp().is_fresh(&outputs));
        stamp().write().unwrap();
        fs::create_dir(source.join("node_modules")).unwrap();
        fs::write(source.join("node_modules/x"), "made").unwrap();
        assert!(stamp().is_fresh(&outputs));

        fs::remove_file(&output).unwrap();
        assert!(!stamp().is_fresh(&outputs));
    }
}
