//! Black-box tests of manhole-cli: the built program against real sockets, processes and a terminal.
//!
//! Runs in the test binary. The other end of the protocol is played by [`manhole`]; nothing of the client is replaced.

#[cfg(test)]
mod client;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod manhole;
#[cfg(test)]
mod scripting;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod texting;
