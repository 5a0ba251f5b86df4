//! The text of `MANHOLE`, parsed into [`Options`].
//!
//! Runs in the agent's constructor (of an unknown host, before its `main`) and in the launcher. Pure: no system
//! calls, no environment, no thread-locals, no locks, no panics; all it needs from outside is an allocator.
//!
//! The syntax is that of the arguments of a Python call, literals only: `oneshot_on="USR2", verbose=True`.
//! `off` alone switches the manhole off. The names, types and defaults stand in one place, [`TABLE`].

// In the order of the flow: text, literals, typed values, options, text again.
mod arguments;
mod convert;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod literal;
mod number;
mod options;
mod quote;
mod scan;
mod signal;
mod string;
mod suggest;
mod table;
mod word;

pub use arguments::{parse, parse_bytes, parse_onto, parse_python};
pub use error::{ErrorKind, ParseError};
pub use options::{Destination, Handler, LOCALS_LIMIT, Options, Prompt, Redirect, SOCKET_PATH_LIMIT, Setting, Thread};
pub use quote::{one_line, quote};
pub use signal::{Signal, SignalError};
pub use table::{Kind, Row, TABLE, row};

/// The environment variable that holds the options.
pub const OPTIONS_VARIABLE: &str = "MANHOLE";

/// The environment variable of python-manhole, which holds for a Python when [`OPTIONS_VARIABLE`] is not there.
pub const PYTHON_VARIABLE: &str = "PYTHONMANHOLE";

/// The environment variable in which the launcher keeps the `LD_PRELOAD` that it found, so that the agent can give
/// it back to programs that the host executes when `children=False`. Empty when there was none.
pub const ORIGINAL_PRELOAD_VARIABLE: &str = "MANHOLE_ORIGINAL_LD_PRELOAD";
