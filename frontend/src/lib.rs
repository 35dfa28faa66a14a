//! The Gatehouse panel.
