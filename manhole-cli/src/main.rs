//! Connects to the manhole of a process.
fn main() {}
