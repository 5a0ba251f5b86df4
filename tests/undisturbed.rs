//! Looking does not disturb: witnesses whose every wait is counted and timed, before and during dumps.
//!
//! A control process of the same program, without the agent, runs beside each witness: what the machine itself does to
//! timers (other load, a coarse clock) is measured in the same run and allowed for.

use std::collections::BTreeMap;
use std::path::Path;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{dump_count, text, turn, victims};

/// The rows of a witness by their kind: name of a count -> its value. Several rows of one kind are added up, maxima kept.
type Rows = BTreeMap<String, BTreeMap<String, i64>>;

fn rows(said: &[String]) -> Rows {
    assert!(said.iter().any(|line| line == "end"), "the witness did not come to its end: {said:?}");
    let mut found = Rows::new();
    for line in said.iter().filter(|line| line.starts_with("row ")) {
        let row = found.entry(text::word(line, "kind").unwrap().to_owned()).or_default();
        for (name, value) in line.split_whitespace().filter_map(|part| part.split_once('=')) {
            let Ok(value) = value.parse::<i64>() else {
                continue;
            };
            let sum = row.entry(name.to_owned()).or_default();
            *sum = if name.contains("_us") || name == "tid" { value.max(*sum) } else { *sum + value };
        }
    }
    assert!(!found.is_empty());
    found
}

/// Runs a witness and its control, dumps the witness so many times, and gives the rows of both.
fn watch(program: &Path, arguments: &[&str], dumps: usize) -> (Rows, Rows) {
    let mut control = Host::without_manhole(program).args(arguments).ready();
    let mut witness = Host::new(program).args(arguments).ready();
    take_dumps(&witness, dumps);
    let (ours, status) = witness.finish();
    assert!(status.success(), "{status:?}: {}", witness.log());
    let (theirs, _) = control.finish();
    (rows(&ours), rows(&theirs))
}

/// Dumps over one connection and over new ones in turn, as people and scripts do.
fn take_dumps(victim: &Victim, dumps: usize) {
    let threads = usize::try_from(victim.told("threads")).unwrap();
    let mut taken = 0;
    while taken < dumps {
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("ThreadID="), "{greeting}");
        taken += 1;
        for _ in 0..9 {
            let answer = client.run("bt all");
            assert!(text::backtraces(&answer).len() >= threads, "{answer}");
            taken += 1;
        }
        client.end();
    }
}

/// All counts that must be zero and are not, but for what the control saw as well.
fn disturbed(ours: &Rows, control: &Rows, counts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, row) in ours {
        for &count in counts {
            let (here, there) = (row[count], control[kind][count]);
            if here > there {
                found.push(format!("{kind}: {count}={here} (control {there}) in {} calls: {row:?}", row["calls"]));
            }
        }
    }
    found
}

#[test]
fn no_timed_or_fed_wait_is_disturbed() {
    let _turn = turn::alone();
    let (ours, control) = watch(&victims::c("witness"), &["timed", "150"], dump_count());
    let mut wrong = disturbed(&ours, &control, &["eintr", "early", "spurious"]);
    for (kind, row) in &ours {
        let limit = row["asked_us"] / 20 + 2000 + row["slack_us"] + control[kind]["over_us"];
        if row["over_us"] > limit {
            wrong.push(format!("{kind}: over_us={} of {} asked, limit {limit}", row["over_us"], row["asked_us"]));
        }
    }
    assert!(wrong.is_empty(), "{} kinds of call were disturbed:\n{}", wrong.len(), wrong.join("\n"));
    let idle: Vec<&String> = ours
        .iter()
        .filter(|(kind, row)| row["calls"] < 3 && control[*kind]["calls"] >= 3)
        .map(|(kind, _)| kind)
        .collect();
    assert!(idle.is_empty(), "these hardly ever returned: {idle:?}");
}

#[test]
fn no_endless_wait_is_disturbed() {
    let _turn = turn::alone();
    let (ours, _) = watch(&victims::c("witness"), &["forever"], dump_count());
    let wrong: Vec<String> =
        ours.iter().filter(|(_, row)| row["calls"] > 0).map(|(kind, row)| format!("{kind}: {row:?}")).collect();
    assert!(wrong.is_empty(), "these returned, although nothing ended their wait:\n{}", wrong.join("\n"));
}

#[test]
fn no_thread_that_races_with_the_dump_is_disturbed() {
    let _turn = turn::alone();
    let (ours, control) = watch(&victims::c("racer"), &[], dump_count());
    let wrong = disturbed(&ours, &control, &["eintr", "early", "spurious"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ours.values().all(|row| row["calls"] > 100), "the racers hardly ran: {ours:?}");
}

#[test]
fn the_programs_own_interruptions_arrive() {
    let _turn = turn::alone();
    let (ours, control) = watch(&victims::c("own_timers"), &["7"], dump_count());
    let wrong = disturbed(&ours, &control, &["missed", "extra", "spurious"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ours.values().all(|row| row["eintr"] > 20), "too few interruptions to judge: {ours:?}");
}

#[test]
fn a_spinning_thread_sees_no_gap() {
    let _turn = turn::alone();
    let Some(pool) = victims::cpp("pool", &["-O2", "-g"]) else {
        return;
    };
    let mut victim = Host::new(pool).args(["10", "15", "spin"]).ready();
    victim.text().0.end();
    victim.ask("mark");
    // Windows with a dump, and as long ones without in turn. One counts only when the scheduler did not take the spinner's CPU
    // meanwhile, which is what makes gaps on a machine with two cores and other work to do. What interrupts and the hypervisor
    // take is in both, and differs by machine, so the middle ones are compared.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let note = |gaps: &mut Vec<i64>, victim: &mut Victim| {
        let gap = victim.ask("mark");
        if text::value(&gap, "preempted") == Some(0) {
            gaps.push(text::value(&gap, "max_us").unwrap());
        }
    };
    for _ in 0..1000 {
        let start = std::time::Instant::now();
        drop(victim.text());
        note(&mut with, &mut victim);
        std::thread::sleep(start.elapsed());
        note(&mut without, &mut victim);
        if with.len().min(without.len()) >= 100 {
            break;
        }
    }
    assert!(with.len().min(without.len()) >= 3, "the machine is too busy to measure");
    let middle = |gaps: &mut Vec<i64>| {
        gaps.sort_unstable();
        gaps[gaps.len() / 2]
    };
    let (dumped, idle) = (middle(&mut with), middle(&mut without));
    println!("the longest gap, in the middle of {} dumps: {dumped} us; without: {idle} us", with.len());
    assert!(
        dumped <= idle + 50,
        "{dumped} us in the middle of {with:?}; without {idle} us, in the middle of {without:?}"
    );
}
