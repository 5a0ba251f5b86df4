//! Ten thousand lines that nobody should type, at the prompt of a program that serves meanwhile: it serves everybody, loses nothing,
//! and ends as it would have.
//!
//! The lines are the same in every run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim, descriptors_of};
use manhole_tests::{PATIENCE, StructuredClient, tasks, turn, victims, wait_for};

const LINES: usize = 10_000;

/// Connections that the program may have at one moment.
const REQUESTS: usize = 2;

/// What a session may take beside what the process has, in KiB.
const SESSION: usize = 128 << 10;

/// What the soup is made of. Nothing here calls what would end the program, or changes what it needs.
const WORDS: [&str; 78] = [
    "scratch",
    "numbers",
    "text",
    "first",
    "second",
    "list",
    "constant",
    "nothing_yet",
    "add",
    "half",
    "quotient",
    "twice",
    "follow",
    "through",
    "touch",
    "strlen",
    "no_such",
    "struct",
    "item",
    "struct item",
    "int",
    "char",
    "unsigned",
    "long",
    "double",
    "void",
    "sizeof",
    "scratch =",
    "scratch +=",
    "$v =",
    "->",
    ".",
    "next",
    "name",
    "weight",
    "flag",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "~",
    "!",
    "<",
    ">",
    "<<",
    ">>",
    "==",
    "&&",
    "||",
    "?",
    ":",
    "::",
    ",",
    "@",
    "'",
    "\"",
    "\\",
    "0",
    "1",
    "8",
    "0x7fffffffffff",
    "99999999999999999999",
    "1.5e308",
    "'a'",
    "\"text\"",
    "$1",
    "$",
    "$pc",
];

/// What stands before a soup now and then.
const COMMANDS: [&str; 16] = [
    "print",
    "p/x",
    "p/s",
    "p/c",
    "p/f",
    "ptype",
    "whatis",
    "set var",
    "x/4gx",
    "x/s",
    "info symbol",
    "info line",
    "list",
    "frame",
    "bt",
    "disassemble",
];

/// Lines that fault, and what ends them.
const FAULTS: [(&str, &str); 16] = [
    ("follow(&first)", "SIGSEGV"),
    ("touch((char *)8)", "SIGSEGV"),
    ("touch((char *)0xdead000000000000)", "SIGSEGV"),
    ("through(0, 1, 2)", "SIGSEGV"),
    ("through((int (*)(int, int))numbers, 1, 2)", "SIGSEGV"),
    ("through((int (*)(int, int))0x123456, 1, 2)", "SIGSEGV"),
    ("strlen((char *)8)", "SIGSEGV"),
    ("put(read_only, 1)", "SIGSEGV"),
    ("put((char *)add, 1)", "SIGSEGV"),
    ("memcpy(read_only, text, 3)", "SIGSEGV"),
    ("dive(0)", "SIGSEGV"),
    ("touch(behind_the_end)", "SIGBUS"),
    ("quotient(7, zero)", "SIGFPE"),
    ("wrong_instruction()", "SIGILL"),
    ("trap()", "SIGTRAP"),
    ("give_up()", "SIGABRT"),
];

/// Lines that need to be meant.
const REFUSED: [&str; 6] =
    ["call exit(1)", "print _exit(0)", "abort()", "execve(\"/bin/true\", 0, 0)", "kill(getpid(), 9)", "raise(9)"];

/// A generator of numbers: xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }

    fn soup(&mut self) -> String {
        let mut line = if self.below(4) == 0 { format!("{} ", self.of(&COMMANDS)) } else { String::new() };
        for _ in 0..self.below(12) + 1 {
            line += self.of(&WORDS);
            line.push(' ');
        }
        line
    }

    /// Reads of memory that is not there, or of more than there is.
    fn wild_read(&mut self) -> String {
        let (address, count) = (self.next() >> self.below(64), self.next() >> self.below(64));
        match self.below(9) {
            0 => format!("*(int *){address:#x}"),
            1 => format!("*(struct item *){address:#x}"),
            2 => format!("((struct item *){address:#x})->next->next->name"),
            3 => format!("numbers[{count}]"),
            4 => format!("numbers@{count}"),
            5 => "*(char (*)[1073741824])0".to_owned(),
            6 => format!("*(char (*)[{count}])numbers"),
            7 => format!("x/{}gx {address:#x}", self.below(300)),
            _ => format!("(char *){address:#x}"),
        }
    }

    /// Writes to where nothing can be written.
    fn wild_write(&mut self) -> String {
        let value = self.next();
        match self.below(8) {
            0 => format!("*(int *){:#x} = {value}", self.below(65536)),
            1 => format!("set var *(struct item *){:#x} = first", 0xdead_0000_0000_0000 | value >> 20),
            2 => format!("*(char *)main = {value}"),
            3 => format!("constant = {value}"),
            4 => format!("*read_only += {value}"),
            5 => format!("{value} = scratch"),
            6 => "add = half".to_owned(),
            _ => format!("*behind_the_end = {value}"),
        }
    }

    /// Casts and literals that make no sense.
    fn bad_cast(&mut self) -> String {
        let number = self.next();
        let lines = [
            format!("(struct no_such *){number}"),
            format!("(int [3]){number}"),
            "(struct item)scratch".to_owned(),
            "(void)1 + 1".to_owned(),
            "(char (*)[1<<30])0".to_owned(),
            "*(void *)numbers".to_owned(),
            "first + second".to_owned(),
            "scratch.next->name".to_owned(),
            format!("{number}{number}{number}"),
            "1e999999999".to_owned(),
            "'abcdefghijk".to_owned(),
            "\"without end".to_owned(),
            "0x".to_owned(),
            "'\\".to_owned(),
            "add(1)".to_owned(),
            "add(1, 2, 3)".to_owned(),
            "add(first, list)".to_owned(),
            "half(text)".to_owned(),
            "nothing_yet(1)".to_owned(),
            "((int (*)(void))0x123456)()".to_owned(),
            "((int (*)(void))numbers)()".to_owned(),
            "no_such(1)".to_owned(),
            "text(1)".to_owned(),
            "1 / zero".to_owned(),
            "-9223372036854775807 - 1 / -1".to_owned(),
            "1 << 64 << 1000".to_owned(),
        ];
        lines[self.below(lines.len())].clone()
    }

    /// Deeper than anybody goes.
    fn deep(&mut self) -> String {
        let depth = 1 << self.below(14);
        let of = |part: &str| part.repeat(depth);
        match self.below(8) {
            0 => format!("{}1{}", of("("), of(")")),
            1 => of("("),
            2 => format!("{}1", of("- ")),
            3 => format!("{}list", of("*")),
            4 => format!("{}1", of("1 ? 2 : ")),
            5 => format!("(int {})0", of("*")),
            6 => format!("{}0{}", of("numbers["), of("]")),
            _ => format!("list{}", of("->next")),
        }
    }

    /// Bytes of no meaning.
    fn noise(&mut self) -> String {
        (0..self.below(60))
            .map(|_| char::from_u32(u32::try_from(self.next() % 0x250).unwrap()).unwrap_or('?'))
            .collect()
    }
}

/// Asks the program for sums without a pause, and judges the answers.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Load {
    fn on(port: u16) -> Load {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (own_stop, own_served) = (Arc::clone(&stop), Arc::clone(&served));
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            for number in (0..).map(|n| n * 37 % 5000) {
                if own_stop.load(Ordering::Relaxed) {
                    break;
                }
                match sum(port, number) {
                    Ok(answer) if answer == expected(number) => _ = own_served.fetch_add(1, Ordering::Relaxed),
                    other => failures.push(format!("sum {number}: {other:?}")),
                }
                // Much, though not all that two cores can do: the lines need some.
                std::thread::sleep(Duration::from_millis(2));
            }
            failures
        });
        Load { stop, served, thread }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn sum(port: u16, number: usize) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("sum {number}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn expected(number: usize) -> String {
    format!("{number}={} {}\n", number * (number + 1) / 2, "l".repeat(number))
}

/// What a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Possessions {
    descriptors: usize,
    threads: usize,
    mappings: usize,
    /// Memory that no file backs, in KiB.
    memory: usize,
}

impl Possessions {
    fn of(pid: i32) -> Possessions {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the victim's mappings");
        let tasks = tasks::of(pid);
        let memory = tasks.first().map(|task| task.field("RssAnon")).unwrap_or_default();
        Possessions {
            descriptors: descriptors_of(pid).len(),
            threads: tasks.len(),
            mappings: maps.lines().count(),
            memory: memory.trim_end_matches(" kB").parse().expect("a number of KiB"),
        }
    }

    /// Whether this is no more than `other`, but for what the program itself may need more or less of.
    fn is_like(self, other: Possessions) -> bool {
        self.descriptors <= other.descriptors + REQUESTS
            && self.threads <= other.threads
            && self.mappings <= other.mappings + 8
            && self.memory <= other.memory + 384
    }
}

/// Says some of the lines; each gets an answer, and those whose answer is known get that.
fn say(lines: std::ops::Range<usize>, client: &mut StructuredClient, victim: &Victim, load: &Load) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 + lines.start as u64);
    let (mut faults, mut stuck, mut last) = (0, lines.start / 400, load.served());
    for at in lines {
        let (line, expected) = match at % 400 {
            7 => {
                stuck += 1;
                (["spin()", "doze()"][stuck % 2].to_owned(), "no end after 0.2 s")
            }
            // Nobody waits for ever: there are as many threads for calls as there are.
            8 if stuck < 20 || stuck % 3 == 0 => ("print generation += 1".to_owned(), ""),
            _ if at % 40 == 1 => {
                let (line, signal) = FAULTS[faults % FAULTS.len()];
                faults += 1;
                (line.to_owned(), signal)
            }
            _ if at % 100 == 13 => (numbers.of(&REFUSED).to_owned(), "; call -f insists"),
            _ => {
                let line = match numbers.below(16) {
                    0..8 => numbers.soup(),
                    8..11 => numbers.wild_read(),
                    11 | 12 => numbers.wild_write(),
                    13 => numbers.bad_cast(),
                    14 => numbers.deep(),
                    _ => numbers.noise(),
                };
                (line, "")
            }
        };
        if line.trim().is_empty() || line.contains(['\n', '\r']) {
            continue;
        }
        let reply = client.run(&line);
        assert_ne!(reply.done, "quit", "line {at}: {line:?}");
        assert!(reply.text.len() < 1 << 20, "line {at}: {line:?} is answered by {} bytes", reply.text.len());
        if !expected.is_empty() {
            assert!(reply.message.contains(expected), "line {at}: {line:?}: {reply:?}");
        }
        if at % 1000 == 999 {
            assert!(load.served() > last, "nobody was served during the last lines before {at}; {}", victim.log());
            last = load.served();
            let memory = Possessions::of(victim.pid()).memory;
            assert!(memory < SESSION, "{memory} KiB before line {at}");
        }
    }
    assert_eq!(client.run("print generation += 1").done, "ok");
    assert_eq!(client.run("print add(40, 2)").done, "ok");
}

#[test]
fn ten_thousand_while_it_serves() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c_with("served", &["-O1", "-g"])).options("timeout=0.2").ready();
    let port = u16::try_from(victim.told("port")).unwrap();
    let load = Load::on(port);
    // What is made once stays: the C library's stacks and arenas for as many threads as there can be, the disassembler's tables.
    let mut client = victim.structured();
    for line in ["disassemble", "x/4i add", "dive(0)", "give_up()", "bt all"] {
        client.run(line);
    }
    for _ in 0..9 {
        client.run("doze()");
    }
    assert_eq!(client.run("print generation += 1").done, "ok");
    leave(client, &victim);
    let idle = settled(&victim);
    for lines in [0..LINES / 2, LINES / 2..LINES] {
        let mut client = victim.structured();
        say(lines, &mut client, &victim, &load);
        // One call has not come back when the client leaves, and has a string of the session: that stays as long as the call.
        for _ in 0..20 {
            assert_eq!(client.run(&format!("touch(\"{}\")", "s".repeat(60_000))).done, "ok");
        }
        assert!(client.run("doze()").message.contains("no end after 0.2 s"));
        drop(client);
        let mut client = victim.structured();
        assert_eq!(client.run("print generation += 1").done, "ok");
        leave(client, &victim);
        let mut now = idle;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            now = Possessions::of(victim.pid());
            if now.is_like(idle) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(now.is_like(idle), "{now:?} after the session, {idle:?} before");
    }

    let served = load.served();
    assert_eq!(load.failures(), Vec::<String>::new(), "{}", victim.log());
    assert!(served > 500, "only {served} were served");
    let (rest, status) = victim.finish();
    assert_eq!(status.code(), Some(0), "{}", victim.log());
    let told = rest.iter().find_map(|line| line.strip_prefix("served=")?.parse::<usize>().ok());
    assert!(told.is_some_and(|told| told >= served), "{rest:?}, and {served} were served");
}

/// The session ends, and so do the threads of its calls.
fn leave(client: StructuredClient, victim: &Victim) {
    drop(client);
    wait_for("the end of the workers", PATIENCE, || workers(victim).is_empty().then_some(()));
}

/// What the program has when the session's end is over: memory is given back piece by piece.
fn settled(victim: &Victim) -> Possessions {
    let mut seen = Vec::new();
    wait_for("the end of the session", PATIENCE, || {
        seen.push(Possessions::of(victim.pid()));
        std::thread::sleep(Duration::from_millis(20));
        let last = seen.iter().rev().take(20);
        (last.len() == 20 && last.clone().all(|one| one.is_like(seen[seen.len() - 1]))).then(|| seen[seen.len() - 1])
    })
}

fn workers(victim: &Victim) -> Vec<i32> {
    tasks::of(victim.pid()).iter().filter(|task| task.field("Name") == "Manhole-worker").map(|task| task.tid).collect()
}
