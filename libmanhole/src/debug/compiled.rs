//! How the code at an address was compiled: from which file, where, by what.
//!
//! Context: the agent's thread.

use super::{Debug, Look};

/// What a unit says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// Its file as the compiler was given it.
    pub(crate) file: String,
    /// The same as a whole path, where it is known.
    pub(crate) path: Option<String>,
    /// Where the compiler was started.
    pub(crate) directory: Option<String>,
    /// The compiler and its flags, in its own words.
    pub(crate) producer: Option<String>,
    /// DWARF's name for the language: `C11`.
    pub(crate) language: Option<String>,
    /// DWARF's version.
    pub(crate) version: u16,
}

impl<'s> Debug<'s> {
    /// What is known of the unit that has the code at an address.
    pub(crate) fn compiled(&mut self, look: Look<'_, 's>, pc: u64) -> Option<Compiled> {
        let image = self.image_at(look, pc)?;
        let (unit, _) = image.function_at(pc.wrapping_sub(image.bias))?;
        let header = image.unit(unit)?;
        Some(Compiled {
            file: image.unit_name(unit),
            path: image.source_path(unit),
            directory: image.directory(unit),
            producer: image.producer(unit),
            language: image.stated_language(unit).and_then(|language| language.static_string()).map(without_prefix),
            version: header.encoding().version,
        })
    }
}

fn without_prefix(name: &str) -> String {
    name.trim_start_matches("DW_LANG_").to_owned()
}
