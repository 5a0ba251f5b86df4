//! A Rust victim: threads parked in a channel, a mutex, a sleep, a join, and tokio workers that wait for work or are
//! blocked inside a task.
//!
//! `pool_rs [truth]`: prints `ready pid=N threads=N`, ends at the end of stdin. With `truth`, each plain thread first prints
//! its own trace by the `backtrace` crate, from the function that is about to block: `trace TID FUNCTION|FUNCTION|…`,
//! innermost first.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::time::Duration;

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Says that the calling thread is about to block, and what called it.
#[inline(never)]
fn arrive(truth: bool) {
    if truth {
        let mut names = Vec::new();
        backtrace::trace(|frame| {
            backtrace::resolve_frame(frame, |symbol| {
                names.push(symbol.name().map_or_else(|| "?".into(), |name| format!("{name:#}")));
            });
            true
        });
        let tid = std::fs::read_link("/proc/thread-self")
            .ok()
            .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        println!("trace {} {}", tid.unwrap_or_default(), names.join("|"));
    }
    ARRIVED.fetch_add(1, Ordering::SeqCst);
}

trait Work: Send {
    fn run(&self, depth: usize, truth: bool) -> usize;
}

struct Receive(Mutex<mpsc::Receiver<usize>>);
struct Lock(Arc<Mutex<usize>>);
struct Sleep;
struct Wait(Mutex<bool>, Condvar);
struct Meet(Barrier);
struct Park;

impl Work for Receive {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        let receiver = self.0.lock().expect("nobody panics");
        arrive(truth);
        receiver.recv().unwrap_or(depth)
    }
}
impl Work for Lock {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        arrive(truth);
        *self.0.lock().expect("nobody panics") + depth
    }
}
impl Work for Sleep {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        arrive(truth);
        std::thread::sleep(Duration::from_secs(1_000_000));
        depth
    }
}
impl Work for Wait {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        let guard = self.0.lock().expect("nobody panics");
        arrive(truth);
        let guard = self.1.wait_while(guard, |ready| !*ready).expect("nobody panics");
        usize::from(*guard) + depth
    }
}
impl Work for Meet {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        arrive(truth);
        usize::from(self.0.wait().is_leader()) + depth
    }
}
impl Work for Park {
    #[inline(never)]
    fn run(&self, depth: usize, truth: bool) -> usize {
        arrive(truth);
        loop {
            std::thread::park();
            if depth > 1_000_000 {
                return depth;
            }
        }
    }
}

/// Some frames deep, generic and dynamic, before the work starts.
#[inline(never)]
fn descend<F: Fn(usize) -> usize>(depth: usize, work: &F) -> usize {
    let result = if depth == 0 { work(depth) } else { descend(depth - 1, work) };
    std::hint::black_box(result) + 1
}

/// A future that blocks its worker, as careless code does.
#[inline(never)]
async fn blocks_its_worker(mutex: Arc<Mutex<usize>>) -> usize {
    tokio::task::yield_now().await;
    ARRIVED.fetch_add(1, Ordering::SeqCst);
    *mutex.lock().expect("nobody panics")
}

fn main() {
    let truth = std::env::args().any(|argument| argument == "truth");
    let held = Arc::new(Mutex::new(1));
    let _guard = held.lock().expect("nobody else is here yet");
    let (_sender, receiver) = mpsc::channel();
    let works: Vec<(&str, Box<dyn Work>)> = vec![
        ("receive", Box::new(Receive(Mutex::new(receiver)))),
        ("lock", Box::new(Lock(Arc::clone(&held)))),
        ("sleep", Box::new(Sleep)),
        ("wait", Box::new(Wait(Mutex::new(false), Condvar::new()))),
        ("meet", Box::new(Meet(Barrier::new(2)))),
        ("park", Box::new(Park)),
    ];
    let mut threads = 1 + works.len();
    for (depth, (name, work)) in works.into_iter().enumerate() {
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || descend(depth, &|depth| work.run(depth, truth)))
            .expect("a thread");
    }
    let workers = 4;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("tokio-worker")
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.spawn(blocks_its_worker(Arc::clone(&held)));
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(1_000_000)).await });
    let blocking = Arc::clone(&held);
    runtime.spawn_blocking(move || {
        ARRIVED.fetch_add(1, Ordering::SeqCst);
        *blocking.lock().expect("nobody panics")
    });
    let expected = threads - 1 + 2;
    threads += workers + 1;
    while ARRIVED.load(Ordering::SeqCst) < expected {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("ready pid={} threads={threads}", std::process::id());
    std::io::stdout().flush().expect("stdout");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("stdin");
    std::process::exit(0);
}
