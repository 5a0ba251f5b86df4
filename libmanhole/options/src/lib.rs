//! The text of MANHOLE, parsed into options. Pure: no system calls.
