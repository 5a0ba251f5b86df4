//! Socket inodes -> what they are: protocol, state, both ends.
//!
//! Context: the agent's thread. Read from `/proc/…/net`: asking the descriptor itself would need a copy of it.

use std::collections::BTreeMap;

use super::procfs;

/// What is known of sockets, by inode.
#[derive(Debug, Default)]
pub(super) struct Sockets(BTreeMap<u64, String>);

impl Sockets {
    /// Reads the tables of the network namespace of thread `tid`, each up to `limit` bytes: a busy server has long ones.
    pub(super) fn read(tid: i32, limit: usize) -> Sockets {
        let mut all = BTreeMap::new();
        for name in ["tcp", "tcp6", "udp", "udp6"] {
            if let Ok(table) = procfs::text_up_to(format_args!("/proc/self/task/{tid}/net/{name}"), limit) {
                all.extend(table.lines().skip(1).filter_map(|line| internet(name, line)));
            }
        }
        if let Ok(table) = procfs::text_up_to(format_args!("/proc/self/task/{tid}/net/unix"), limit) {
            all.extend(table.lines().skip(1).filter_map(unix));
        }
        Sockets(all)
    }

    /// The socket with this inode.
    pub(super) fn get(&self, inode: u64) -> Option<&str> {
        self.0.get(&inode).map(String::as_str)
    }
}

/// The inode in a link such as `socket:[123]`.
pub(super) fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A line of /proc/net/tcp and the like (proc_net(5)): `sl local remote st … inode`.
fn internet(protocol: &str, line: &str) -> Option<(u64, String)> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let inode = fields.nth(5)?.parse().ok()?;
    let (local, remote) = (end(local)?, end(remote)?);
    // enum in the kernel's include/net/tcp_states.h.
    let state = match (protocol.starts_with("tcp"), state) {
        (true, "0A") => return Some((inode, format!("{protocol} {local} listening"))),
        (true, "01") | (false, _) => "",
        (true, "02") => " connecting",
        (true, "08") => " closed by the peer",
        _ => " closing",
    };
    let remote = if remote.ends_with(":0") { String::new() } else { format!(" <-> {remote}") };
    Some((inode, format!("{protocol} {local}{remote}{state}")))
}

/// `0100007F:1F90` -> `127.0.0.1:8080`; addresses are words in the machine's byte order, ports are not.
fn end(text: &str) -> Option<String> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<[u8; 4]> = (0..address.len() / 8)
        .map(|index| {
            let digits = address.get(index * 8..index * 8 + 8)?;
            u32::from_str_radix(digits, 16).ok().map(u32::to_le_bytes)
        })
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(format!("{}:{port}", std::net::Ipv4Addr::from(*word))),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (slot, byte) in bytes.iter_mut().zip([a, b, c, d].into_iter().flatten()) {
                *slot = *byte;
            }
            Some(format!("[{}]:{port}", std::net::Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// A line of /proc/net/unix (unix(7)): `Num RefCount Protocol Flags Type St Inode Path`.
fn unix(line: &str) -> Option<(u64, String)> {
    let mut fields = line.split_whitespace().skip(3);
    let (flags, kind, _state, inode) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let path: Vec<&str> = fields.collect();
    let kind = match kind {
        "0001" => "stream",
        "0002" => "datagram",
        "0005" => "seqpacket",
        _ => "socket",
    };
    let path = if path.is_empty() { "(no name)".to_owned() } else { path.join(" ") };
    // __SO_ACCEPTCON in the kernel's include/uapi/linux/net.h.
    let listening = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x1_0000 != 0);
    Some((inode.parse().ok()?, format!("unix {kind} {path}{}", if listening { " listening" } else { "" })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_s_tables() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        assert_eq!(internet("tcp", line), Some((4242, "tcp 127.0.0.1:8080 listening".to_owned())));
        let line = "   1: 0100007F:1F90 0200007F:0050 01 00000000:00000000 00:00000000 00000000  1000        0 43 1 0";
        assert_eq!(internet("tcp", line), Some((43, "tcp 127.0.0.1:8080 <-> 127.0.0.2:80".to_owned())));
        let line =
            "   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 44 2";
        assert_eq!(internet("udp6", line), Some((44, "udp6 [::1]:53".to_owned())));
        let line = "ffff8: 00000002 00000000 00010000 0001 01 20337 /run/a b.sock";
        assert_eq!(unix(line), Some((20337, "unix stream /run/a b.sock listening".to_owned())));
        assert_eq!(internet("tcp", "junk"), None);
        assert_eq!(unix(""), None);
        assert_eq!(inode("socket:[77]"), Some(77));
    }

    #[test]
    fn a_real_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets = Sockets::read(crate::sys::process::tid(), 1 << 20);
        let expected = format!("tcp 127.0.0.1:{port} listening");
        assert!(sockets.0.values().any(|text| *text == expected));
    }
}
