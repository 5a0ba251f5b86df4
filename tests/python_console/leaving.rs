//! What a client that has left Python's console can count on.

use manhole_tests::pythons::{pythons, pythons_with_the_lock};
use manhole_tests::turn;

use super::{leaves_nothing, victim};

/// As upstream has it: who sees the end of the session sees nothing of it in the interpreter any more.
#[test]
fn the_last_error_is_gone_before_the_session_ends() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True");
        for round in 0..12 {
            let (mut client, _) = victim.text();
            assert!(client.run("1/0").ends_with("ZeroDivisionError: division by zero\n"), "{what}");
            assert_eq!(client.run("sys.last_type.__name__"), "'ZeroDivisionError'\n", "{what}");
            if round % 2 == 0 {
                client.send(b"exit()\n").unwrap();
                client.until_end();
            } else {
                client.end();
            }
            assert!(victim.ask("streams").ends_with(" []"), "{what}, round {round}");
        }
    }
}

/// But it sees it, whoever has the interpreter's lock.
#[test]
fn a_session_ends_without_the_lock() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True, gil_timeout=0.1");
        let (mut client, _) = victim.text();
        assert!(client.run("1/0").ends_with("ZeroDivisionError: division by zero\n"), "{what}");
        assert_eq!(victim.ask("stuck"), "stuck", "{what}");
        client.end();
        let (mut client, _) = victim.text();
        assert!(client.run("%bt").starts_with("#0 "), "{what}");
        assert_eq!(victim.ask(""), "free", "{what}");
        client.end();
        leaves_nothing(&mut victim);
    }
}
