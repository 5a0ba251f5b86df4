//! Which names that stand for expressions (the option `locals`) are being evaluated, and how many were.
//!
//! Pure.

/// Names inside names that are followed.
const CHAIN: usize = 16;

/// Names that one line may use, those inside other names included: their number may grow with the power of the chain.
const MOST: usize = 1000;

/// The names on the way to where the evaluation is.
#[derive(Debug, Default)]
pub(super) struct Expansions {
    chain: Vec<String>,
    count: usize,
}

impl Expansions {
    /// The evaluation goes into what `name` stands for.
    pub(super) fn enter(&mut self, name: &str) -> Result<(), String> {
        if self.chain.iter().any(|known| known == name) {
            let shown = short(name);
            return Err(format!("{shown} stands for itself: {} -> {shown}", self.path()));
        }
        self.count = self.count.saturating_add(1);
        self.chain.push(name.to_owned());
        if self.chain.len() > CHAIN.saturating_add(1) {
            return Err(format!("more than {CHAIN} names stand for each other"));
        }
        if self.count > MOST {
            return Err(format!("more than {MOST} names are used"));
        }
        Ok(())
    }

    /// The evaluation has left it, with a value.
    pub(super) fn leave(&mut self) {
        self.chain.pop();
    }

    /// The reason of a failure, with the names in which it is.
    pub(super) fn blame(&self, reason: String) -> String {
        match self.chain.len() {
            0 => reason,
            1 => format!("{} (a name of the option locals): {reason}", self.path()),
            _ => format!("{} (names of the option locals): {reason}", self.path()),
        }
    }

    fn path(&self) -> String {
        self.chain.iter().map(|name| short(name)).collect::<Vec<_>>().join(" -> ")
    }
}

/// A name that may come from anywhere, of a length that a line can bear.
fn short(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
