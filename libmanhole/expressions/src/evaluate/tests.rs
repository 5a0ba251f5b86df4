//! Tables: text, and what gdb 13 answers to it for the same declarations.

mod classes;
mod fuzz;
mod language;
mod members_and_complex;
mod reader;
mod world;

/// What the tables ask about, C and C++.
pub(crate) fn worlds() -> [(crate::testing::Fake, super::Variables); 2] {
    [language::world(), classes::world()].map(|world| (world.fake, world.variables))
}
