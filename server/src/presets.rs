//! Presets of the form for a new cluster, and what was used last: by gateway, in the store.

use std::sync::Arc;

use protocol::presets::{ChangePreset, CreatePreset, FormValues, MAX_PRESET_NAME, Preset, Presets as Listed};
use protocol::rest::{CreateCluster, Scaling};
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tracing::warn;

use crate::store::{Store, StoreError};

/// Presets that a gateway may have: more can't be told apart in a list.
const MOST: i64 = 100;

/// Bytes of a form as JSON.
const LONGEST: usize = 64 << 10;

/// Why a preset was not found, saved or changed.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    #[error(
        "There is no such preset. It may have been deleted in another window: close the form and open it again."
    )]
    NotFound,
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The presets of one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Presets {
    store: Store,
    gateway: Arc<str>,
}

/// What the store's thread found.
enum Outcome {
    Done(Preset),
    Missing,
    Taken(String),
    Full,
}

impl Presets {
    pub(crate) fn new(store: Store, gateway: &str) -> Self {
        Self {
            store,
            gateway: gateway.into(),
        }
    }

    /// All presets by name, and what was used last.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub async fn list(&self) -> Result<Listed, PresetError> {
        let gateway = Arc::clone(&self.gateway);
        let listed = self
            .store
            .call(move |db| {
                let mut statement = db.prepare_cached(
                    "SELECT id, name, is_default, form, changed_at FROM presets WHERE gateway = ?1 ORDER BY name",
                )?;
                let presets = statement
                    .query_map([&*gateway], preset)?
                    .collect::<rusqlite::Result<_>>()?;
                let last: Option<String> = db
                    .query_row("SELECT form FROM last_forms WHERE gateway = ?1", [&*gateway], |row| {
                        row.get(0)
                    })
                    .optional()?;
                Ok(Listed {
                    presets,
                    last: last.and_then(|form| serde_json::from_str(&form).ok()),
                })
            })
            .await?;
        Ok(listed)
    }

    /// Saves a form under a new name.
    ///
    /// # Errors
    /// [`PresetError::Invalid`] for a name that can't be one or is taken, and for a form that is none.
    pub async fn create(&self, request: CreatePreset) -> Result<Preset, PresetError> {
        let name = check_name(&request.name)?;
        let form = check_form(&request.form)?;
        let gateway = Arc::clone(&self.gateway);
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.change_in_one(move |db| {
            if let Some(taken) = named(db, &gateway, &name, &id)? {
                return Ok(Outcome::Taken(taken));
            }
            let count: i64 = db.query_row(
                "SELECT count(*) FROM presets WHERE gateway = ?1",
                [&*gateway],
                |row| row.get(0),
            )?;
            if count >= MOST {
                return Ok(Outcome::Full);
            }
            db.execute(
                "INSERT INTO presets (id, gateway, name, form, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, &*gateway, name, form, crate::clock::now_ms()],
            )?;
            find(db, &gateway, &id)
        })
        .await
    }

    /// Renames a preset, replaces its form, or makes it the default one or not.
    ///
    /// # Errors
    /// As [`Presets::create`], and [`PresetError::NotFound`].
    pub async fn change(&self, id: &str, change: ChangePreset) -> Result<Preset, PresetError> {
        let name = change.name.as_deref().map(check_name).transpose()?;
        let form = change.form.as_ref().map(check_form).transpose()?;
        let (gateway, id) = (Arc::clone(&self.gateway), id.to_owned());
        self.change_in_one(move |db| {
            if let Some(name) = &name
                && let Some(taken) = named(db, &gateway, name, &id)?
            {
                return Ok(Outcome::Taken(taken));
            }
            if change.default == Some(true) {
                db.execute(
                    "UPDATE presets SET is_default = 0 WHERE gateway = ?1",
                    [&*gateway],
                )?;
            }
            db.execute(
                "UPDATE presets SET name = coalesce(?3, name), form = coalesce(?4, form), \
                 is_default = coalesce(?5, is_default), changed_at = ?6 WHERE gateway = ?1 AND id = ?2",
                params![&*gateway, id, name, form, change.default, crate::clock::now_ms()],
            )?;
            find(db, &gateway, &id)
        })
        .await
    }

    /// Deletes a preset for good.
    ///
    /// # Errors
    /// [`PresetError::NotFound`].
    pub async fn delete(&self, id: &str) -> Result<(), PresetError> {
        let (gateway, id) = (Arc::clone(&self.gateway), id.to_owned());
        let deleted = self
            .store
            .call(move |db| {
                db.execute(
                    "DELETE FROM presets WHERE gateway = ?1 AND id = ?2",
                    params![&*gateway, id],
                )
            })
            .await?;
        if deleted == 0 {
            return Err(PresetError::NotFound);
        }
        Ok(())
    }

    /// Remembers what a cluster was created with. A form that can't be kept is no reason to fail: the cluster is there.
    pub(crate) async fn used(&self, form: FormValues) {
        let Ok(form) = check_form(&form) else { return };
        let gateway = Arc::clone(&self.gateway);
        let kept = self
            .store
            .call(move |db| {
                db.execute(
                    "INSERT OR REPLACE INTO last_forms (gateway, form) VALUES (?1, ?2)",
                    params![&*gateway, form],
                )
            })
            .await;
        if let Err(error) = kept {
            warn!(%error, "what was used last could not be kept");
        }
    }

    /// Several statements that hold together; nothing of them stays where the outcome is not [`Outcome::Done`].
    async fn change_in_one<F>(&self, work: F) -> Result<Preset, PresetError>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<Outcome> + Send + 'static,
    {
        let outcome = self
            .store
            .call(move |db| {
                let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let outcome = work(&transaction)?;
                if matches!(outcome, Outcome::Done(_)) {
                    transaction.commit()?;
                }
                Ok(outcome)
            })
            .await?;
        let name = |message| PresetError::Invalid {
            field: "name",
            message,
        };
        match outcome {
            Outcome::Done(preset) => Ok(preset),
            Outcome::Missing => Err(PresetError::NotFound),
            Outcome::Taken(taken) => Err(name(format!(
                "There is a preset “{taken}” already. Choose another name, or choose that preset and save over it."
            ))),
            Outcome::Full => Err(name(format!(
                "There are {MOST} presets already. Delete one that is not needed any more."
            ))),
        }
    }
}

/// The form that a request for a cluster came from: all of it but the label, which is one cluster's own.
pub(crate) fn form_of(request: &CreateCluster) -> FormValues {
    match serde_json::to_value(request) {
        Ok(Value::Object(mut form)) => {
            form.remove("label");
            form.retain(|_, value| !value.is_null());
            form
        }
        _ => FormValues::new(),
    }
}

fn find(db: &Transaction<'_>, gateway: &str, id: &str) -> rusqlite::Result<Outcome> {
    let found = db
        .query_row(
            "SELECT id, name, is_default, form, changed_at FROM presets WHERE gateway = ?1 AND id = ?2",
            params![gateway, id],
            preset,
        )
        .optional()?;
    Ok(found.map_or(Outcome::Missing, Outcome::Done))
}

/// The name, as it is written there, of another preset that has this one.
fn named(db: &Transaction<'_>, gateway: &str, name: &str, id: &str) -> rusqlite::Result<Option<String>> {
    db.query_row(
        "SELECT name FROM presets WHERE gateway = ?1 AND name = ?2 AND id <> ?3",
        params![gateway, name, id],
        |row| row.get(0),
    )
    .optional()
}

fn preset(row: &Row<'_>) -> rusqlite::Result<Preset> {
    let form: String = row.get(3)?;
    Ok(Preset {
        id: row.get(0)?,
        name: row.get(1)?,
        default: row.get(2)?,
        // One that can't be read is shown empty, so that it can be saved over or deleted.
        form: serde_json::from_str(&form).unwrap_or_default(),
        changed_at: row.get(4)?,
    })
}

fn check_name(name: &str) -> Result<String, PresetError> {
    let name = name.trim();
    let invalid = |message| {
        Err(PresetError::Invalid {
            field: "name",
            message,
        })
    };
    if name.is_empty() {
        return invalid("A preset needs a name. Enter one that says what it is for.".to_owned());
    }
    if name.contains(char::is_control) {
        return invalid(
            "The name holds a line break or another sign that can't be seen. Write it in one line."
                .to_owned(),
        );
    }
    let length = name.chars().count();
    if length > MAX_PRESET_NAME {
        return invalid(format!(
            "A name has at most {MAX_PRESET_NAME} characters; this one has {length}. Choose a shorter one."
        ));
    }
    Ok(name.to_owned())
}

/// The form as text. Whether its values fit the gateway's options is asked when it is loaded: sites change them.
fn check_form(form: &FormValues) -> Result<String, PresetError> {
    let invalid = |message| PresetError::Invalid {
        field: "form",
        message,
    };
    if !form.get("options").is_some_and(Value::is_object) {
        return Err(invalid(
            "A preset's form needs “options”, a mapping of values by field.".to_owned(),
        ));
    }
    if let Some(scaling) = form.get("scaling")
        && let Err(error) = serde_json::from_value::<Scaling>(scaling.clone())
    {
        return Err(invalid(format!("The form's scaling can't be read: {error}.")));
    }
    let text =
        serde_json::to_string(form).map_err(|error| invalid(format!("The form can't be kept: {error}.")))?;
    if text.len() > LONGEST {
        return Err(invalid(format!(
            "The form has {} bytes, and a preset keeps at most {LONGEST}. Shorten its longest value.",
            text.len()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
