//! One watcher a scheduler, and its fan-out to browsers.
