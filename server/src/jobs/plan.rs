//! What a job's kernel is given, cell by cell: a snippet and a script are one cell, a notebook's are its code cells with
//! the parameters where papermill puts them.

use protocol::jobs::{Work, WorkKind};
use serde_json::{Map, Value, json};

/// The cells to run, and the notebook that they are the code of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) cells: Vec<Cell>,
    pub(super) notebook: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) source: String,
    /// The next cell runs even if this one raised: it is tagged `raises-exception`.
    pub(super) may_raise: bool,
    /// Its place among all cells of the notebook.
    pub(super) at: usize,
}

impl Plan {
    /// # Errors
    /// A sentence where the source is no notebook, or a parameter has no name that Python takes.
    pub(super) fn of(work: &Work) -> Result<Self, String> {
        let mut notebook = match work.kind {
            WorkKind::Notebook => read(&work.source)?,
            WorkKind::Snippet | WorkKind::Script => blank(&work.source),
        };
        if !work.parameters.is_empty() {
            inject(&mut notebook, &work.parameters)?;
        }
        let cells = cells_of(&notebook).iter().enumerate();
        let cells: Vec<_> = cells.filter_map(|(at, cell)| runs(cell, at)).collect();
        Ok(Self { cells, notebook })
    }

    /// The code of the cell that is tagged `parameters`.
    pub(super) fn parameters(&self) -> Option<String> {
        let mut cells = cells_of(&self.notebook).iter();
        cells
            .find(|cell| has_tag(cell, "parameters") && cell["cell_type"] == "code")
            .map(source_of)
    }

    /// The kernelspec that the notebook was saved with.
    pub(super) fn kernel(&self) -> Option<&str> {
        let name = self.notebook.pointer("/metadata/kernelspec/name")?.as_str()?;
        (!name.is_empty()).then_some(name)
    }
}

fn read(source: &str) -> Result<Value, String> {
    let again = "Open it in JupyterLab, save it, and run it again.";
    let notebook: Value =
        serde_json::from_str(source).map_err(|error| format!("This is no notebook ({error}). {again}"))?;
    if notebook["nbformat"].as_u64() != Some(4) || !notebook["cells"].is_array() {
        return Err(format!("This notebook is not of format 4. {again}"));
    }
    Ok(notebook)
}

/// A notebook around one cell.
fn blank(source: &str) -> Value {
    json!({
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": { "language_info": { "name": "python" } },
        "cells": [{
            "id": "code", "cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [], "source": source,
        }],
    })
}

fn cells_of(notebook: &Value) -> &[Value] {
    notebook["cells"].as_array().map_or(&[], Vec::as_slice)
}

fn has_tag(cell: &Value, tag: &str) -> bool {
    let tags = cell.pointer("/metadata/tags").and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|own| own == tag))
}

/// A cell's text, which the format also allows as a list of lines.
pub(super) fn source_of(cell: &Value) -> String {
    match &cell["source"] {
        Value::String(source) => source.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn runs(cell: &Value, at: usize) -> Option<Cell> {
    let source = source_of(cell);
    let is_code = cell["cell_type"] == "code" && !source.trim().is_empty();
    (is_code && !has_tag(cell, "skip-execution")).then(|| Cell {
        source,
        may_raise: has_tag(cell, "raises-exception"),
        at,
    })
}

/// Puts a cell with the parameters behind the one that is tagged `parameters`, in place of one that an earlier run put
/// there; first of all where no cell is.
fn inject(notebook: &mut Value, parameters: &Map<String, Value>) -> Result<(), String> {
    let mut source = String::from("# Parameters\n");
    for (name, value) in parameters {
        if !is_name(name) {
            return Err(format!(
                "A parameter can't be called {name:?}: a name has letters, digits and underscores and begins with no digit."
            ));
        }
        source.push_str(&format!("{name} = {}\n", literal(value)));
    }
    let mut cell = json!({
        "cell_type": "code", "execution_count": null, "metadata": { "tags": ["injected-parameters"] },
        "outputs": [], "source": source.trim_end(),
    });
    if notebook["nbformat_minor"].as_u64() >= Some(5) {
        cell["id"] = json!("injected-parameters");
    }
    let cells = notebook["cells"].as_array_mut();
    let cells = cells.ok_or_else(|| "The notebook has no cells.".to_owned())?;
    let at = |tag| cells.iter().position(|cell| has_tag(cell, tag));
    match (at("injected-parameters"), at("parameters")) {
        (Some(before), _) => cells[before] = cell,
        (None, Some(defaults)) => cells.insert(defaults + 1, cell),
        (None, None) => cells.insert(0, cell),
    }
    Ok(())
}

pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A JSON value as Python writes it.
fn literal(value: &Value) -> String {
    let all = |values: Vec<String>| values.join(", ");
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        // A JSON string is a Python string, too.
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", all(items.iter().map(literal).collect())),
        Value::Object(items) => {
            let item = |(name, value): (&String, &Value)| format!("{}: {}", json!(name), literal(value));
            format!("{{{}}}", all(items.iter().map(item).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(kind: WorkKind, source: &Value) -> Work {
        Work {
            kind,
            source: source.as_str().map_or_else(|| source.to_string(), str::to_owned),
            ..Work::default()
        }
    }

    fn cell(source: &str, tags: &[&str]) -> Value {
        json!({ "cell_type": "code", "metadata": { "tags": tags }, "source": source, "outputs": [] })
    }

    fn notebook(cells: &[Value]) -> Value {
        json!({ "nbformat": 4, "nbformat_minor": 4, "metadata": { "kernelspec": { "name": "dask" } }, "cells": cells })
    }

    #[test]
    fn code_cells_run_in_order() {
        let book = notebook(&[
            json!({ "cell_type": "markdown", "metadata": {}, "source": "# Words" }),
            json!({ "cell_type": "code", "metadata": {}, "source": ["a = 1\n", "a"] }),
            cell("  \n", &[]),
            cell("1 / 0", &["raises-exception"]),
            cell("never()", &["skip-execution"]),
        ]);
        let plan = Plan::of(&work(WorkKind::Notebook, &book)).unwrap();
        let cells: Vec<_> = plan
            .cells
            .iter()
            .map(|c| (c.source.as_str(), c.may_raise, c.at))
            .collect();
        assert_eq!(cells, [("a = 1\na", false, 1), ("1 / 0", true, 3)]);
        assert_eq!(plan.kernel(), Some("dask"));
        let snippet = Plan::of(&work(WorkKind::Snippet, &json!("print(1)"))).unwrap();
        assert_eq!((snippet.cells.len(), snippet.kernel()), (1, None));
    }

    #[test]
    fn parameters_follow_their_defaults() {
        let given = json!({ "n": 3, "name": "é\"", "deep": { "on": true, "off": [null, 1.5] } });
        let with = |book: &Value| {
            let mut work = work(WorkKind::Notebook, book);
            work.parameters = given.as_object().cloned().unwrap();
            Plan::of(&work).unwrap()
        };
        let book = notebook(&[
            cell("import x", &[]),
            cell("n = 1", &["parameters"]),
            cell("n", &[]),
        ]);
        let plan = with(&book);
        assert_eq!(plan.cells.len(), 4);
        let injected = &plan.cells[2];
        assert_eq!(
            injected.source,
            "# Parameters\ndeep = {\"off\": [None, 1.5], \"on\": True}\nn = 3\nname = \"é\\\"\""
        );
        // Run again, the same cell takes its place; without defaults it comes first.
        assert_eq!(with(&plan.notebook).notebook, plan.notebook);
        assert_eq!(
            with(&notebook(&[cell("n", &[])])).cells[0].source,
            injected.source
        );
    }

    #[test]
    fn what_can_not_run_is_refused() {
        for source in [
            json!("{"),
            json!({ "nbformat": 3, "worksheets": [] }),
            json!("[]"),
        ] {
            let error = Plan::of(&work(WorkKind::Notebook, &source)).unwrap_err();
            assert!(error.ends_with("run it again."), "{error}");
        }
        let mut named = work(WorkKind::Notebook, &notebook(&[]));
        named.parameters = json!({ "a-b": 1 }).as_object().cloned().unwrap();
        assert!(Plan::of(&named).unwrap_err().contains("\"a-b\""));
    }
}
