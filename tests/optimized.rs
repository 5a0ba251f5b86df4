//! What is wrong to believe of an optimized program's debug information: functions that the compiler has changed are not called as they are
//! declared, and what the linker has discarded is nowhere.

use std::path::PathBuf;

use manhole_tests::victim::Host;
use manhole_tests::{StructuredClient, turn, victims};

use super::expressions::{comparable, select};

fn answer(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    match reply.done.as_str() {
        "ok" => comparable(&reply.text),
        _ => format!("error: {}", reply.message),
    }
}

const SECTIONS: [&str; 4] = ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"];

fn programs() -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let flags = [&SECTIONS[..], &[version]].concat();
        programs.push(victims::c_with("optimized", &flags));
        programs.push(victims::c_with("optimized", &[&flags[..], &["-no-pie"]].concat()));
    }
    programs
}

#[test]
fn functions_that_the_compiler_has_changed() {
    let _turn = turn::shared();
    for program in programs() {
        let mut victim = Host::new(&program).options("timeout=5").ready();
        let mut client = victim.structured();
        let name = program.display();
        for (function, line) in [("scaled", "scaled(2, 3, 4)"), ("through", "through((struct large *)0, 3)")] {
            let reply = answer(&mut client, line);
            let says = format!("error: {function} is not called as it is declared: the compiler has made {function}.");
            assert!(reply.starts_with(&says) && reply.ends_with("of it; call -f insists"), "{name}: {line}: {reply}");
        }
        assert_eq!(answer(&mut client, "as_declared(5, 1)"), "4", "{name}");
        // The variant has 7 and 9 in it.
        assert_eq!(answer(&mut client, "call -f scaled(2, 3, 4)"), "23", "{name}");
        drop(client);
        assert_eq!(victim.finish().1.code(), Some(0), "{name}");
    }
}

#[test]
fn what_the_linker_has_discarded() {
    let _turn = turn::shared();
    for program in programs() {
        let mut victim = Host::new(&program).ready();
        let mut client = victim.structured();
        let name = program.display();
        assert_eq!(answer(&mut client, "print discarded"), "<optimized out>", "{name}");
        assert!(answer(&mut client, "print &discarded").starts_with("error: "), "{name}");
        assert!(answer(&mut client, "print discarded[1] = 3").starts_with("error: "), "{name}");
        assert_eq!(answer(&mut client, "print discarded_too::inside"), "<optimized out>", "{name}");
        for line in ["print discarded_too(1)", "print &discarded_too"] {
            assert!(answer(&mut client, line).starts_with("error: No symbol"), "{name}: {line}");
        }
        assert_eq!(answer(&mut client, "print kept"), "7", "{name}");
        drop(client);
        assert_eq!(victim.finish().1.code(), Some(0), "{name}");
    }
}

#[test]
fn rust() {
    let _turn = turn::shared();
    for version in ["-Cdwarf-version=4", "-Cdwarf-version=5"] {
        let mut victim = Host::new(victims::rust("optimized", &["-g", "-Copt-level=2", version])).ready();
        let mut client = victim.structured();
        let reply = answer(&mut client, "optimized::scaled(2, 3)");
        assert!(reply.starts_with("error: optimized::scaled is not called as it is declared: "), "{version}: {reply}");
        // Rust's functions do not give the address back at which they were told to put their result.
        assert_eq!(answer(&mut client, "optimized::large(5)"), "optimized::Large {a: 5, b: 6, c: 7}", "{version}");
        assert_eq!(answer(&mut client, "print optimized::DISCARDED"), "<optimized out>", "{version}");
        drop(client);
        assert_eq!(victim.finish().1.code(), Some(0));
    }
}

#[test]
fn values_at_the_entry_of_a_function() {
    let _turn = turn::shared();
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        for flag in ["-pie", "-no-pie"] {
            let program = victims::c_with("entered", &["-O2", version, flag]);
            // The last call of the function that main has called is a jump: 6 is what main has passed to that one.
            for (argument, b) in [(None, "5"), (Some("jump"), "<optimized out>")] {
                let host = Host::new(&program);
                let mut victim = argument.into_iter().fold(host, Host::arg).ready();
                let mut client = victim.structured();
                select(&mut client, "waits");
                assert_eq!(answer(&mut client, "print b"), b, "{version} {flag} {argument:?}");
                drop(client);
                assert_eq!(victim.finish().1.code(), Some(0));
            }
        }
    }
}

#[test]
fn pointers_of_which_the_optimizer_has_left_nothing() {
    let _turn = turn::shared();
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let mut victim = Host::new(victims::c_with("synthetic", &["-O2", version])).ready();
        let mut client = victim.structured();
        select(&mut client, "twice");
        assert_eq!(answer(&mut client, "print number"), "(const int *) <synthetic pointer>", "{version}");
        assert_eq!(answer(&mut client, "info args"), "number = <synthetic pointer>", "{version}");
        assert!(answer(&mut client, "print *number").starts_with("error: this pointer is synthetic"), "{version}");
        drop(client);
        assert_eq!(victim.finish().1.code(), Some(0));
    }
}
