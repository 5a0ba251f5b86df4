//! A notebook's kernel, with its front end beside the manhole.

use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, TextClient, turn, venv, victims, wait_for};

use super::{Sockets, launched};

#[test]
fn a_kernel_and_its_front_end() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kernel.json");
    let sockets = Sockets::new();
    let kernel = launched(&python, &sockets).args(["-m", "ipykernel_launcher", "-f"]).arg(&file).start();
    wait_for("the connection file", PATIENCE * 2, || std::fs::read_to_string(&file).ok()?.ends_with('}').then_some(()));
    let mut front = Host::without_manhole(&python).arg(victims::script("notebook.py")).arg(&file).ready();
    assert_eq!(front.ask("print('before')"), r#"did ok "before\n""#);
    let mut client = TextClient::connect(&sockets.of(kernel.pid()));
    let greeting = client.until_prompt();
    assert!(greeting.contains(", in start\n") && greeting.ends_with("(ManholeConsole)\n"), "{greeting}");
    // The same interpreter, whose cells go on.
    assert_eq!(client.run("from IPython import get_ipython; shell = get_ipython()"), "");
    assert_eq!(front.ask("answer = 42"), r#"did ok """#);
    // What a line is worth goes where the kernel has it go: to the front end.
    assert_eq!(client.run("print(shell.user_ns['answer'])"), "42\n");
    assert_eq!(client.run("1/0").lines().last(), Some("ZeroDivisionError: division by zero"));
    assert_eq!(front.ask("print(answer)"), r#"did ok "42\n""#);
    client.end();
    assert_eq!(front.ask("print('after')"), r#"did ok "after\n""#);
    assert_eq!(front.ask("1/0").split(' ').nth(1), Some("error"));
}
