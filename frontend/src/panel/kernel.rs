//! The notebook's kernel beside the form: which environment it stands for, and what it lacks.

use serde_json::Value;

use super::context::Panel;
use crate::host::ActiveKernel;
use crate::state::socket::segment;

/// What the server says of the kernel that the user works with.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// What the user calls the notebook or console.
    pub title: String,
    /// The option that chooses an environment, and the choice that is the kernel's.
    pub field: Option<String>,
    pub value: Option<String>,
    /// Why that choice, or why none.
    pub reason: Option<String>,
    /// It can't use a cluster, and what to do.
    pub warning: Option<String>,
}

/// What is said below the option that chooses an environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It is the kernel's.
    Fits(String),
    /// The kernel's is another one, which a button chooses.
    Differs(String, String),
}

impl Kernel {
    /// Asks for the kernel that the user works with; `None` where there is none.
    pub async fn ask(panel: &Panel) -> Option<Self> {
        let active = panel.host.active_kernel()?;
        Some(Self::ask_for(panel, active).await)
    }

    /// As [`Self::ask`], for any kernel.
    pub async fn ask_for(panel: &Panel, active: ActiveKernel) -> Self {
        let path = format!("options/for-kernel?kernel={}", segment(&active.name));
        match panel.store.api().get(path).await {
            Ok(tree) => Self::read(active, &tree),
            // The form works without it.
            Err(error) => Self {
                title: active.title,
                field: None,
                value: None,
                reason: Some(format!(
                    "the environment of its kernel could not be found out. {}",
                    error.message
                )),
                warning: None,
            },
        }
    }

    fn read(active: ActiveKernel, tree: &Value) -> Self {
        let text = |name: &str| tree[name].as_str().map(str::to_owned);
        Self {
            title: active.title,
            field: text("field"),
            value: text("value"),
            reason: text("reason"),
            warning: text("warning"),
        }
    }

    /// The choice for an option, where it is the one that the kernel speaks of.
    pub fn choice(&self, field: &str) -> Option<&String> {
        self.value
            .as_ref()
            .filter(|_| self.field.as_deref() == Some(field))
    }

    /// What to say below an option that shows `value`.
    pub fn say(&self, field: &str, value: &str) -> Option<Said> {
        let own = self.choice(field)?;
        let title = &self.title;
        Some(if own == value {
            let reason = self.reason.as_deref().unwrap_or_default();
            Said::Fits(format!("The environment of {title}: {reason}"))
        } else {
            Said::Differs(
                format!("{title} runs in {own}, so its versions may differ from the cluster's."),
                own.clone(),
            )
        })
    }

    /// What to say where no option is the kernel's environment.
    pub fn apart(&self) -> Option<String> {
        let reason = self.reason.as_ref().filter(|_| self.value.is_none())?;
        Some(format!("{}: {reason}", self.title))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kernel(tree: Value) -> Kernel {
        let active = ActiveKernel {
            name: "python3".into(),
            title: "taxi.ipynb".into(),
        };
        Kernel::read(active, &tree)
    }

    #[test]
    fn the_environment_is_explained_where_it_is_chosen() {
        let kernel = kernel(json!({
            "kernel": "Python 3", "field": "conda_environment", "value": "main", "reason": "Python 3 runs in it (/envs/main).",
            "lacks": [], "warning": null,
        }));
        assert_eq!(
            kernel.say("conda_environment", "main"),
            Some(Said::Fits(
                "The environment of taxi.ipynb: Python 3 runs in it (/envs/main).".into()
            ))
        );
        assert!(matches!(
            kernel.say("conda_environment", "other"),
            Some(Said::Differs(words, value)) if words.contains("runs in main") && value == "main"
        ));
        assert_eq!(kernel.say("profile", "main"), None);
        assert_eq!(kernel.apart(), None);
    }

    #[test]
    fn a_kernel_of_no_environment_is_explained_apart() {
        let kernel = kernel(json!({"kernel": "R", "reason": "It runs elsewhere.", "lacks": []}));
        assert_eq!(kernel.choice("conda_environment"), None);
        assert_eq!(kernel.apart().as_deref(), Some("taxi.ipynb: It runs elsewhere."));
    }
}
