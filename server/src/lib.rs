//! The Gatehouse server.
