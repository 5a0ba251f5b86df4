//! Hosts with habits that a preloaded agent must not disturb, each while dumps go on.

use std::sync::atomic::{AtomicBool, Ordering};

use manhole_tests::victim::Host;
use manhole_tests::{TextClient, turn, victims};

/// Says `go` to the victim and dumps for as long as it takes; what it answers.
fn under_dumps(what: &str) -> String {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("hostile")).arg(what).ready();
    let socket = victim.socket();
    victim.text().0.end();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = TextClient::connect(&socket);
            client.until_prompt();
            while !over.load(Ordering::Relaxed) {
                assert!(client.run("dump_stacktraces()").contains("ThreadID="));
            }
            client.end();
        });
        let answer = victim.ask("go");
        over.store(true, Ordering::Relaxed);
        answer
    })
}

#[test]
fn signals_of_the_host_stay_the_hosts() {
    assert_eq!(under_dumps("urgent"), "got=300");
}

#[test]
fn a_handler_that_blocks_everything_interrupts_all_the_same() {
    let answer = under_dumps("interrupted");
    assert!(answer.ends_with("lost=0"), "{answer}");
}

#[test]
fn forked_children_have_the_dispositions_of_their_parents() {
    assert_eq!(under_dumps("forks"), "forks=300 changed=0");
}

#[test]
fn a_handler_that_the_host_has_saved_may_be_called() {
    assert!(under_dumps("chained").starts_with("calls="));
}

#[test]
fn large_thread_local_storage_leaves_the_agent_its_stack() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("hostile", &["-O2", "-g", "-DLOCALS"])).ready();
    let (mut client, greeting) = victim.text();
    assert!(greeting.contains("in main"), "{greeting}");
    assert!(client.run("bt all").contains("main"));
    client.end();
}
