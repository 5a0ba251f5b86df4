//! Names of a stripped Go program: by the table that its runtime has of its functions.

use std::process::Command;

use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, requires, turn, victims, wait_for};

#[test]
fn a_stripped_go_program_has_names() {
    let _turn = turn::shared();
    if !requires::installed("go", "golang-go") || !requires::installed("gcc", "gcc") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for mode in ["exe", "pie"] {
        let program = directory.path().join(mode);
        let mut go = Command::new(requires::program("go").unwrap());
        go.env("HOME", directory.path()).env("GOCACHE", directory.path().join("cache")).env("GO111MODULE", "off");
        go.env_remove("LD_PRELOAD").args(["build", "-buildmode", mode, "-ldflags", "-s -w", "-o"]).arg(&program);
        let built = go.arg(victims::script("stripped.go")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut victim = Host::new(&program).options("").ready();
        let mut client = victim.structured();
        let pc = wait_for("the thread that waits in C", PATIENCE, || {
            let threads = client.stacks();
            let thread = threads.iter().find(|thread| thread.is_in("runtime.asmcgocall"))?;
            let frame = thread.frames.iter().find(|frame| frame.function.as_deref() == Some("runtime.asmcgocall"))?;
            Some(frame.pc)
        });
        let said = client.run(&format!("info symbol {pc:#x}")).text;
        assert!(
            said.starts_with("runtime.asmcgocall+") && said.contains(&format!(" in {}", program.display())),
            "{said}"
        );
        drop(client);
        victim.say("x");
        assert_eq!(victim.ended().code(), Some(0), "{mode}: {}", victim.log());
    }
}
