//! Tables: text, and what gdb 13 answers to it for the same declarations.

mod classes;
mod fuzz;
mod language;
mod reader;
mod world;
