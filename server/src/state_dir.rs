//! The state folder: who owns it and who else uses it.
