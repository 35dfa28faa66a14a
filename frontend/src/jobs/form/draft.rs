//! Everything typed into the form for a job, and what it means.

use std::rc::Rc;

use protocol::jobs::{CreateJob, Job, JobFile, OnMismatch, Parameter, Place, PlaceKind, Work, WorkKind};
use protocol::rest::{ApiError, OptionKind, OptionSpec, Options, Scaling};
use serde_json::{Map, Value};

use crate::panel::by_name::ByName;
use crate::panel::draft::{Draft, accept, draft_of};
use crate::panel::form::{ClusterDraft, ClusterErrors};
use crate::panel::mapping;
use crate::panel::scaling::{ScaleDraft, ScaleError, ScaleField, ScaleMode};
use crate::state::json;
use crate::ui::format;

/// Workers of a fresh cluster where nothing else is said: without any its code would wait for ever.
const WORKERS: u32 = 2;

/// Whether code is typed here or lies in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Snippet,
    File,
}

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobDraft {
    pub kind: Kind,
    pub code: String,
    pub path: String,
    /// What the file at `path` is, once it was looked at.
    pub file: Option<Rc<JobFile>>,
    /// The code of an earlier run, and whether it is what runs instead of the file as it is now.
    pub earlier: Option<Rc<Work>>,
    pub as_earlier: bool,
    /// Why the file can't be read any more, where an earlier run had it.
    pub gone: Option<String>,
    /// As typed behind a script's name in a shell.
    pub args: String,
    /// Parameters that were touched.
    pub parameters: ByName<Draft>,
    pub place: PlaceKind,
    /// The running cluster that was chosen.
    pub cluster: Option<String>,
    pub fresh: ClusterDraft,
    /// Empty where the default does.
    pub wait_for: String,
    pub name: String,
    /// Empty for the notebook's or the default one.
    pub kernel: String,
    pub folder: String,
    /// A line a variable, as mappings are typed.
    pub environment: String,
    /// Minutes; empty for none.
    pub time_limit: String,
    pub retries: String,
    /// Whether versions that don't fit stop it.
    pub strict: bool,
}

/// What is wrong, by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobErrors {
    pub fields: ByName<String>,
    pub fresh: ClusterErrors,
    /// What concerns no field that is shown.
    pub whole: Option<String>,
}

/// The fields that can be wrong, with what they are called.
pub const FIELDS: [(&str, &str); 11] = [
    ("code", "Python"),
    ("path", "File"),
    ("args", "Arguments"),
    ("cluster", "Cluster"),
    ("wait_for", "Begin with"),
    ("name", "Name"),
    ("kernel", "Kernel"),
    ("folder", "Working folder"),
    ("environment", "Environment"),
    ("time_limit", "Time limit"),
    ("retries", "Retries"),
];

impl JobDraft {
    /// The form for running a job again.
    pub fn again(job: &Job, specs: &[OptionSpec]) -> Self {
        let request = &job.request;
        let work = &request.work;
        let mut draft = Self {
            // A name that nobody gave is made anew.
            name: request.name.clone().unwrap_or_default(),
            kernel: request.kernel.clone().unwrap_or_default(),
            folder: request.folder.clone().unwrap_or_default(),
            environment: mapping::write(&texts(&request.environment)),
            time_limit: request.time_limit_s.map_or_else(String::new, minutes),
            retries: request.retries.to_string(),
            strict: request.on_mismatch == OnMismatch::Stop,
            place: request.place.kind,
            cluster: request.place.cluster.clone(),
            wait_for: request.place.wait_for.map_or_else(String::new, |n| n.to_string()),
            ..Self::default()
        };
        for spec in specs {
            if let Some(value) = request.place.options.get(&spec.field) {
                draft.fresh.options.set(&spec.field, draft_of(spec, value));
            }
        }
        if let Some(scaling) = &request.place.scaling {
            draft.fresh.scale = ScaleDraft::of(scaling, WORKERS);
        }
        match work.kind {
            WorkKind::Snippet => draft.code = work.source.clone(),
            WorkKind::Script | WorkKind::Notebook => {
                draft.kind = Kind::File;
                draft.path = work.path.clone().unwrap_or_default();
                draft.args = quoted(&work.args);
                for (name, value) in &work.parameters {
                    draft
                        .parameters
                        .set(name, draft_of(&spec_of(name, Some(value)), value));
                }
                draft.earlier = Some(Rc::new(work.clone()));
            }
        }
        draft
    }

    /// Gives a fresh cluster workers where its preset says nothing.
    pub fn with_workers(mut self, limit: Option<u32>) -> Self {
        if self.fresh.scale.mode == ScaleMode::None {
            self.fresh.scale.mode = ScaleMode::Manual;
            self.fresh.scale.workers = WORKERS.min(limit.unwrap_or(WORKERS)).to_string();
        }
        self
    }

    /// What the file is: as it was looked at, or as its name tells.
    pub fn file_kind(&self) -> WorkKind {
        match (&self.file, &self.earlier) {
            (_, Some(earlier)) if self.as_earlier => earlier.kind,
            (Some(file), _) => file.kind,
            _ if self.path.trim().ends_with(".ipynb") => WorkKind::Notebook,
            _ => WorkKind::Script,
        }
    }

    /// The notebook's parameters as fields: those of its cell, and those that an earlier run had beside them.
    pub fn parameter_specs(&self) -> Vec<OptionSpec> {
        let listed = self.file.as_ref().map_or(&[][..], |file| &file.parameters);
        let mut specs: Vec<_> = listed.iter().map(spec_of_parameter).collect();
        if let Some(earlier) = &self.earlier {
            let own = earlier.parameters.iter();
            for (name, value) in own.filter(|(name, _)| listed.iter().all(|known| known.name != **name)) {
                specs.push(spec_of(name, Some(value)));
            }
        }
        specs
    }

    /// The request for the server, or everything that is wrong. `options` are the gateway's, where a fresh cluster needs them.
    pub fn accept(
        &self,
        options: Option<&Options>,
        running: Option<&str>,
    ) -> Result<CreateJob, Box<JobErrors>> {
        let mut errors = JobErrors::default();
        let work = self.work(&mut errors.fields);
        let place = self.place(options, running, &mut errors);
        let environment = mapping::parse(&self.environment).map(|read| read.values);
        let environment = environment.unwrap_or_else(|message| {
            errors.fields.set("environment", message);
            Map::new()
        });
        let time_limit_s = match self.time_limit.trim() {
            "" => None,
            text => {
                let minutes = crate::ui::number::parse(text).filter(|minutes| *minutes > 0.0);
                if minutes.is_none() {
                    let message = "Enter minutes, more than 0, or nothing for no limit.";
                    errors.fields.set("time_limit", message.to_owned());
                }
                minutes.map(|minutes| ((minutes * 60.0).round() as u64).max(1))
            }
        };
        let retries = match self.retries.trim() {
            "" => 0,
            text => text
                .parse()
                .ok()
                .filter(|retries| *retries <= 100)
                .unwrap_or_else(|| {
                    let message = "Enter a whole number from 0 to 100.";
                    errors.fields.set("retries", message.to_owned());
                    0
                }),
        };
        if errors != JobErrors::default() {
            return Err(Box::new(errors));
        }
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(CreateJob {
            work,
            place,
            name: text(&self.name),
            kernel: text(&self.kernel),
            folder: text(&self.folder),
            environment: environment
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(text) => (name, text),
                    other => (name, json::write(&other)),
                })
                .collect(),
            time_limit_s,
            retries,
            on_mismatch: if self.strict {
                OnMismatch::Stop
            } else {
                OnMismatch::Show
            },
        })
    }

    fn work(&self, errors: &mut ByName<String>) -> Work {
        if self.kind == Kind::Snippet {
            if self.code.trim().is_empty() {
                errors.set("code", "Write some Python first.".to_owned());
            }
            return Work {
                source: self.code.clone(),
                ..Work::default()
            };
        }
        let path = self.path.trim().trim_start_matches('/');
        let kind = self.file_kind();
        let earlier = self.earlier.as_ref().filter(|_| self.as_earlier);
        if path.is_empty() && earlier.is_none() {
            errors.set(
                "path",
                "Name a .py script or an .ipynb notebook below JupyterLab's folder.".to_owned(),
            );
        }
        let mut work = Work {
            kind,
            path: Some(path.to_owned()).filter(|path| !path.is_empty()),
            source: earlier.map_or_else(String::new, |earlier| earlier.source.clone()),
            ..Work::default()
        };
        if kind == WorkKind::Notebook {
            for spec in self.parameter_specs() {
                // An emptied field of JSON is one that was left alone.
                let emptied =
                    |draft: &&Draft| spec.spec == OptionKind::Unknown && draft.text().trim().is_empty();
                let Some(draft) = self.parameters.get(&spec.field).filter(|draft| !emptied(draft)) else {
                    continue;
                };
                match accept(&spec, draft) {
                    Ok(accepted) => {
                        work.parameters.insert(spec.field.clone(), accepted.value);
                    }
                    Err(message) => errors.set(&format!("parameters.{}", spec.field), message),
                }
            }
        } else {
            work.args = words(&self.args).unwrap_or_else(|message| {
                errors.set("args", message);
                Vec::new()
            });
        }
        work
    }

    /// What is wrong where a fresh cluster of this size can never have the workers with which the code begins.
    fn check_size(scaling: Option<&Scaling>, wait_for: Option<u32>, errors: &mut JobErrors) {
        let most = match scaling {
            Some(Scaling::Manual { workers }) => *workers,
            Some(Scaling::Adaptive { maximum, .. }) => *maximum,
            Some(Scaling::Unknown) | None => return,
        };
        if most == 0 {
            errors.fresh.scale = Some(ScaleError {
                field: ScaleField::Workers,
                message: "Without any worker the code would wait for ever: give the cluster one at least."
                    .to_owned(),
            });
        } else if wait_for.is_some_and(|wait| wait > most) {
            let workers = format::count(most.into(), "worker");
            errors
                .fields
                .set("wait_for", format!("The cluster never has more than {workers}."));
        }
    }

    fn place(&self, options: Option<&Options>, running: Option<&str>, errors: &mut JobErrors) -> Place {
        let mut place = Place {
            kind: self.place,
            ..Place::default()
        };
        if self.place != PlaceKind::None {
            place.wait_for = match self.wait_for.trim() {
                "" => None,
                text => text.parse().ok().or_else(|| {
                    let message = "Enter a whole number of workers, or nothing.";
                    errors.fields.set("wait_for", message.to_owned());
                    None
                }),
            };
        }
        match self.place {
            PlaceKind::Cluster => match running {
                Some(name) => place.cluster = Some(name.to_owned()),
                None => errors.fields.set(
                    "cluster",
                    match self.cluster {
                        Some(_) => "That cluster does not run any more. Choose another one.".to_owned(),
                        None => "No cluster is running. Choose a new one, or create one first.".to_owned(),
                    },
                ),
            },
            PlaceKind::Fresh => {
                let specs = options.map_or(&[][..], |options| &options.options);
                let limit = options.and_then(|options| options.max_workers);
                match self.fresh.accept(specs, limit) {
                    Ok(cluster) => (place.options, place.scaling) = (cluster.options, cluster.scaling),
                    Err(wrong) => errors.fresh = wrong,
                }
                // Also where an option is wrong: all that is to be corrected is told at once.
                if let Ok(scaling) = self.fresh.scale.accept(limit) {
                    Self::check_size(scaling.as_ref(), place.wait_for, errors);
                }
            }
            PlaceKind::None => {}
        }
        place
    }
}

impl JobErrors {
    /// The server's refusal, beside the field that it names where that is one of ours.
    pub fn of(error: &ApiError, specs: &[OptionSpec]) -> Self {
        let mut errors = Self::default();
        let field = match error.field.as_deref() {
            Some("time_limit_s") => Some("time_limit"),
            Some("work") => Some("path"),
            Some("scaling") => Some("wait_for"),
            other => other,
        };
        match field.filter(|field| FIELDS.iter().any(|(known, _)| known == field)) {
            Some(field) => errors.fields.set(field, error.message.clone()),
            None => {
                errors.fresh = ClusterErrors::of(error, specs);
                errors.whole = errors.fresh.whole.take();
            }
        }
        errors
    }
}

fn texts(environment: &std::collections::BTreeMap<String, String>) -> Map<String, Value> {
    let text = |(name, value): (&String, &String)| (name.clone(), Value::from(value.clone()));
    environment.iter().map(text).collect()
}

/// Seconds in minutes, without places that say nothing.
fn minutes(seconds: u64) -> String {
    let minutes = seconds as f64 / 60.0;
    format!("{minutes:.2}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

fn spec_of_parameter(parameter: &Parameter) -> OptionSpec {
    OptionSpec {
        default: parameter.default.clone().unwrap_or_default(),
        about: parameter.about.clone(),
        ..spec_of(&parameter.name, parameter.default.as_ref())
    }
}

/// A field for a value of this kind; JSON where it may be anything.
fn spec_of(name: &str, value: Option<&Value>) -> OptionSpec {
    let kind = match value {
        Some(Value::Bool(_)) => OptionKind::Bool,
        Some(Value::String(_)) => OptionKind::String,
        Some(Value::Number(number)) if number.is_f64() => OptionKind::Float { min: None, max: None },
        Some(Value::Number(_)) => OptionKind::Int { min: None, max: None },
        _ => OptionKind::Unknown,
    };
    OptionSpec {
        field: name.to_owned(),
        label: name.to_owned(),
        default: value.cloned().unwrap_or_default(),
        spec: kind,
        local: false,
        notes: Vec::new(),
        about: None,
    }
}

/// Splits a line as a shell does: at spaces, but for what is quoted or behind a backslash.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = chars
                    .next()
                    .ok_or("There is nothing behind the last backslash. Take it away, or double it.")?;
                word.get_or_insert_default().push(next);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("A quotation mark is not closed.".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// A line that [`words`] splits into these.
fn quoted(args: &[String]) -> String {
    let quote = |arg: &String| {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
        if !arg.is_empty() && arg.chars().all(plain) {
            arg.clone()
        } else {
            format!("'{}'", arg.replace('\'', "'\"'\"'"))
        }
    };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
