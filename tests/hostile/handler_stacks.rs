//! The stacks that threads are given for handlers: each has its own, in forked children too.

use manhole_tests::victim::Host;
use manhole_tests::{turn, victims};

#[test]
fn no_two_threads_share_a_stack_for_handlers() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("handler_stacks")).options("oneshot_on='SEGV'").ready();
    for what in ["here", "fork", "fork-thread", "fork-fork", "again", "here", "fork"] {
        assert_eq!(victim.ask(what), "shared=0 missing=0", "{what}; {}", victim.log());
    }
}
