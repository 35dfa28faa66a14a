//! SQLite: what must survive a restart.
