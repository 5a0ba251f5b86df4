//! The `locals` of the options: names and the expressions that they stand for, in one text of bounded length.
//!
//! Context: made where the options are read, read by the agent's thread. No heap, as all settings.

use crate::text::Text;

/// Each name and each expression, in turn, with a NUL after it: neither can hold one.
#[derive(Clone, Copy)]
pub(crate) struct Locals(Text<{ manhole_options::LOCALS_LIMIT + 1 }>);

impl Locals {
    /// None.
    pub(crate) const fn new() -> Locals {
        Locals(Text::new())
    }

    /// These instead, which are no longer than `LOCALS_LIMIT`: the options refuse what is.
    #[cold]
    pub(crate) fn replace(&mut self, pairs: &[(String, String)]) {
        self.0.clear();
        for text in pairs.iter().flat_map(|(name, expression)| [name, expression]) {
            self.0.push(text.as_bytes());
            self.0.push(&[0]);
        }
    }

    /// The names, each with its expression, in the order given.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let mut texts =
            self.0.as_bytes().split(|&byte| byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut pairs = Vec::new();
        while let (Some(name), Some(expression)) = (texts.next(), texts.next()) {
            pairs.push((name, expression));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(String, String)]) -> Locals {
        let mut locals = Locals::new();
        locals.replace(pairs);
        locals
    }

    #[test]
    fn what_goes_in_comes_out() {
        let pairs: Vec<(String, String)> = [("pool", "&g_pool"), ("größe", "1 + 2")]
            .map(|(name, expression)| (name.to_owned(), expression.to_owned()))
            .into();
        assert_eq!(of(&pairs).pairs(), pairs);
        assert!(of(&[]).pairs().is_empty());
        let longest = vec![("n".to_owned(), "x".repeat(manhole_options::LOCALS_LIMIT - 3))];
        assert_eq!(of(&longest).pairs(), longest);
        let mut locals = of(&longest);
        locals.replace(&pairs);
        assert_eq!(locals.pairs(), pairs, "something of what was there before has stayed");
    }
}
