//! The live connection.
