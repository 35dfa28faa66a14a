//! Placeholder until its first version lands.
