//! What package.json's scripts call.
fn main() {}
