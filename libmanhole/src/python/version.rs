//! The version of the interpreter, as it says it itself.
//!
//! Context: the agent's thread.

use super::Interpreter;
use super::objects;

impl Interpreter {
    /// `sys.version`; `None` where the interpreter has not begun, has ended, or changes its modules at every look.
    pub(crate) fn version(&self) -> Option<String> {
        const LOOKS: usize = 3;
        (0..LOOKS).find_map(|_| self.read_version())
    }

    fn read_version(&self) -> Option<String> {
        let interpreter = objects::field(self.runtime, self.layout.main_interpreter).filter(|&address| address != 0)?;
        let sys = self.item(objects::field(interpreter, self.layout.modules)?, "sys")?;
        let version = self.item(self.names_of_module(sys)?, "version")?;
        let text =
            (self.type_of(version)? == self.types.str).then(|| objects::text(version, &self.layout.unicode))??;
        // What is torn looks otherwise.
        text.starts_with("3.").then_some(text)
    }
}
