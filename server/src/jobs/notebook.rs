//! The executed notebook: the cells of the plan with what they showed.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::output::Line;
use super::plan::Plan;

/// Bytes of what cells showed that the notebook takes in: JupyterLab opens nothing much larger.
const LIMIT: usize = 64 << 20;

const LEFT_OUT: &str = "[Gatehouse: the rest of the output is left out here; the job has all of it.]\n";

/// Where something was shown under an id: the cell and the output in it.
type Places = HashMap<String, Vec<(usize, usize)>>;

/// Fills a notebook, line by line of the output file.
pub(super) struct Executed {
    notebook: Value,
    /// Places of the cells that run, in the notebook.
    places: Vec<usize>,
    /// The cell that runs, among all of the notebook.
    current: usize,
    displays: Places,
    size: usize,
    /// Of it, what the cell that runs has shown.
    of_cell: usize,
}

impl Executed {
    pub(super) fn new(plan: Plan) -> Self {
        let places: Vec<_> = plan.cells.iter().map(|cell| cell.at).collect();
        let mut notebook = plan.notebook;
        for cell in notebook["cells"].as_array_mut().into_iter().flatten() {
            if cell["cell_type"] == "code" {
                cell["outputs"] = json!([]);
                cell["execution_count"] = Value::Null;
            }
        }
        Self {
            notebook,
            current: places.first().copied().unwrap_or_default(),
            places,
            displays: Places::new(),
            size: 0,
            of_cell: 0,
        }
    }

    /// Takes in the next line.
    pub(super) fn take(&mut self, line: Line) {
        match line {
            Line::Stdout { text } => self.stream("stdout", text),
            Line::Stderr { text } => self.stream("stderr", text),
            Line::Shown {
                data,
                result,
                id,
                update,
            } => self.shown(data, result, id, update),
            Line::Error {
                name,
                value,
                traceback,
            } => {
                self.add(
                    json!({ "output_type": "error", "ename": name, "evalue": value, "traceback": traceback }),
                );
            }
            Line::Cell { cell, ended, count } => {
                if let Some(at) = self.places.get(cell as usize) {
                    self.current = *at;
                    self.of_cell = if ended { self.of_cell } else { 0 };
                    if ended && let Some(cell) = self.cell() {
                        cell.insert("execution_count".into(), json!(count));
                        let outputs = cell.get_mut("outputs").and_then(Value::as_array_mut);
                        for output in outputs.into_iter().flatten() {
                            if output["output_type"] == "execute_result" {
                                output["execution_count"] = json!(count);
                            }
                        }
                    }
                }
            }
            Line::Cleared => self.clear(),
            Line::Ready {
                language: Some(language),
                ..
            } => self.notebook["metadata"]["language_info"] = language,
            Line::Ready { .. } | Line::End { .. } | Line::Unknown => {}
        }
    }

    /// The notebook, with words about the job in its metadata, and the kernelspec where it is known: JupyterLab writes both
    /// that and the language in where they are missing, and then wants to save the notebook.
    pub(super) fn finish(mut self, about: Value, kernelspec: Option<Value>) -> Value {
        let metadata = &mut self.notebook["metadata"];
        metadata["gatehouse"] = about;
        if let Some(kernelspec) = kernelspec {
            metadata["kernelspec"] = kernelspec;
        }
        self.notebook
    }

    fn cell(&mut self) -> Option<&mut Map<String, Value>> {
        self.notebook
            .get_mut("cells")?
            .get_mut(self.current)?
            .as_object_mut()
    }

    fn outputs(&mut self) -> Option<&mut Vec<Value>> {
        self.cell()?.get_mut("outputs")?.as_array_mut()
    }

    fn clear(&mut self) {
        if let Some(outputs) = self.outputs() {
            outputs.clear();
        }
        let current = self.current;
        for places in self.displays.values_mut() {
            places.retain(|(cell, _)| *cell != current);
        }
        self.size -= std::mem::take(&mut self.of_cell);
    }

    fn stream(&mut self, name: &str, text: String) {
        self.size += text.len();
        self.of_cell += text.len();
        let text = if self.size <= LIMIT {
            text
        } else if self.size - text.len() <= LIMIT {
            LEFT_OUT.to_owned()
        } else {
            return;
        };
        if let Some(last) = self.outputs().and_then(|outputs| outputs.last_mut())
            && last["name"] == name
            && let Some(Value::String(before)) = last.get_mut("text")
        {
            before.push_str(&text);
            return;
        }
        self.push(json!({ "output_type": "stream", "name": name, "text": text }));
    }

    fn shown(&mut self, data: BTreeMap<String, String>, result: bool, id: Option<String>, update: bool) {
        let data = bundle(data);
        if update {
            let places = id
                .and_then(|id| self.displays.get(&id).cloned())
                .unwrap_or_default();
            for (cell, output) in places {
                self.notebook["cells"][cell]["outputs"][output]["data"] = data.clone();
            }
            return;
        }
        let output = if result {
            json!({ "output_type": "execute_result", "execution_count": null, "metadata": {}, "data": data })
        } else {
            json!({ "output_type": "display_data", "metadata": {}, "data": data })
        };
        if self.add(output)
            && let Some(id) = id
        {
            let output = self.outputs().map_or(0, |outputs| outputs.len() - 1);
            let place = (self.current, output);
            self.displays.entry(id).or_default().push(place);
        }
    }

    /// Adds an output where there is room for it.
    fn add(&mut self, output: Value) -> bool {
        let size = output.to_string().len();
        if self.size > LIMIT {
            return false;
        }
        if self.size + size > LIMIT {
            self.stream("stderr", " ".repeat(size));
            return false;
        }
        self.size += size;
        self.of_cell += size;
        self.push(output);
        true
    }

    fn push(&mut self, output: Value) {
        if let Some(outputs) = self.outputs() {
            outputs.push(output);
        }
    }
}

/// Forms of something that was shown, as the format wants them: JSON is no text there.
fn bundle(data: BTreeMap<String, String>) -> Value {
    let value = |(kind, text): (String, String)| {
        let is_json = kind == "application/json" || kind.ends_with("+json");
        let parsed = is_json.then(|| serde_json::from_str(&text).ok()).flatten();
        (kind, parsed.unwrap_or(Value::String(text)))
    };
    Value::Object(data.into_iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use protocol::jobs::{Work, WorkKind};

    use super::*;

    fn plan(cells: &[&str]) -> Plan {
        let cells: Vec<_> = cells
            .iter()
            .map(
                |source| json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": ["old"] }),
            )
            .collect();
        let source = json!({ "nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells });
        Plan::of(&Work {
            kind: WorkKind::Notebook,
            source: source.to_string(),
            ..Work::default()
        })
        .unwrap()
    }

    fn text(text: &str) -> Line {
        Line::Stdout { text: text.into() }
    }

    fn shown(kind: &str, text: &str, result: bool, id: Option<&str>, update: bool) -> Line {
        Line::Shown {
            data: [(kind.to_owned(), text.to_owned())].into(),
            result,
            id: id.map(str::to_owned),
            update,
        }
    }

    #[test]
    fn outputs_are_where_their_cells_are() {
        let mut executed = Executed::new(plan(&["a", " ", "b"]));
        let cell = |cell, ended| Line::Cell {
            cell,
            ended,
            count: Some(cell + 1),
        };
        let ready = |language| Line::Ready {
            host: String::new(),
            pid: 1,
            language,
        };
        for line in [
            ready(Some(json!({ "name": "python", "version": "3.11.7" }))),
            ready(None),
            cell(0, false),
            text("one "),
            text("line\n"),
            Line::Stderr { text: "!".into() },
            shown("text/plain", "0 %", false, Some("bar"), false),
            shown("text/plain", "100 %", false, Some("bar"), true),
            cell(0, true),
            cell(1, false),
            shown("application/json", "{\"a\": 1}", true, None, false),
            Line::Error {
                name: "E".into(),
                value: "v".into(),
                traceback: vec!["t".into()],
            },
            cell(1, true),
        ] {
            executed.take(line);
        }
        let notebook = executed.finish(json!({ "job": "1" }), Some(json!({ "name": "python3" })));
        let metadata = &notebook["metadata"];
        assert_eq!(
            (
                &metadata["language_info"]["version"],
                &metadata["kernelspec"]["name"]
            ),
            (&json!("3.11.7"), &json!("python3"))
        );
        let cells = &notebook["cells"];
        assert_eq!(
            cells[0]["outputs"],
            json!([
                { "output_type": "stream", "name": "stdout", "text": "one line\n" },
                { "output_type": "stream", "name": "stderr", "text": "!" },
                { "output_type": "display_data", "metadata": {}, "data": { "text/plain": "100 %" } },
            ])
        );
        assert_eq!(
            (&cells[0]["execution_count"], &cells[1]["outputs"]),
            (&json!(1), &json!([]))
        );
        assert_eq!(
            cells[2]["outputs"][0]["data"],
            json!({ "application/json": { "a": 1 } })
        );
        assert_eq!(cells[2]["outputs"][0]["execution_count"], 2);
        assert_eq!(cells[2]["outputs"][1]["ename"], "E");
        assert_eq!(notebook["metadata"]["gatehouse"]["job"], "1");
    }

    #[test]
    fn what_is_cleared_leaves_room() {
        let mut executed = Executed::new(plan(&["a", "b"]));
        let begins = |cell| Line::Cell {
            cell,
            ended: false,
            count: None,
        };
        executed.take(begins(0));
        executed.take(text("stays"));
        executed.take(shown("text/plain", "bar", false, Some("d"), false));
        executed.take(begins(1));
        for _ in 0..3 {
            executed.take(text(&"x".repeat(LIMIT / 2 + 1)));
            executed.take(shown("text/plain", "here, too", false, Some("d"), false));
            executed.take(Line::Cleared);
        }
        executed.take(text("last"));
        executed.take(shown("text/plain", "anew", false, Some("d"), true));
        let notebook = executed.finish(Value::Null, None);
        let outputs = |cell: usize| &notebook["cells"][cell]["outputs"];
        assert_eq!(outputs(0)[0]["text"], "stays");
        assert_eq!(outputs(0)[1]["data"]["text/plain"], "anew");
        assert_eq!(
            outputs(1),
            &json!([{ "output_type": "stream", "name": "stdout", "text": "last" }])
        );
    }

    #[test]
    fn a_flood_is_cut() {
        let mut executed = Executed::new(plan(&["a"]));
        for _ in 0..80 {
            executed.take(text(&"x".repeat(1 << 20)));
        }
        executed.take(shown("text/plain", "late", false, None, false));
        let notebook = executed.finish(Value::Null, None);
        let outputs = notebook["cells"][0]["outputs"].as_array().unwrap();
        assert_eq!(outputs.len(), 1);
        let text = outputs[0]["text"].as_str().unwrap();
        assert!(text.len() < LIMIT + 200 && text.ends_with(LEFT_OUT));
    }
}
