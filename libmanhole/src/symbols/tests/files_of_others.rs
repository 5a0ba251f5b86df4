//! Debug information that stands in other files than the module's, or in an unusual form: dwz, split DWARF, MiniDebugInfo.
//!
//! Context: test.

use super::*;

/// Builds in a directory of its own, which is not moved: compilers and dwz write paths down.
fn sh(directory: &Path, script: &str) {
    run(Command::new("sh").current_dir(directory).args(["-ec", script]));
}

/// The library as the shell has built it from `source.c`, loaded.
fn built(script: &str) -> Library {
    Library::new(&["-g"], |path| {
        let script = script.replace("LIB", path.file_name().unwrap().to_str().unwrap());
        sh(path.parent().unwrap(), &script);
    })
}

fn problems_of(library: &Library) -> (Vec<Location>, Vec<String>) {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let located = symbols.locate(&look.modules, &look.memory, library.address("first"));
    (located, symbols.problems())
}

#[test]
fn split_units_in_files_of_their_own() {
    for version in ["4", "5"] {
        let compile = format!("gcc -shared -fPIC -O1 -g -gdwarf-{version} -gsplit-dwarf source.c -o LIB; ls *.dwo");
        assert_full(&built(&compile));
        // Inlined functions and plain names are in the file that is gone; lines and the symbol's name are not.
        let library = built(&format!("{compile}; rm *.dwo"));
        let (located, problems) = problems_of(&library);
        assert_eq!((located[0].function.as_deref(), located[0].line), (Some("first"), Some(12)));
        let told = problems.iter().any(|problem| problem.contains("inlined functions may be missing: "));
        assert!(told && problems[0].contains(".dwo: cannot be opened"), "{problems:?}");
        // A file of another build is not believed.
        let other = built(&format!(
            "{compile}; mkdir x; sed 's/hidden(/hodden(/' source.c > x/source.c; \
             gcc -c -fPIC -O1 -g -gdwarf-{version} -gsplit-dwarf x/source.c -o x/a.o; cp x/*.dwo $(ls *.dwo)"
        ));
        let (located, problems) = problems_of(&other);
        assert_eq!((located[0].function.as_deref(), located[0].line), (Some("first"), Some(12)));
        assert!(problems.iter().any(|problem| problem.contains("it is of another build")), "{problems:?}");
    }
}

#[test]
fn split_units_in_a_package() {
    // binutils' dwp knows version 4, LLVM's 5 as well.
    for (version, packager, package) in
        [("4", "dwp -e LIB -o LIB.dwp", "binutils"), ("5", "llvm-dwp -e LIB -o LIB.dwp", "llvm")]
    {
        let name = packager.split(' ').next().unwrap();
        if !offers(name, "--help") && !offers(name, "-e") {
            skip(name, package);
            continue;
        }
        assert_full(&built(&format!(
            "gcc -shared -fPIC -O1 -g -gdwarf-{version} -gsplit-dwarf source.c -o LIB; {packager}; rm *.dwo"
        )));
    }
}

#[test]
fn clang_has_no_aranges_and_indexes_strings() {
    if !offers("clang", "clang") {
        skip("clang", "clang");
        return;
    }
    for flags in
        ["-gdwarf-5", "-gdwarf-4", "-gdwarf-5 -gsplit-dwarf", "-gdwarf-4 -gsplit-dwarf", "-gdwarf-3", "-gdwarf-2"]
    {
        let library = built(&format!("clang -shared -fPIC -O1 -g {flags} source.c -o LIB"));
        assert_full(&library);
    }
}

#[test]
fn what_dwz_has_moved_is_found() {
    if !offers("dwz", "multifile") {
        skip("dwz", "dwz");
        return;
    }
    // dwz moves what two files have in common.
    let share = |options: &str| {
        format!(
            "gcc -shared -fPIC -O1 -g -gdwarf-4 source.c -o LIB; gcc -shared -fPIC -O1 -g -gdwarf-4 source.c -Wl,-soname,x -o y.so; \
             dwz -L none -m shared {options} LIB y.so; readelf -S LIB | grep -E 'debugaltlink'"
        )
    };
    assert_full(&built(&share("-M $PWD/shared")));
    assert_full(&built(&share("-r")));
    let (located, problems) = problems_of(&built(&(share("-r") + "; rm shared")));
    assert_eq!((located[0].function.as_deref(), located[0].line), (Some("first"), Some(12)));
    assert!(
        problems.iter().any(|problem| problem.contains("shared, which dwz has made, is not there")),
        "{problems:?}"
    );
    let other = share("-r")
        + "; \
        python3 -c \"d=bytearray(open('shared','rb').read()); i=d.index(b'GNU\\0'); d[i+4]^=1; open('shared','wb').write(d)\"";
    let (_, problems) = problems_of(&built(&other));
    assert!(
        problems.iter().any(|problem| problem.contains("shared, which dwz has made, is another one")),
        "{problems:?}"
    );
}

#[test]
fn mini_debug_info_has_the_names_that_stripping_removed() {
    if !offers("xz", "xz") {
        skip("xz", "xz-utils");
        return;
    }
    let mini = "nm -D LIB --format=posix --defined-only | cut -d' ' -f1 | sort > dynamic; \
        nm LIB --format=posix --defined-only | awk '$2 ~ /[Tt]/ {print $1}' | sort > all; comm -13 dynamic all > keep; \
        objcopy --only-keep-debug LIB debug; objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep debug mini; \
        strip --strip-all -R .comment LIB; xz mini; objcopy --add-section .gnu_debugdata=mini.xz LIB";
    let library = built(mini);
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let found = |symbols: &mut Symbols<'_>, name: &str| {
        let found = symbols.find(&look.modules, &look.memory, name);
        found.into_iter().find(|symbol| Path::new(&symbol.object) == library.path)
    };
    let hidden = found(&mut symbols, "hidden").unwrap();
    assert!(hidden.is_function && hidden.size > 0, "{hidden:?}");
    // The dynamic symbols are still there, data as well.
    assert_eq!(found(&mut symbols, "variable").unwrap().address, library.address("variable"));
    assert_eq!(found(&mut symbols, "first").unwrap().address, library.address("first"));
    let located = symbols.locate(&look.modules, &look.memory, hidden.address + 1);
    assert_eq!((located[0].function.as_deref(), located[0].offset), (Some("hidden"), 1));

    // Corrupt data is an error.
    let packed = std::fs::read(library.directory.path().join("mini.xz")).unwrap();
    assert!(compressed::xz(&packed, 1 << 20).unwrap().starts_with(b"\x7fELF"));
    assert!(compressed::xz(&packed, 100).unwrap_err().contains("holds more than 100 bytes"));
    for at in 0..packed.len() {
        let mut packed = packed.clone();
        packed[at] ^= 0x41;
        // The stream's padding and the like aside.
        let _ = compressed::xz(&packed, 1 << 20).map(|bytes| assert!(bytes.starts_with(b"\x7fELF")));
    }
    let mut corrupt = packed.clone();
    corrupt[packed.len() / 2] ^= 0xff;
    assert_eq!(compressed::xz(&corrupt, 1 << 20), Err("the xz data is corrupt".to_owned()));
}
