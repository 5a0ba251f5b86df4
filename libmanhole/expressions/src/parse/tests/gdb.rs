//! Constants through the whole flow, text -> tree -> value -> text, against what gdb 13 answered: `c.tsv` and `cpp.tsv` hold the line,
//! the type that `whatis` told, and what `output` wrote, in programs for x86_64 that were stopped in `main`.

use super::Known;
use crate::evaluate::{self, Variables};
use crate::parse::expression;
use crate::print::{self, Options};
use crate::target::Stop;
use crate::testing::Fake;
use crate::types::Language;

/// Lines whose answer is another than gdb's, and why.
const DIFFERENCES: &[(&[&str], &str)] = &[
    (&["1lul", "1uu"], "no suffix of C or C++"),
    (&["1.5df"], "decimal floating point is not known"),
    (&["1e", "1e+"], "C wants digits in an exponent; most likely something else was meant"),
    (&["'\\400'", "'\\xfff'", "\"\\x414\""], "gdb cuts what does not fit, compilers refuse or warn"),
    (&["(_Bool)5"], "in C++ the builtin type has C++'s name where no debug information has it"),
    (
        &[
            "int",
            "unsigned",
            "const char *",
            "int *",
            "int (*)(int)",
            "int[3]",
            "unsigned long [2][3]",
            "char **",
            "int &",
            "int &&",
            "typeof(int)",
        ],
        "gdb has two wordings for a type that is no value, there is one here",
    ),
    (&["1@2", "\"abc\"@2"], "an error for whatis too, as for print"),
    (&["{1,2,3}", "{1,2}+0"], "lists of values in braces are not known"),
    (&["sizeof(int [])"], "gdb takes one element, C has no size for it"),
];

fn differs(line: &str) -> bool {
    DIFFERENCES.iter().any(|(lines, _)| lines.contains(&line))
}

/// The type and the value, as gdb writes them.
fn answer(line: &str, language: Language) -> (String, String) {
    let tree = match expression(line, &mut Known) {
        Ok(tree) => tree,
        Err(error) => return (error, String::new()),
    };
    let (mut variables, mut fake) = (Variables { language, ..Variables::default() }, Fake::default());
    let said = |stop: Stop| match stop {
        Stop::Error(error) => error,
        Stop::Suspended => "suspended".to_owned(),
    };
    let name = evaluate::type_of(&tree, &mut variables, &mut fake).map(|type_id| print::name(type_id, &mut fake));
    let text = evaluate::evaluate(&tree, &mut variables, &mut fake)
        .and_then(|value| print::value(&value, None, &Options::default(), &mut fake));
    (name.unwrap_or_else(said), text.unwrap_or_else(said))
}

fn compare(table: &str, language: Language) {
    let mut wrong = String::new();
    for row in table.lines() {
        let mut cells = row.split('\t');
        let (line, type_name, value) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        let answer = answer(line, language);
        if !differs(line) && answer != (type_name.to_owned(), value.to_owned()) {
            wrong.push_str(&format!("\n{line}\t{type_name}\t{value}\tnot\t{}\t{}", answer.0, answer.1));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn differences_are_lines_of_the_tables() {
    for (lines, reason) in DIFFERENCES {
        for line in *lines {
            let is_row = |row: &str| row.split('\t').next() == Some(*line);
            assert!(
                include_str!("c.tsv").lines().chain(include_str!("cpp.tsv").lines()).any(is_row),
                "{line}: {reason}"
            );
        }
    }
}

#[test]
fn constants_of_c() {
    compare(include_str!("c.tsv"), Language::C);
}

#[test]
fn constants_of_cpp() {
    compare(include_str!("cpp.tsv"), Language::Cpp);
}
