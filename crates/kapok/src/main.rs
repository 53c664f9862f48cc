//! Kapok.
fn main() {}
