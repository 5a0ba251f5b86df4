//! `locals`: names that the prompt knows as expressions, evaluated each time they are used.

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{turn, victims};

fn victim(locals: &str) -> Victim {
    Host::new(victims::c("exits")).arg("return").options(format!("verbose=True, locals={{{locals}}}")).ready()
}

/// The number, or the address, of an answer `$1 = ...`.
fn number(answer: &str) -> u64 {
    let (_, text) = answer.trim().split_once(" = ").unwrap_or_else(|| panic!("no value: {answer:?}"));
    match text.split([' ', '\n']).find_map(|word| word.strip_prefix("0x")) {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// An answer without the number of the history.
fn value(answer: &str) -> &str {
    answer.split_once(" = ").map_or(answer, |(_, value)| value)
}

#[test]
fn names_stand_for_expressions() {
    let _turn = turn::shared();
    let victim =
        victim("'start': 'main', 'way': '&way', 'n': 40, 'text': '*way', 'sum': 'n + 2', 'neg': -3, 'dis': '1'");
    let (mut client, _) = victim.text();
    assert_eq!(number(&client.run("print start")), number(&client.run("print main")));
    assert_eq!(number(&client.run("start + 1")), number(&client.run("main + 1")));
    assert_eq!(value(&client.run("sum")), "42\n");
    assert_eq!(value(&client.run("print sum * 2")), "84\n");
    assert_eq!(value(&client.run("p/x n")), "0x28\n");
    assert_eq!(value(&client.run("n + neg")), "37\n");
    assert_eq!(value(&client.run("dis")), "1\n");
    assert!(client.run("x/2i start").contains("main"));
    assert!(client.run("disassemble start").contains("main"));
    assert!(client.run("info symbol start").contains("main"));
    // The name hides the symbol whose address it stands for... which it names itself.
    assert!(client.run("way").contains("way stands for itself: way -> way"));
    assert_eq!(value(&client.run("1 + 1")), "2\n");
}

#[test]
fn evaluated_each_time() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("closer")).arg("plain").options("locals={'opened': 'first + 1'}").ready();
    let (mut client, _) = victim.text();
    // -1 and 1.
    assert_eq!(number(&client.run("opened")), 0);
    victim.say("go");
    let done = victim.line_that_starts("done");
    let first = manhole_tests::text::value(&done, "first").unwrap();
    assert_eq!(number(&client.run("opened - 1")), u64::try_from(first).unwrap());
    client.end();
    victim.finish();
}

#[test]
fn mistakes_are_reported_when_used_and_name_the_local() {
    let _turn = turn::shared();
    let victim = victim("'bad': '1 +', 'lost': 'no_such', 'a': 'b + 1', 'b': 'c', 'c': 'a', 'half': 0.5");
    let (mut client, _) = victim.text();
    for (line, said) in [
        ("bad", "bad (a name of the option locals): the expression ends where a value is expected"),
        ("2 * lost", "lost (a name of the option locals): No symbol \"no_such\" in current context."),
        ("a", "a -> b -> c (names of the option locals): a stands for itself: a -> b -> c -> a"),
    ] {
        let answer = client.run(line);
        assert!(answer.starts_with(said), "{line}: {answer}");
        assert_eq!(value(&client.run("print 6*7")), "42\n");
    }
    assert!(!victim.log().contains("Failed to"), "{}", victim.log());
}

#[test]
fn a_name_that_grows_without_end_is_an_error_in_time() {
    let _turn = turn::shared();
    let mut locals = String::from("'n0': '1'");
    for i in 1..15 {
        let sum = vec![format!("n{}", i - 1); 10].join("+");
        locals.push_str(&format!(", 'n{i}': '{sum}'"));
    }
    let victim = victim(&locals);
    let (mut client, _) = victim.text();
    assert!(client.run("n14").contains("more than "), "too much was evaluated");
    assert_eq!(value(&client.run("n2")), "100\n");
}

#[test]
fn listed_and_completed() {
    let _turn = turn::shared();
    let victim = victim("'pool_of_mine': '&g_pool', 'level': 'log_level'");
    let mut client = victim.structured();
    let help = client.run("help").text;
    assert!(help.contains("Names of this process: pool_of_mine, level; info names"), "{help}");
    assert_eq!(client.run("info names").text, "pool_of_mine  &g_pool\nlevel         log_level\n");
    assert_eq!(client.data("info names")[1], serde_json::json!({"name": "level", "expression": "log_level"}));
    for line in ["pool_o", "1 + pool_o", "print pool_o"] {
        let id = client.ask(serde_json::json!({"complete": line, "cursor": line.len()}));
        let answer = client.answer(id);
        assert_eq!(answer.data["candidates"], serde_json::json!(["pool_of_mine"]), "{line}");
    }
    let without = Host::new(victims::c("exits")).arg("return").ready();
    let (mut client, _) = without.text();
    assert!(!client.run("help").contains("Names of this process"));
    assert!(client.run("info names").contains("There are none"));
}

#[test]
fn a_forked_child_knows_them() {
    let _turn = turn::shared();
    let script = "exec sh -c 'sleep 600 & echo ready child=$!; read line; kill $!'";
    let mut victim =
        Host::new("sh").args(["-c", script]).options("locals={'sum': '40 + 2'}, reinstall_delay=0.05").ready();
    let child = i32::try_from(victim.told("child")).unwrap();
    let mut client = manhole_tests::TextClient::connect(&manhole_tests::victim::socket_of(child));
    client.until_prompt();
    assert_eq!(value(&client.run("sum")), "42\n");
    client.end();
    victim.finish();
}

#[test]
fn too_many_are_refused_at_the_start() {
    let _turn = turn::shared();
    let locals = format!("'long': '{}'", "1+".repeat(3000));
    let victim = victim(&locals);
    let log = victim.log_with("Failed to manhole.install(");
    assert!(log.contains("locals: the names and expressions take 6006 bytes, and at most 4095 fit"), "{log}");
    assert!(!victim.socket().exists());
}
