//! What the browser keeps for us as text: for this tab, or for all of them. A browser without storage forgets: no harm.

use gloo::utils::window;
use web_sys::Storage;

/// Where something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Until this browser tab is closed; a reload keeps it.
    Tab,
    Browser,
}

impl Place {
    fn storage(self) -> Option<Storage> {
        match self {
            Self::Tab => window().session_storage(),
            Self::Browser => window().local_storage(),
        }
        .ok()
        .flatten()
    }

    pub fn get(self, key: &str) -> Option<String> {
        self.storage()?.get_item(key).ok().flatten()
    }

    pub fn set(self, key: &str, text: &str) {
        if let Some(storage) = self.storage() {
            // Full or forbidden: as without storage.
            storage.set_item(key, text).ok();
        }
    }
}
