//! Somebody who connects to every process of a program, has its dump, and leaves, again and again. Runs in the test process.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a dump may take. One that takes longer is left behind: its process may have been stopped, and one that exits waits for us, which it
/// says on standard error after five seconds.
const LONGEST: Duration = Duration::from_secs(3);

/// At most so many sockets are visited in a round: those of processes that were killed stay.
const MOST: usize = 12;

/// A visitor at work, until it is asked for its count.
pub(super) struct Visits {
    is_over: Arc<AtomicBool>,
    dumps: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Visits {
    /// Begins to visit the sockets of a directory.
    pub(super) fn of(directory: &Path) -> Visits {
        let (is_over, dumps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (directory, over, count) = (directory.to_owned(), Arc::clone(&is_over), Arc::clone(&dumps));
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for socket in living(&directory) {
                    if !over.load(Ordering::Relaxed) && dumps_threads(&socket) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
                std::thread::sleep(PAUSE);
            }
        });
        Visits { is_over, dumps, thread: Some(thread) }
    }

    /// Ends them; how many dumps there were.
    pub(super) fn end(mut self) -> usize {
        self.stop();
        self.dumps.load(Ordering::Relaxed)
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Visits {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The sockets whose processes are there, the youngest last.
fn living(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.retain(|&pid| manhole_tests::processes::runs(pid));
    pids.sort_unstable();
    pids.truncate(MOST);
    pids.into_iter().map(|pid| directory.join(pid.to_string())).collect()
}

/// Connects, reads up to the first prompt, and hangs up. Whether there was a dump: the process may have ended meanwhile.
fn dumps_threads(socket: &Path) -> bool {
    let deadline = Instant::now() + LONGEST;
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let (mut got, mut bytes) = (Vec::new(), [0; 65536]);
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        let _ = stream.set_read_timeout(Some(left));
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => got.extend(bytes.iter().take(count)),
        }
        if got.ends_with(b">>> ") {
            break;
        }
    }
    got.windows(9).any(|window| window == b"ThreadID=")
}
