//! The memory of the form for a job, and how each act changes it.

use std::rc::Rc;

use protocol::jobs::{Job, JobFile};
use protocol::kernels::Kernel as Listed;
use protocol::rest::{ApiError, Options};
use yew::prelude::*;

use super::draft::{JobDraft, JobErrors, Kind};
use crate::panel::draft::Draft;
use crate::panel::form::Origin;
use crate::panel::kernel::Kernel;
use crate::panel::presets::Presets;

/// The form's memory.
#[derive(Clone, Default, PartialEq)]
pub struct Form {
    pub draft: JobDraft,
    /// The gateway's options; why they can't be had; `None` while they are asked for.
    pub options: Option<Result<Rc<Options>, ApiError>>,
    pub presets: Rc<Presets>,
    /// Why presets could not be read.
    pub trouble: Option<String>,
    /// What of a preset did not fit, in sentences.
    pub unfit: Vec<String>,
    pub kernels: Vec<Listed>,
    /// What the gateway has for the kernel that the job will have.
    pub kernel: Option<Kernel>,
    /// Whether options were touched, or come from a preset or an earlier run: then the kernel chooses nothing.
    own: bool,
    /// Attempts to run it: from the first on, all errors show.
    pub attempts: u32,
    /// What the server refused, until something is typed.
    pub refused: JobErrors,
    pub sending: bool,
    /// Whether the rare fields are unfolded.
    pub more: bool,
}

pub enum Act {
    Options(Result<Rc<Options>, ApiError>, Presets, Option<String>),
    Kernels(Vec<Listed>),
    Kernel(Kernel),
    /// What the file is, or why it can't be read.
    File(Result<JobFile, ApiError>),
    /// The job that is run again.
    Again(Box<Job>),
    /// Something was typed.
    Type(Box<dyn FnOnce(&mut JobDraft)>),
    /// An option of the fresh cluster was touched.
    Option(String, Draft),
    Fill(Origin),
    Presets(Presets, Option<Origin>),
    Attempt {
        sending: bool,
    },
    More(bool),
    Refused(JobErrors),
}

impl Reducible for Form {
    type Action = Act;

    fn reduce(self: Rc<Self>, act: Act) -> Rc<Self> {
        let mut next = (*self).clone();
        match act {
            Act::Options(options, presets, trouble) => {
                next.options = Some(options);
                next.presets = Rc::new(presets);
                next.trouble = trouble;
                if !next.own {
                    next.fill(next.presets.first());
                }
            }
            Act::Kernels(kernels) => next.kernels = kernels,
            Act::Kernel(kernel) => {
                next.kernel = Some(kernel);
                next.choose_environment();
            }
            Act::File(Ok(file)) => {
                next.refused.fields.remove("path");
                next.draft.file = Some(Rc::new(file));
            }
            Act::File(Err(error)) => {
                next.draft.file = None;
                // What was run before is there all the same.
                if next.draft.earlier.is_some() {
                    next.draft.as_earlier = true;
                    next.draft.gone = Some(error.message);
                } else {
                    next.refused.fields.set("path", error.message);
                }
            }
            Act::Again(job) => {
                let specs = next.specs().map(|options| options.options.clone());
                let limit = next.specs().and_then(|options| options.max_workers);
                next.draft = JobDraft::again(&job, &specs.unwrap_or_default()).with_workers(limit);
                next.own = true;
            }
            Act::Type(change) => {
                let path = next.draft.path.clone();
                change(&mut next.draft);
                next.forget_refusal(next.draft.path == path);
            }
            Act::Option(field, draft) => {
                next.own = true;
                next.forget_refusal(true);
                next.draft.fresh.options.set(&field, draft);
            }
            Act::Fill(origin) => {
                next.own = origin != Origin::Defaults;
                next.refused = JobErrors::default();
                next.fill(origin);
                next.choose_environment();
            }
            Act::Presets(presets, origin) => {
                next.presets = Rc::new(presets);
                if let Some(origin) = origin {
                    next.draft.fresh.origin = origin;
                    next.own = true;
                    next.unfit.clear();
                }
            }
            Act::Attempt { sending } => {
                next.attempts += 1;
                if sending {
                    next.refused = JobErrors::default();
                } else {
                    next.forget_refusal(true);
                }
                next.sending = sending;
            }
            Act::More(open) => next.more = open,
            Act::Refused(errors) => {
                next.refused = errors;
                next.sending = false;
            }
        }
        Rc::new(next)
    }
}

impl Form {
    pub fn specs(&self) -> Option<&Rc<Options>> {
        self.options.as_ref()?.as_ref().ok()
    }

    /// What the server said of the form before may not hold any more. What it said of a path that is still the same does.
    fn forget_refusal(&mut self, same_path: bool) {
        let refused = std::mem::take(&mut self.refused);
        if let Some(message) = refused.fields.get("path").filter(|_| same_path) {
            self.refused.fields.set("path", message.clone());
        }
    }

    fn fill(&mut self, origin: Origin) {
        let Some(options) = self.specs().cloned() else {
            return;
        };
        let (fresh, unfit) = self.presets.fill(origin, &options.options, options.max_workers);
        self.unfit = unfit;
        let draft = JobDraft {
            fresh,
            ..std::mem::take(&mut self.draft)
        };
        self.draft = draft.with_workers(options.max_workers);
    }

    /// Chooses the environment of the job's kernel, unless the user chose something.
    fn choose_environment(&mut self) {
        if !self.own
            && let Some(kernel) = &self.kernel
            && let Some(field) = &kernel.field
            && let Some(value) = kernel.choice(field)
        {
            self.draft.fresh.options.set(field, Draft::Text(value.clone()));
        }
    }

    /// The kernelspec that the job will have; `None` while that is not known.
    pub fn kernel_name(&self) -> Option<String> {
        let chosen = self.draft.kernel.trim();
        if !chosen.is_empty() {
            return Some(chosen.to_owned());
        }
        let of_file = self.draft.file.as_ref().filter(|_| self.draft.kind == Kind::File);
        of_file.and_then(|file| file.kernel.clone()).or_else(|| {
            let default = self.kernels.iter().find(|kernel| kernel.default);
            default.map(|kernel| kernel.name.clone())
        })
    }

    pub fn kernel_title(&self, name: &str) -> String {
        let known = self.kernels.iter().find(|kernel| kernel.name == name);
        known.map_or_else(|| name.to_owned(), |kernel| kernel.display_name.clone())
    }
}
