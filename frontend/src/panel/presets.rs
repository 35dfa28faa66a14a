//! Presets as the server keeps them, and how far their values fit the options of today.

use protocol::check::check;
use protocol::rest::{CreateCluster, OptionSpec, Scaling};
use serde_json::{Map, Value};

use super::draft::draft_of;
use super::form::{ClusterDraft, Origin};
use super::lease::LeaseDraft;
use super::scaling::ScaleDraft;
use crate::state::guard::terms;
use crate::state::json;

/// A form that has a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    pub id: String,
    pub name: String,
    pub default: bool,
    pub form: Value,
}

/// What the form can be filled with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presets {
    pub list: Vec<Preset>,
    pub last: Option<Value>,
}

impl Presets {
    /// Reads the answer of `GET api/v1/presets`.
    pub fn read(tree: &Value) -> Self {
        let list = tree["presets"].as_array();
        Self {
            list: list.into_iter().flatten().map(Preset::read).collect(),
            last: Some(&tree["last"]).filter(|last| last.is_object()).cloned(),
        }
    }

    pub fn get(&self, id: &str) -> Option<&Preset> {
        self.list.iter().find(|preset| preset.id == id)
    }

    /// What the form begins with: the default preset, or what was used last, or nothing.
    pub fn first(&self) -> Origin {
        match self.list.iter().find(|preset| preset.default) {
            Some(preset) => Origin::Preset(preset.id.clone()),
            None if self.last.is_some() => Origin::Last,
            None => Origin::Defaults,
        }
    }

    /// The form filled with this, and sentences on what of it does not fit any more.
    pub fn fill(
        &self,
        origin: Origin,
        specs: &[OptionSpec],
        limit: Option<u32>,
    ) -> (ClusterDraft, Vec<String>) {
        let form = match &origin {
            Origin::Defaults | Origin::Own => None,
            Origin::Last => self.last.as_ref(),
            Origin::Preset(id) => self.get(id).map(|preset| &preset.form),
        };
        let (draft, unfit) = form.map_or_else(Default::default, |form| fit(form, specs, limit));
        (ClusterDraft { origin, ..draft }, unfit)
    }
}

impl Preset {
    /// Reads one preset.
    pub fn read(tree: &Value) -> Self {
        let text = |name: &str| tree[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            name: text("name"),
            default: tree["default"].as_bool().unwrap_or_default(),
            form: tree["form"].clone(),
        }
    }
}

/// The form that makes this request, as presets keep it: all but the label, which is one cluster's own.
pub fn form_of(request: &CreateCluster) -> Value {
    let unnamed = CreateCluster {
        label: None,
        ..request.clone()
    };
    // Through its text: a second way to write it would cost kilobytes.
    let text = serde_json::to_string(&unnamed).unwrap_or_default();
    json::tree(&text).unwrap_or_default()
}

/// Takes of a form what fits; the rest keeps its default, and a sentence says so.
fn fit(form: &Value, specs: &[OptionSpec], limit: Option<u32>) -> (ClusterDraft, Vec<String>) {
    let mut draft = ClusterDraft::default();
    let mut unfit = Vec::new();
    let empty = Map::new();
    for (field, value) in form["options"].as_object().unwrap_or(&empty) {
        let Some(spec) = specs.iter().find(|spec| spec.field == *field) else {
            unfit.push(format!("The gateway has no option {field} any more."));
            continue;
        };
        match check(spec, value) {
            Ok(value) => draft.options.set(field, draft_of(spec, &value)),
            Err(reason) => unfit.push(format!("{reason}.")),
        }
    }
    if form["lease"].is_object() {
        // Whether its limits leave time to tell is the server's to say, which knows how long that takes.
        draft.lease = Some(LeaseDraft::of(&terms(&form["lease"]), 0));
    }
    if let Some(scaling) = scaling(&form["scaling"]) {
        let scale = ScaleDraft::of(&scaling, 1);
        match scale.accept(limit) {
            Ok(_) => draft.scale = scale,
            Err(error) => unfit.push(format!("Scaling: {}", error.message)),
        }
    }
    (draft, unfit)
}

fn scaling(tree: &Value) -> Option<Scaling> {
    let count = |name: &str| tree[name].as_u64().and_then(|count| u32::try_from(count).ok());
    match tree["mode"].as_str()? {
        "manual" => Some(Scaling::Manual {
            workers: count("workers")?,
        }),
        "adaptive" => Some(Scaling::Adaptive {
            minimum: count("minimum")?,
            maximum: count("maximum")?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn specs() -> Vec<OptionSpec> {
        serde_json::from_value(json!([
            {"field": "profile", "label": "Profile", "default": "Small", "spec": {"type": "select", "options": ["Small", "Big"]}},
            {"field": "priority", "label": "Priority", "default": 1, "spec": {"type": "int", "min": 0, "max": 10}},
            {"field": "spot", "label": "Spot", "default": false, "spec": {"type": "bool"}},
            {"field": "timeout", "label": "Timeout", "default": 0, "spec": {"type": "float"}},
            {"field": "environment_vars", "label": "Variables", "default": {}, "spec": {"type": "mapping"}},
        ]))
        .expect("options")
    }

    fn presets(form: Value) -> Presets {
        Presets::read(&json!({
            "presets": [{"id": "1", "name": "one", "default": false, "form": form, "changed_at": 1}], "last": null,
        }))
    }

    #[test]
    fn a_form_comes_back_as_it_was() {
        let form = json!({
            "options": {"profile": "Big", "priority": 3, "spot": true, "timeout": 2.5, "environment_vars": {"A": "1: x"}},
            "scaling": {"mode": "adaptive", "minimum": 1, "maximum": 3},
            "lease": {"idle_s": 1800, "lifetime_s": null, "stops": false, "at_end": "keep"},
        });
        let (draft, unfit) = presets(form.clone()).fill(Origin::Preset("1".into()), &specs(), Some(4));
        assert_eq!(unfit, [""; 0]);
        assert_eq!(draft.origin, Origin::Preset("1".into()));
        let request = draft.accept(&specs(), Some(4)).expect("what was accepted once");
        assert_eq!(form_of(&request), form);
    }

    #[test]
    fn what_does_not_fit_keeps_its_default() {
        let form = json!({
            "options": {"profile": "Huge", "priority": 11, "spot": true, "gpus": 2},
            "scaling": {"mode": "manual", "workers": 50}, "later": {},
        });
        let (draft, unfit) = presets(form).fill(Origin::Preset("1".into()), &specs(), Some(4));
        let request = draft.accept(&specs(), Some(4)).expect("the rest fits");
        assert_eq!(
            Value::Object(request.options),
            json!({"profile": "Small", "priority": 1, "spot": true, "timeout": 0.0, "environment_vars": {}})
        );
        assert_eq!(request.scaling, None);
        let all = unfit.join("\n");
        for words in [
            "'Huge' is not a valid option for profile.",
            "priority must be <= 10.000000, got 11.",
            "no option gpus any more",
            "Scaling: Enter a whole number from 0 to 4",
        ] {
            assert!(all.contains(words), "{words} in {all}");
        }
        assert_eq!(unfit.len(), 4, "{all}");
    }

    #[test]
    fn a_form_that_can_not_be_read_changes_nothing() {
        for form in [
            json!(null),
            json!([]),
            json!({"options": 3, "scaling": {"mode": "odd"}}),
        ] {
            let (draft, unfit) = presets(form).fill(Origin::Preset("1".into()), &specs(), None);
            assert!(unfit.is_empty() && draft.accept(&specs(), None).is_ok());
        }
    }

    #[test]
    fn the_form_begins_with_the_default_or_the_last() {
        let mut presets = presets(json!({}));
        assert_eq!(presets.first(), Origin::Defaults);
        presets.last = Some(json!({"options": {"priority": 7}}));
        assert_eq!(presets.first(), Origin::Last);
        let (draft, _) = presets.fill(Origin::Last, &specs(), None);
        assert_eq!(
            draft.accept(&specs(), None).expect("fits").options["priority"],
            json!(7)
        );
        presets.list[0].default = true;
        assert_eq!(presets.first(), Origin::Preset("1".into()));
        assert_eq!(
            presets.fill(Origin::Defaults, &specs(), None).0,
            ClusterDraft::default()
        );
    }
}
