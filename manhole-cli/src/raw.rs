//! The text mode as bytes: what `nc -U` does.
//!
//! Runs in the client: the main thread copies the socket to stdout, another one stdin to the socket.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crate::failure::Failure;

/// Copies both ways until the process closes. The end of stdin is passed on as the end of our half of the connection;
/// what the process still has to say is awaited. `first` came before.
///
/// # Errors
/// Status 1 when stdout cannot be written.
pub(crate) fn run(mut stream: UnixStream, first: &[u8]) -> Result<(), Failure> {
    let copy = stream
        .try_clone()
        .map_err(|error| Failure::error(format!("cannot duplicate the socket: {error}")))?;
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || send_input(copy))
        .map_err(|error| Failure::error(format!("cannot start a thread: {error}")))?;
    let mut output = std::io::stdout().lock();
    let mut put = |bytes: &[u8]| {
        output
            .write_all(bytes)
            .and_then(|()| output.flush())
            .map_err(|error| Failure::output(&error))
    };
    put(first)?;
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => put(piece.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A process that dies resets the connection.
            Err(_) => return Ok(()),
        }
    }
}

fn send_input(mut stream: UnixStream) {
    // Ends at the end of stdin, or when the process no longer reads; both are the end of what we have to say.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}
