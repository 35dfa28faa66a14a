//! The user's own name for a cluster.

use protocol::rest::MAX_LABEL;

use super::{ClusterError, Clusters};

impl Clusters {
    /// Sets or, with none, takes away the user's name for a cluster.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`], [`ClusterError::Invalid`] for one that is too long, or [`ClusterError::Store`].
    pub async fn set_label(&self, name: &str, label: Option<String>) -> Result<(), ClusterError> {
        let label = check_label(label)?;
        self.find(name).await?;
        self.0.store.set_label(name, label.as_deref()).await?;
        self.book().note(name).label = label;
        // Whoever changed it may ask for it with the next request.
        self.publish_now(false);
        Ok(())
    }
}

pub(super) fn check_label(label: Option<String>) -> Result<Option<String>, ClusterError> {
    let Some(label) = label.map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()) else {
        return Ok(None);
    };
    if label.chars().count() > MAX_LABEL {
        return Err(ClusterError::Invalid {
            field: Some("label".to_owned()),
            message: format!("The label is longer than {MAX_LABEL} characters; choose a shorter one."),
        });
    }
    Ok(Some(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_trimmed_and_bounded() {
        assert_eq!(
            check_label(Some("  taxi ".to_owned())).expect("ok").as_deref(),
            Some("taxi")
        );
        assert_eq!(check_label(Some("   ".to_owned())).expect("ok"), None);
        assert!(check_label(Some("x".repeat(MAX_LABEL + 1))).is_err());
    }
}
