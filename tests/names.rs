//! What a name means that several modules have: what the program's own code means by it, whoever has debug information.

use std::path::PathBuf;
use std::process::Command;

use manhole_tests::victim::Host;
use manhole_tests::{StructuredClient, place, requires, turn, victims};

use super::expressions::{comparable, select};

/// The program `twins` and its two libraries, each built with the flags that are given for it.
fn twins(name: &str, of_program: &str, of_libraries: &str) -> PathBuf {
    let directory = place::target().join("victims").join("twins").join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("make the directory");
    let source = place::tests().join("victims").join("twins.c");
    let script = format!(
        "printf 'V_1 {{ global: with_versions; twin; twin_data; use; of_all; }}; V_2 {{ global: with_versions; }} V_1;' > versions\n\
         gcc {of_libraries} -shared -fPIC -DLIBRARY=1 {source} -o libone.so\n\
         gcc {of_libraries} -shared -fPIC -DLIBRARY=2 {source} -o libtwo.so -Wl,--version-script,versions\n\
         gcc {of_program} {source} -o program -L. -lone -ltwo -Wl,-rpath,'$ORIGIN'",
        source = source.display()
    );
    let built = Command::new("sh").args(["-ec", &script]).current_dir(&directory).output().expect("sh");
    assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
    directory.join("program")
}

fn value(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    if reply.done == "ok" { comparable(&reply.text) } else { format!("error: {}", reply.message) }
}

#[test]
fn the_first_module_that_the_loader_asks_has_the_name() {
    let _turn = turn::shared();
    if !requires::installed("gcc", "gcc") {
        return;
    }
    for (name, of_program, of_libraries) in [
        ("all", "-g", "-g"),
        ("libraries", "-O0", "-g"),
        ("libraries-only", "-s", "-g"),
        ("program", "-g", "-s"),
        ("none", "-s -rdynamic", "-s"),
    ] {
        let victim = Host::new(twins(name, of_program, of_libraries)).options("timeout=5").ready();
        let mut client = victim.structured();
        for (line, answer) in [
            ("print (int)twin()", "1"),
            ("print *(int *)&twin_data", "10"),
            ("print (int)with_versions()", "6"),
            ("print (int)of_all()", "8"),
        ] {
            assert_eq!(value(&mut client, line), answer, "{name}: {line}");
        }
        // A stripped program that exports nothing has no names.
        if of_program != "-s" {
            assert_eq!(value(&mut client, "print *(int *)&of_program"), "7", "{name}");
            assert_eq!(value(&mut client, "print (int)of_thread"), "9", "{name}");
        }
    }
}

/// A library's variables are each thread's own, which has none before it uses them; the number that a library has had is given to the next one.
#[test]
fn thread_locals_of_libraries_that_come_and_go() {
    let _turn = turn::shared();
    let program = victims::c_with("thread_locals", &["-O0", "-g"]);
    let library = |number: usize| {
        let flag = format!("-DLIBRARY={number}");
        victims::c_with("thread_locals", &["-g", "-shared", "-fPIC", &flag]).display().to_string()
    };
    let mut victim = Host::new(program).options("timeout=5").ready();
    let mut client = victim.structured();
    let other = client.stacks().iter().find(|thread| thread.is_in("other")).expect("the second thread").tid;
    let both = |client: &mut StructuredClient, name: &str| {
        [value(client, &format!("print {name}")), value(client, &format!("thread {other} print {name}"))]
    };
    assert_eq!(both(&mut client, "own"), ["1", "11"]);
    assert_eq!(both(&mut client, "of_unit"), ["2", "22"]);
    assert_eq!(both(&mut client, "errno"), ["5", "33"]);
    let unused = "has not used the thread-local variables of this module yet";
    assert_eq!(victim.ask(&format!("open 1 {}", library(1))), "done");
    assert!(both(&mut client, "of_library").iter().all(|answer| answer.ends_with(unused)));
    assert_eq!(victim.ask("touch 1"), "done");
    let [mine, theirs] = both(&mut client, "of_library");
    assert!(mine == "1001" && theirs.ends_with(unused), "{mine} {theirs}");
    // The second library has the number of the first one, whose block is gone.
    assert_eq!(victim.ask("close 1"), "done");
    assert_eq!(victim.ask(&format!("open 2 {}", library(2))), "done");
    assert!(both(&mut client, "of_library").iter().all(|answer| answer.ends_with(unused)));
    assert_eq!(victim.ask("touch 2"), "done");
    assert_eq!(value(&mut client, "print of_library"), "1002");
    // More than the threads' vectors have room for.
    let last = 20;
    for number in 3..=last {
        assert_eq!(victim.ask(&format!("open {number} {}", library(number))), "done");
    }
    assert_eq!(victim.ask("close 2"), "done");
    for number in 3..last {
        assert_eq!(victim.ask(&format!("close {number}")), "done");
    }
    assert!(both(&mut client, "of_library").iter().all(|answer| answer.ends_with(unused)));
    assert_eq!(victim.ask(&format!("touch {last}")), "done");
    assert_eq!(value(&mut client, "print of_library"), "1020");
    assert_eq!(both(&mut client, "own"), ["1", "11"]);
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// GCC writes no offset there, but where in the file the first content stands.
#[test]
fn thread_locals_in_split_debug_information() {
    let _turn = turn::shared();
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        let program = victims::c_with("thread_locals", &["-O0", version, "-gsplit-dwarf"]);
        let victim = Host::new(program).options("timeout=5").ready();
        let mut client = victim.structured();
        let other = client.stacks().iter().find(|thread| thread.is_in("other")).expect("the second thread").tid;
        for (name, values) in [("own", ["1", "11"]), ("of_unit", ["2", "22"]), ("wide[3]", ["101 'e'"; 2])] {
            assert_eq!(value(&mut client, &format!("print {name}")), values[0], "{version}");
            assert_eq!(value(&mut client, &format!("thread {other} print {name}")), values[1], "{version}");
        }
        assert!(client.run("whatis own").text.contains("type = int"), "{version}");
    }
}

/// `-g1` says where variables are, and not what they are.
#[test]
fn variables_without_types() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("levels", &["-O0", "-g1"])).options("timeout=5").ready();
    let mut client = victim.structured();
    let refused = client.run("print level_counter").message;
    assert!(refused.contains("'level_counter' has unknown type; cast it"), "{refused}");
    assert_eq!(value(&mut client, "print (int)level_counter"), "7");
    assert_eq!(value(&mut client, "print *(int *)&level_counter + 1"), "8");
}

/// An array that the frame's unit declares without its size, and another one defines.
#[test]
fn a_definition_tells_more_than_a_declaration() {
    let _turn = turn::shared();
    let directory = place::target().join("victims").join("declared");
    std::fs::create_dir_all(&directory).expect("make the directory");
    let main = "#include <stdio.h>\n#include <unistd.h>\nextern int table[];\nextern const char *const names[];\n\
                int main(void) { puts(names[table[0] - 1]); fflush(stdout); for (;;) pause(); }\n";
    let other = "extern int table[];\nint table[4] = {1, 2, 3, 4};\nextern const char *const names[];\n\
                 const char *const names[] = {\"ready\", \"two\"};\n";
    std::fs::write(directory.join("main.c"), main).expect("write");
    std::fs::write(directory.join("other.c"), other).expect("write");
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        let mut compiler = Command::new("gcc");
        compiler.args(["-O0", version, "main.c", "other.c", "-o", "program"]).current_dir(&directory);
        assert!(compiler.status().expect("gcc").success());
        let victim = Host::new(directory.join("program")).options("timeout=5").ready();
        let mut client = victim.structured();
        crate::expressions::select(&mut client, "main");
        assert_eq!(value(&mut client, "print table"), "{1, 2, 3, 4}", "{version}");
        assert_eq!(value(&mut client, "print sizeof(names)"), "16", "{version}");
        assert_eq!(value(&mut client, "whatis table"), "type = int [4]", "{version}");
    }
}

/// The program `own_classes`: three units with classes of the same name.
fn own_classes(compiler: &str, version: &str) -> PathBuf {
    let directory = place::target().join("victims").join("own_classes");
    std::fs::create_dir_all(&directory).expect("make the directory");
    let program = directory.join(format!("{compiler}{version}"));
    let source = place::tests().join("victims").join("own_classes.cpp");
    let script = format!(
        "for unit in 1 2 3; do {compiler} -std=c++17 -O0 {version} -DUNIT=$unit -c {source} -o {program}-$unit.o; done\n\
         {compiler} {program}-1.o {program}-2.o {program}-3.o -o {program}",
        source = source.display(),
        program = program.display()
    );
    let built = Command::new("sh").args(["-ec", &script]).output().expect("sh");
    assert!(built.status.success(), "{compiler}: {}", String::from_utf8_lossy(&built.stderr));
    program
}

/// What another unit's class of the same name has is not this one's.
#[test]
fn static_members_of_classes_that_are_a_units_own() {
    let _turn = turn::shared();
    for (compiler, package) in [("g++", "g++"), ("clang++", "clang")] {
        if !requires::installed(compiler, package) {
            continue;
        }
        for version in ["-gdwarf-5", "-gdwarf-4"] {
            let victim = Host::new(own_classes(compiler, version)).options("timeout=5").ready();
            let mut client = victim.structured();
            select(&mut client, "main");
            for (line, answer) in [
                ("print of_one", "{static number = <optimized out>, static told = 11, first = 1}"),
                ("print of_one.number", "error: static field number has been optimized out"),
                ("print of_one.told", "11"),
                ("print of_two.number", "22"),
                ("print of_two.told", "23"),
                ("print of_two.in", "{static deep = 5, d = 3}"),
                ("print of_three.number", "32"),
                ("print of_three.told", "error: static field told has been optimized out"),
                ("print of_own", "{static number = 34, third = 3}"),
                ("print *two()", "22"),
                ("print of_two.number = 24", "24"),
                ("print *two()", "24"),
                ("print *three()", "32"),
            ] {
                assert_eq!(value(&mut client, line), answer, "{compiler} {version}: {line}");
            }
        }
    }
}
