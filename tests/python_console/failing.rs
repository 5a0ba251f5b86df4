//! What a client sees of a line over which Python's console itself fails, and of the lines after it.

use manhole_tests::pythons::pythons;
use manhole_tests::turn;

use super::victim;

/// The program's own hook for errors may fail itself, and some versions' console over a byte of zero: that line is over, and the next one is run alone.
#[test]
fn a_line_that_the_console_itself_fails_over() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.run("count = 0; sys.excepthook = lambda *error: error.missing");
        for times in 1..3 {
            let answer = client.run("count += 1; 1/0");
            assert!(answer.contains("ZeroDivisionError: division by zero\n"), "{what}: {answer}");
            assert!(answer.contains("has no attribute 'missing'\n"), "{what}: {answer}");
            assert_eq!(client.run("count"), format!("{times}\n"), "{what}");
        }
        client.run("sys.excepthook = sys.__excepthook__");
        let answer = client.run("\0");
        assert!(answer.contains("null bytes"), "{what}: {answer}");
        assert_eq!(client.run("count"), "2\n", "{what}");
    }
}
