//! Hosts with habits that a preloaded agent must not disturb, each while dumps go on.

mod clients;
mod company;
mod ends;
mod failures;
mod filters;
mod handler_stacks;
mod moves;
mod room;
mod shortage;
mod users;

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

#[test]
fn a_mask_that_is_exchanged_in_place_is_noticed() {
    let _turn = turn::shared();
    for how in ["pthread-mask", "process-mask"] {
        let mut victim = Host::new(victims::c("hostile")).arg(how).ready();
        assert_eq!(victim.ask("go"), "blocked=1 before=0", "{how}");
        // SIGURG wakes nobody any more.
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("in main"), "{how}: {greeting}");
        client.end();
    }
}

#[test]
fn a_process_that_ends_beside_a_look_at_its_socket_leaves_none() {
    let _turn = turn::shared();
    for round in 0..60 {
        let mut victim = Host::new(victims::c("checked")).ready();
        assert_eq!(victim.told("result"), 0, "{}", victim.log());
        assert!(victim.socket().exists(), "{}", victim.log());
        victim.say(if round % 2 == 0 { "exit" } else { "_exit" });
        assert!(victim.ended().success(), "{}", victim.log());
        assert!(!victim.socket().exists(), "round {round}: the socket has stayed");
    }
}
