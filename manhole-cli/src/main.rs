//! Connects to the manhole of a process: the client's entry. Words to a request, a connection, and the mode that fits both ends.
//!
//! Runs in the client; exit statuses are those that `--help` lists.

mod args;
mod connect;
mod diagnose;
mod editor;
mod failure;
mod fate;
mod find;
mod handshake;
mod interactive;
mod leftover;
mod list;
mod maps;
mod naming;
mod notices;
mod peer;
mod process;
mod raw;
mod script;
mod send;
mod session;
mod signal;
mod sockets;
mod terminal;
mod text;
mod typed;
mod visible;
mod wake;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use args::{Connect, Request};
use connect::Connection;
use failure::Failure;
use handshake::Opening;

/// Even `-t 0`, "do not wait for it to open", leaves an open manhole the time to speak.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let request = match args::parse(std::env::args_os()) {
        Ok(request) => request,
        Err(error) => error.exit(),
    };
    let result = match request {
        Request::List { directory, timeout } => list::run(&directory, timeout.max(LEAST_PATIENCE)),
        Request::Connect(request) => enter(&request),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("{}", failure.text);
            }
            ExitCode::from(failure.status)
        }
    }
}

fn enter(request: &Connect) -> Result<(), Failure> {
    let connection = connect::open(request)?;
    if request.raw {
        return raw::run(connection.stream, &[]);
    }
    match handshake::read(&connection.stream, request.timeout.max(LEAST_PATIENCE)) {
        Opening::Structured { hello, rest } => structured(request, connection, &hello, rest),
        Opening::Text(_) if request.json || !request.commands.is_empty() => Err(Failure::error(
            "this manhole speaks text only, so -c and --json cannot tell where an answer ends; \
             send the commands through a pipe: echo COMMAND | manhole-cli PID",
        )),
        Opening::Text(first) if terminal::is_interactive() => text::run(connection.stream, &first),
        Opening::Text(first) => raw::run(connection.stream, &first),
        Opening::Silent => Err(connect::timeout(request, true)),
        Opening::Closed => Err(Failure::error(format!(
            "process {} closed the connection without a word: it lets in only its own user and root, \
             and logs why it refused; or it is about to end",
            connection.peer.pid
        ))),
    }
}

fn structured(request: &Connect, connection: Connection, hello: &wire::Hello, rest: Vec<u8>) -> Result<(), Failure> {
    if hello.protocol != wire::PROTOCOL {
        return Err(Failure::error(format!(
            "the process speaks version {} of the protocol, this manhole-cli version {}: use the manhole-cli that came \
             with its libmanhole.so, or --raw",
            hello.protocol,
            wire::PROTOCOL
        )));
    }
    if let Some(warning) = peer::check_hello(hello.pid, connection.peer, &request.target).map_err(Failure::error)? {
        eprintln!("warning: {warning}");
    }
    let stream = connection.stream;
    if !request.commands.is_empty() {
        script::commands(stream, rest, &request.commands, request.json)
    } else if terminal::is_interactive() && !request.json {
        interactive::run(stream, hello, rest)
    } else {
        script::piped(stream, rest, &hello.prompt, request.json)
    }
}
