//! What the host's descriptors are open on.
//!
//! Context: the agent's thread, whose own descriptor table is empty: everything is read through a thread of the host.

use std::collections::BTreeMap;

use super::{procfs, sockets, sockets::Sockets};
use crate::sys::host_fd;

/// Descriptor numbers -> meaning, each asked once.
pub(super) struct Descriptors {
    /// A thread that has the host's table.
    pub(super) task: i32,
    known: BTreeMap<i32, String>,
    sockets: Option<Sockets>,
    /// Bytes of each socket table that are read.
    limit: usize,
}

impl Descriptors {
    /// `limit` bounds each of the kernel's socket tables.
    pub(super) fn new(limit: usize) -> Descriptors {
        Descriptors { task: host_fd::host_task(), known: BTreeMap::new(), sockets: None, limit }
    }

    /// The path, or the ends of a socket, or the reason why that is unknown.
    pub(super) fn meaning(&mut self, number: i32) -> String {
        if let Some(known) = self.known.get(&number) {
            return known.clone();
        }
        let task = self.task;
        let meaning = match procfs::link(format_args!("/proc/self/task/{task}/fd/{number}")) {
            Ok(link) => self.resolved(link),
            Err(crate::sys::Errno(libc::ENOENT)) => "not open".to_owned(),
            Err(error) => format!("unknown: {error}"),
        };
        self.known.insert(number, meaning.clone());
        meaning
    }

    /// A link's target, sockets with their ends.
    fn resolved(&mut self, link: String) -> String {
        let Some(inode) = sockets::inode(&link) else { return link };
        let (task, limit) = (self.task, self.limit);
        let sockets = self.sockets.get_or_insert_with(|| Sockets::read(task, limit));
        sockets.get(inode).map(str::to_owned).unwrap_or(link)
    }
}
