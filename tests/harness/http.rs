//! Asks web servers, one request at a time or without a pause. Runs in the test process.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::{PATIENCE, wait_for};

/// An address of this machine that nobody listened on a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A response whose head has been read and is a success.
pub struct Response(BufReader<TcpStream>);

impl Response {
    /// Asks for a path.
    ///
    /// # Errors
    /// When there is no server, or its answer is no success.
    pub fn to(address: SocketAddr, path: &str) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut response = Response(BufReader::new(stream));
        let status = response.line()?;
        if status.split(' ').nth(1) != Some("200") {
            return Err(Error::new(ErrorKind::InvalidData, format!("the answer is {status:?}")));
        }
        while !response.line()?.is_empty() {}
        Ok(response)
    }

    /// The next line.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the answer ends too early"));
        }
        Ok(line.trim_end().to_owned())
    }

    /// The rest.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn rest(mut self) -> std::io::Result<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// The body of a path.
///
/// # Errors
/// When there is no server, or its answer is no success.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    Response::to(address, path)?.rest()
}

/// Requests of `/`, one after the other, until it is stopped or dropped.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    served: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Begins once the server answers.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn on(address: SocketAddr) -> Load {
        wait_for("the web server", PATIENCE * 2, || get(address, "/").ok());
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !own.stop.load(Ordering::Relaxed) {
                match get(address, "/") {
                    Ok(_) => _ = own.served.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        own.failures.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
                        // A server that is gone answers at once.
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                }
            }
        });
        Load { shared, thread: Some(thread) }
    }

    /// Waits until so many more requests have been served.
    ///
    /// # Panics
    /// When they are not.
    pub fn more(&self, count: usize) {
        let goal = self.shared.served.load(Ordering::Relaxed) + count;
        wait_for("requests to be served", PATIENCE, || {
            (self.shared.served.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Ends it, and tells what went wrong.
    #[must_use]
    pub fn failures(mut self) -> Vec<String> {
        self.end();
        std::mem::take(&mut self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}
