//! Starts a program with libmanhole.so preloaded.
fn main() {}
