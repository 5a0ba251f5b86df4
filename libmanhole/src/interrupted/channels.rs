//! Where in the kernel a thread waits, by the name in `/proc/PID/task/TID/wchan`, and what a signal would do to that wait.
//!
//! Context: the agent's thread. Pure. For processes that may not look at their own system calls: the arguments are not known, a limit
//! of time least of all.

/// The function's name without what the compiler has appended to it.
pub(crate) fn function(channel: &str) -> &str {
    channel.split('.').next().unwrap_or("")
}

/// Whether the thread waits for an event in a call that a handler of ours lets begin anew, and that has done nothing before.
pub(crate) fn begins_anew(channel: &str) -> bool {
    const FUNCTIONS: [&str; 16] = [
        "ep_poll",
        "poll_schedule_timeout",
        "do_poll",
        "do_sys_poll",
        "do_select",
        "futex_wait",
        "futex_wait_queue",
        "futex_wait_queue_me",
        "futex_do_wait",
        "do_nanosleep",
        "hrtimer_nanosleep",
        "do_sigsuspend",
        "sigsuspend",
        "__do_sys_pause",
        "do_wait",
        "inet_csk_accept",
    ];
    FUNCTIONS.contains(&function(channel))
}

/// Whether the thread opens a fifo whose other end nobody has open (fs/pipe.c): it begins anew.
pub(crate) fn opens_a_fifo(channel: &str) -> bool {
    ["wait_for_partner", "fifo_open"].contains(&function(channel))
}

/// Whether the thread connects a socket, and the attempt goes on when the call begins anew (net/ipv4/af_inet.c) or has done nothing yet
/// (net/unix/af_unix.c).
pub(crate) fn connects(channel: &str) -> bool {
    ["inet_wait_for_connect", "wait_woken", "unix_wait_for_peer"].contains(&function(channel))
}

/// Whether the thread waits for the other end of a pipe or a socket, for data mostly. That begins anew as well, but for a call that
/// has moved some of the data already (MSG_WAITALL, a full socket), which the name does not tell: worth a signal to the very
/// thread that is to be seen, and not where another thread would do.
pub(crate) fn waits_for_peer(channel: &str) -> bool {
    const FUNCTIONS: [&str; 8] = [
        "pipe_read",
        "anon_pipe_read",
        "unix_stream_read_generic",
        "unix_stream_data_wait",
        "unix_wait_for_peer",
        "skb_wait_for_more_packets",
        "__skb_wait_for_more_packets",
        "wait_woken",
    ];
    FUNCTIONS.contains(&function(channel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_known_by_its_function() {
        assert!(begins_anew("ep_poll") && begins_anew("do_wait.constprop.0"));
        assert!(waits_for_peer("pipe_read") && !begins_anew("pipe_read") && !waits_for_peer("ep_poll"));
        for other in ["", "0", "pipe_write", "do_sys_recvmmsg"] {
            assert!(!begins_anew(other) && !waits_for_peer(other), "{other}");
        }
    }
}
