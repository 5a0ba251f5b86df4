//! Hosts that filter their system calls (seccomp(2)): none dies of a call of ours, and the manhole stays where it may.

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, tasks, turn, victims, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn host(options: &str) -> Host {
    Host::new(victims::c_with("filtered", &["-O2", "-g", "-pthread"])).options(options)
}

/// What it does under the filter is what the filter lets through.
#[test]
fn the_host_itself_is_spared() {
    let _turn = turn::shared();
    let program = victims::c_with("filtered", &["-O2", "-g", "-pthread"]);
    let mut victim = Host::without_manhole(program).ready();
    assert_eq!(victim.ask("prctl exact"), "set=0 errno=0");
    assert_eq!(victim.ask("habits"), "habits");
    assert_eq!(victim.ask("fork"), "child");
    assert_eq!(victim.line(), "forked status=0");
    victim.say("exit");
    assert_eq!(victim.ended().code(), Some(3));
}

/// The manhole has closed: no file, no thread, no descriptor of ours.
fn is_closed(victim: &Victim) {
    assert!(!victim.socket().exists(), "{}", victim.log());
    let ours = || tasks::of(victim.pid()).iter().any(tasks::Task::is_ours);
    wait_for("the end of our threads", PATIENCE, || (!ours()).then_some(()));
    let open = manhole_tests::victim::descriptors_of(victim.pid());
    assert!(!open.iter().any(|(_, target)| target.starts_with("socket:")), "{open:?}");
}

const OPTIONS: [&str; 2] = ["verbose=True", "verbose=True, thread=True"];

#[test]
fn a_filter_that_kills_for_all_that_the_host_does_not_do() {
    let _turn = turn::shared();
    for options in OPTIONS {
        for way in ["prctl", "seccomp", "number", "all"] {
            for (end, status) in [("exit", 3), ("_exit", 4)] {
                let mut victim = host(options).ready();
                victim.answers();
                assert_eq!(victim.ask(&format!("{way} exact")), "set=0 errno=0", "{}", victim.log());
                is_closed(&victim);
                assert_eq!(victim.ask("habits"), "habits", "{way}");
                assert_eq!(victim.ask("fork"), "child", "{way}");
                assert_eq!(victim.line(), "forked status=0");
                victim.say(end);
                assert_eq!(victim.ended().code(), Some(status), "{options}, {way}, {end}: {}", victim.log());
            }
        }
    }
}

#[test]
fn the_strict_mode() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        victim.answers();
        assert_eq!(victim.ask("strict"), "set=0 errno=0", "{}", victim.log());
        is_closed(&victim);
        victim.say("leave");
        assert_eq!(victim.ended().code(), Some(5), "{}", victim.log());
    }
}

#[test]
fn with_threads_and_a_client_at_the_prompt() {
    let _turn = turn::shared();
    for way in ["prctl", "all"] {
        let mut victim = host("verbose=True").arg("threads").ready();
        let (mut client, _) = victim.text();
        // A worker of ours, which waits for more.
        assert!(client.run("call (int)getppid()").contains(" = "));
        assert_eq!(victim.ask(&format!("{way} exact")), "set=0 errno=0");
        is_closed(&victim);
        client.until_end();
        assert!(victim.log().contains("The program filters its system calls"), "{}", victim.log());
        assert_eq!(victim.ask("habits"), "habits");
        victim.say("exit");
        assert_eq!(victim.ended().code(), Some(3), "{}", victim.log());
    }
}

#[test]
fn a_filter_that_decides_by_an_argument_could_kill() {
    let _turn = turn::shared();
    let mut victim = host("verbose=True").ready();
    assert_eq!(victim.ask("seccomp argument"), "set=0 errno=0");
    is_closed(&victim);
    assert!(victim.log().contains("clone"), "{}", victim.log());
    assert!(victim.finish().1.success());
}

#[test]
fn a_filter_that_spares_us_leaves_the_manhole_open() {
    let _turn = turn::shared();
    for options in OPTIONS {
        for how in ["prctl spares", "all spares", "seccomp errors"] {
            let mut victim = host(options).ready();
            assert_eq!(victim.ask(how), "set=0 errno=0");
            victim.answers();
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains(", in main"), "{options}, {how}: {greeting}");
            client.end();
            assert_eq!(victim.ask("fork"), "child");
            assert_eq!(victim.line(), "forked status=0");
            assert!(victim.finish().1.success(), "{}", victim.log());
        }
    }
}

/// A filter that we do not see, and that leaves it to the host what becomes of a call: the host's handler runs for ours as well.
#[test]
fn a_call_that_the_host_answers_itself() {
    let _turn = turn::shared();
    for options in ["reinstall_delay=0", "reinstall_delay=0.01"] {
        let mut victim = host(options).ready();
        victim.answers();
        assert_eq!(victim.ask("bare traps"), "set=0 errno=0");
        // The child's manhole cannot be bound.
        assert_eq!(victim.ask("fork"), "child");
        assert_eq!(victim.line(), "forked status=0");
        assert!(victim.finish().1.success(), "{}", victim.log());
    }
}

#[test]
fn a_filter_that_the_kernel_does_not_take() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        for (line, errno) in
            [("prctl nothing", libc::EFAULT), ("seccomp nothing", libc::EFAULT), ("all broken", libc::EINVAL)]
        {
            assert_eq!(victim.ask(line), format!("set=-1 errno={errno}"), "{line}");
            victim.answers();
        }
        assert!(victim.finish().1.success(), "{}", victim.log());
        assert!(!victim.socket().exists());
    }
}

/// Where there is no manhole any more nothing is looked at either.
#[test]
fn one_filter_after_another() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        assert_eq!(victim.ask("prctl later"), "set=0 errno=0");
        is_closed(&victim);
        for way in ["prctl", "seccomp", "number", "all"] {
            assert_eq!(victim.ask(&format!("{way} spares")), "set=0 errno=0", "{way}: {}", victim.log());
        }
        victim.say("exit");
        assert_eq!(victim.ended().code(), Some(3), "{}", victim.log());
    }
}

/// Nothing that a line has left behind is asked for when the host executes a program.
#[test]
fn a_program_is_executed_after_a_line_and_a_filter() {
    let _turn = turn::shared();
    let mut victim = host("verbose=True").arg("threads").ready();
    let mut client = victim.text().0;
    assert!(client.run("call (int)getppid()").contains(" = "));
    client.end();
    assert_eq!(victim.ask("prctl later"), "set=0 errno=0");
    assert_eq!(victim.ask("execute"), format!("executed errno={}", libc::ENOENT), "{}", victim.log());
    victim.say("exit");
    assert_eq!(victim.ended().code(), Some(3), "{}", victim.log());
}

/// The thread that runs the line cannot be stopped: when the line comes back, it ends and does nothing else.
#[test]
fn a_line_that_goes_on_while_a_filter_comes() {
    let _turn = turn::shared();
    let mut victim = host("verbose=True").arg("threads").ready();
    let mut client = victim.text().0;
    client.send(b"call goes_on()\n").unwrap();
    let runs = |task: &tasks::Task| task.field("Name") == "Manhole-worker" && task.field("State").starts_with('R');
    wait_for("the line", PATIENCE, || tasks::of(victim.pid()).iter().any(runs).then_some(()));
    assert_eq!(victim.ask("all exact"), "set=0 errno=0", "{}", victim.log());
    // At one moment it may be in the kernel, for a page.
    wait_for("the line, which runs on", PATIENCE, || tasks::of(victim.pid()).iter().any(runs).then_some(()));
    assert_eq!(victim.ask("stop"), "stopped");
    wait_for("the end of our threads", PATIENCE, || {
        (!tasks::of(victim.pid()).iter().any(tasks::Task::is_ours)).then_some(())
    });
    assert_eq!(victim.ask("habits"), "habits");
    victim.say("exit");
    assert_eq!(victim.ended().code(), Some(3), "{}", victim.log());
}

/// A thread of ours that cannot wait would run all the time.
#[test]
fn a_filter_by_which_nobody_can_wait() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        victim.answers();
        assert_eq!(victim.ask("all waits"), "set=0 errno=0");
        is_closed(&victim);
        assert!(victim.finish().1.success(), "{}", victim.log());
    }
}

/// The kernel says then which thread it is (seccomp(2)).
#[test]
fn a_filter_for_all_that_one_thread_cannot_have() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        assert_eq!(victim.ask("own"), "set=0 errno=0");
        let answer = victim.ask("all later");
        let result: i32 = answer.trim_start_matches("set=").split(' ').next().unwrap().parse().unwrap();
        assert!(result > 0, "{answer}");
        victim.answers();
        assert!(victim.finish().1.success(), "{}", victim.log());
    }
}

/// A thread of ours that has ended in the middle of what it did is waited for by nobody, and nothing of it is cleared away later.
#[test]
fn a_filter_after_memory_has_run_out() {
    let _turn = turn::shared();
    for options in OPTIONS {
        let mut victim = host(options).ready();
        let mut client = victim.text().0;
        assert!(client.run("info symbol goes_on").contains("goes_on"));
        // Less than the tables for what it is asked next take.
        assert_eq!(victim.ask("limit 300"), "limited");
        let _ = client.send(b"x/2i goes_on\n");
        client.until_end();
        assert!(victim.log().contains("out of memory: the manhole is off"), "{options}: {}", victim.log());
        assert_eq!(victim.ask("limit none"), "limited");
        wait_for("the end of the socket", PATIENCE, || (!victim.socket().exists()).then_some(()));
        assert_eq!(victim.ask("prctl exact"), "set=0 errno=0");
        assert_eq!(victim.ask("habits"), "habits");
        assert_eq!(victim.ask("fork"), "child", "{options}: {}", victim.log());
        assert_eq!(victim.line(), "forked status=0");
        victim.say("exit");
        assert_eq!(victim.ended().code(), Some(3), "{options}: {}", victim.log());
    }
}

/// The handler of ours that stands in the place of the default while the host's own signal waits.
#[test]
fn a_filter_while_a_signal_waits() {
    let _turn = turn::shared();
    for whom in ["thread", "process"] {
        let mut victim = host("verbose=True").ready();
        assert_eq!(victim.ask(&format!("pend {whom}")), "pending");
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("in goes_on"), "{greeting}");
        client.end();
        assert_eq!(victim.ask("prctl exact"), "set=0 errno=0");
        is_closed(&victim);
        assert_eq!(victim.ask("open"), "open");
        kill(Pid::from_raw(victim.pid()), Signal::SIGWINCH).unwrap();
        assert_eq!(victim.ask("habits"), "habits", "{whom}: {}", victim.log());
        victim.say("exit");
        assert_eq!(victim.ended().code(), Some(3), "{whom}: {}", victim.log());
    }
}

/// The way back to the default throws away what waits (sigaction(2)).
#[test]
fn a_signal_that_waits_is_not_lost() {
    let _turn = turn::shared();
    for whom in ["thread", "process"] {
        let mut victim = host("").ready();
        assert_eq!(victim.ask(&format!("pend {whom}")), "pending");
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("in goes_on"), "{greeting}");
        client.end();
        assert_eq!(victim.ask("take"), format!("taken {}", libc::SIGWINCH), "{whom}");
        // And the handler goes, with the next one who looks.
        victim.answers();
        let caught = tasks::of(victim.pid()).remove(0).signals("SigCgt");
        assert_eq!(caught & (1 << (libc::SIGWINCH - 1)), 0, "{whom}");
    }
}
