//! How many workers a form asks for: drafts as typed, checked into what the server takes.

use protocol::life::UNBOUNDED;
use protocol::rest::Scaling;

/// How a cluster's size is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleMode {
    /// Left as the gateway has it.
    #[default]
    None,
    Manual,
    Adaptive,
}

/// The scaling part of a form, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleDraft {
    pub mode: ScaleMode,
    pub workers: String,
    pub minimum: String,
    pub maximum: String,
}

impl Default for ScaleDraft {
    fn default() -> Self {
        Self {
            mode: ScaleMode::None,
            workers: "1".into(),
            minimum: "0".into(),
            maximum: "4".into(),
        }
    }
}

/// One of the scaling fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleField {
    Workers,
    Minimum,
    Maximum,
}

/// The scaling field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleError {
    pub field: ScaleField,
    pub message: String,
}

impl ScaleDraft {
    /// What is typed into a field.
    pub fn text(&self, field: ScaleField) -> &str {
        match field {
            ScaleField::Workers => &self.workers,
            ScaleField::Minimum => &self.minimum,
            ScaleField::Maximum => &self.maximum,
        }
    }

    pub fn text_mut(&mut self, field: ScaleField) -> &mut String {
        match field {
            ScaleField::Workers => &mut self.workers,
            ScaleField::Minimum => &mut self.minimum,
            ScaleField::Maximum => &mut self.maximum,
        }
    }

    /// The draft that shows what was asked before, ready to be changed.
    pub fn of(scaling: &Scaling, workers: u32) -> Self {
        let base = Self {
            workers: workers.to_string(),
            ..Self::default()
        };
        match *scaling {
            Scaling::Unknown => Self {
                mode: ScaleMode::Manual,
                ..base
            },
            Scaling::Manual { workers } => Self {
                mode: ScaleMode::Manual,
                workers: workers.to_string(),
                ..base
            },
            Scaling::Adaptive { minimum, maximum } => Self {
                mode: ScaleMode::Adaptive,
                minimum: minimum.to_string(),
                // Without a bound there is none to show.
                maximum: if maximum == UNBOUNDED {
                    base.maximum.clone()
                } else {
                    maximum.to_string()
                },
                ..base
            },
        }
    }

    /// What is asked of the gateway, `None` for [`ScaleMode::None`]; at most `limit` workers, where that is known.
    pub fn accept(&self, limit: Option<u32>) -> Result<Option<Scaling>, ScaleError> {
        match self.mode {
            ScaleMode::None => Ok(None),
            ScaleMode::Manual => Ok(Some(Scaling::Manual {
                workers: workers(&self.workers, ScaleField::Workers, limit)?,
            })),
            ScaleMode::Adaptive => {
                let minimum = workers(&self.minimum, ScaleField::Minimum, limit)?;
                let maximum = workers(&self.maximum, ScaleField::Maximum, limit)?;
                if minimum > maximum {
                    return Err(ScaleError {
                        field: ScaleField::Maximum,
                        message: format!("The maximum must be at least the minimum, {minimum}."),
                    });
                }
                if maximum == 0 {
                    return Err(ScaleError {
                        field: ScaleField::Maximum,
                        message: "A maximum of 0 would never start a worker.".to_owned(),
                    });
                }
                Ok(Some(Scaling::Adaptive { minimum, maximum }))
            }
        }
    }
}

fn workers(text: &str, field: ScaleField, limit: Option<u32>) -> Result<u32, ScaleError> {
    let number = text.trim().parse().ok();
    number
        .filter(|workers| limit.is_none_or(|limit| *workers <= limit))
        .ok_or_else(|| ScaleError {
            field,
            message: match limit {
                Some(limit) => {
                    format!("Enter a whole number from 0 to {limit}, which is the gateway's limit.")
                }
                None => "Enter a whole number, 0 or more.".to_owned(),
            },
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_needs_an_order() {
        let mut draft = ScaleDraft {
            mode: ScaleMode::Adaptive,
            ..ScaleDraft::default()
        };
        assert_eq!(
            draft.accept(None),
            Ok(Some(Scaling::Adaptive {
                minimum: 0,
                maximum: 4
            }))
        );
        draft.minimum = "5".into();
        assert_eq!(draft.accept(None).expect_err("5 > 4").field, ScaleField::Maximum);
        draft.minimum = "-1".into();
        assert_eq!(draft.accept(None).expect_err("-1").field, ScaleField::Minimum);
        draft = ScaleDraft {
            mode: ScaleMode::Adaptive,
            minimum: "0".into(),
            maximum: "0".into(),
            ..draft
        };
        assert!(draft.accept(None).is_err());
        draft.mode = ScaleMode::Manual;
        draft.workers = "2".into();
        assert_eq!(draft.accept(None), Ok(Some(Scaling::Manual { workers: 2 })));
        assert!(draft.accept(Some(2)).is_ok());
        let error = draft.accept(Some(1)).expect_err("more than the limit");
        assert_eq!(
            error.message,
            "Enter a whole number from 0 to 1, which is the gateway's limit."
        );
        draft.mode = ScaleMode::None;
        assert_eq!(draft.accept(None), Ok(None));
    }
}
