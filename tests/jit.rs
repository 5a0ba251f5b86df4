//! Names of compiled code that is in no file: node's own map for perf.

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, StructuredClient, requires, turn, victims, wait_for};
use nix::sys::signal::Signal;

/// node in its own functions, each compiled: the names that it has given them stand in its map.
/// It leaves a log of its own in its working directory.
fn javascript(flags: &[&str], directory: &std::path::Path) -> Victim {
    Host::new(requires::program("node").unwrap())
        .args(flags)
        .args(["--no-opt", "--always-sparkplug"])
        .arg(victims::script("javascript.js"))
        .arg("3")
        .options("")
        .directory(directory)
        .ends_by(Signal::SIGTERM)
        .ready()
}

fn map_of(victim: &Victim) -> String {
    format!("/tmp/perf-{}.map", victim.pid())
}

/// The functions between JavaScript's entry and its call into the machine, innermost first.
fn compiled(victim: &Victim, client: &mut StructuredClient) -> Vec<(u64, Option<String>)> {
    let main = wait_for("the main thread to block", PATIENCE, || {
        let main = client.stacks().into_iter().find(|thread| thread.tid == victim.pid())?;
        (main.state.contains("blocked") && main.is_in("v8::internal::Builtin_AtomicsWait")).then_some(main)
    });
    assert!(main.complete, "{main:#?}");
    let frames = main.frames.into_iter();
    frames
        .filter(|frame| frame.object.as_deref().is_none_or(|object| object.starts_with("/tmp/perf-")))
        .map(|frame| (frame.pc, frame.function))
        .collect()
}

#[test]
fn compiled_javascript_has_the_names_of_its_map() {
    let _turn = turn::shared();
    if !requires::installed("node", "nodejs") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let victim = javascript(&["--perf-basic-prof"], directory.path());
    let mut client = victim.structured();
    let frames = compiled(&victim, &mut client);
    let script = victims::script("javascript.js");
    let names: Vec<&str> = frames.iter().map(|(_, name)| name.as_deref().unwrap_or("?")).collect();
    let at = |function: &str, line: u32| format!("JS:^{function} {}:{line}:", script.display());
    assert!(names.len() >= 8 && names[0].starts_with(&at("inner", 17)), "{names:#?}");
    assert!(names[1..7].iter().all(|name| name.starts_with(&at("middle", 23))), "{names:#?}");
    let pc = frames[1].0;
    let said = client.run(&format!("info symbol {pc:#x}"));
    assert!(
        said.text.starts_with(&at("middle", 23)) && said.text.contains(&format!(" in {}", map_of(&victim))),
        "{said:?}"
    );
    let said = client.run(&format!("print (void (*)()){pc:#x}"));
    assert!(said.text.contains("<JS:^middle "), "{said:?}");
    let map = map_of(&victim);
    drop(victim);
    std::fs::remove_file(map).ok();
}

#[test]
fn a_map_that_is_not_the_processs_own_is_not_believed() {
    let _turn = turn::shared();
    if !requires::installed("node", "nodejs") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let victim = javascript(&[], directory.path());
    let mut client = victim.structured();
    let map = map_of(&victim);
    let frames = compiled(&victim, &mut client);
    assert!(frames.len() >= 8 && frames.iter().all(|(_, name)| name.is_none()), "{frames:#?}");
    // Whoever it is: the same text, from the process's own user, from another one, and behind a link.
    let text = format!("{:x} 10 planted\n", frames[1].0 - 8);
    let planted = |client: &mut StructuredClient| {
        std::thread::sleep(std::time::Duration::from_millis(250)); // it is not looked at more often
        compiled(&victim, client).iter().any(|(_, name)| name.as_deref() == Some("planted"))
    };
    std::fs::write(&map, &text).unwrap();
    assert!(planted(&mut client));
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&map, Some(65_533), None).unwrap();
        assert!(!planted(&mut client));
        assert!(
            client.run("bt").text.contains(&format!("{map} is not believed: it belongs to another user"))
                || client.data("bt all").to_string().contains("belongs to another user")
        );
    }
    std::fs::remove_file(&map).unwrap();
    let real = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(real.path(), &text).unwrap();
    std::os::unix::fs::symlink(real.path(), &map).unwrap();
    assert!(!planted(&mut client));
    std::fs::remove_file(&map).unwrap();
    drop(victim);
}
