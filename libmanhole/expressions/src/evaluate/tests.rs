//! Tables: text, and what gdb 13 answers to it for the same declarations.

mod classes;
mod fuzz;
mod language;
mod members_and_complex;
mod reader;
mod world;
