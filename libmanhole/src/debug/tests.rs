//! Small programs, compiled here, with gdb as the witness.
//!
//! Context: test. The programs are not loaded: a look at them is made up of their files.

use std::path::PathBuf;
use std::process::Command;

use manhole_expressions::ast;
use manhole_expressions::types::{Record, Type};
use object::{Object as _, ObjectSegment as _};

use super::*;
use crate::symbols::Store;

mod corrupt;
mod frames;
mod globals;
mod sources;
mod types;

/// Where the programs are said to be mapped.
const BIAS: u64 = 0x5_5555_0000_0000;

/// What opens files.
fn symbols_in(store: &Store) -> RefCell<Symbols<'_>> {
    RefCell::new(Symbols::new(store))
}

fn never() -> bool {
    false
}

/// A program with debug information.
struct Program {
    directory: tempfile::TempDir,
    path: PathBuf,
    memory: Memory,
    modules: Modules,
}

impl Program {
    /// Compiles and links these sources with this compiler; `flags` come before and after the files' names.
    fn new(compiler: &str, flags: &[&str], sources: &[(&str, &str)]) -> Program {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let mut command = Command::new(compiler);
        command.current_dir(&directory);
        if compiler == "rustc" {
            command.args(["-C", "link-arg=-Wl,--build-id", "--edition", "2024"]);
        } else {
            command.arg("-Wl,--build-id");
        }
        for (name, text) in sources {
            std::fs::write(directory.path().join(name), text).unwrap();
            if !name.ends_with(".h") {
                command.arg(name);
            }
        }
        command.args(flags).arg("-o").arg(&path);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&path).unwrap();
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
        let end = file.segments().map(|segment| segment.address() + segment.size()).max().unwrap();
        let module = Module {
            path: path.to_str().unwrap().to_owned(),
            deleted: false,
            device: (0, 0),
            inode: 0,
            start: BIAS,
            end: BIAS + end,
            bias: BIAS,
            eh_frame_hdr: None,
            dynamic: None,
            thread_local: None,
            entry: BIAS,
            build_id: file.build_id().unwrap().unwrap().to_vec(),
            rank: u32::MAX,
        };
        let modules = Modules { mappings: Vec::new(), modules: vec![module] };
        Program { directory, path, memory: Memory::new(), modules }
    }

    /// What stands in the file of each segment, by its address when the program is mapped with this bias.
    fn segments(&self, bias: u64) -> Vec<(u64, Vec<u8>)> {
        let bytes = std::fs::read(&self.path).unwrap();
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
        file.segments().map(|segment| (segment.address() + bias, segment.data().unwrap().to_vec())).collect()
    }

    fn look<'a, 's>(&'a self, files: &'a RefCell<Symbols<'s>>) -> Look<'a, 's> {
        Look { modules: &self.modules, memory: &self.memory, files, stop: &never }
    }

    /// What gdb's Python prints when it runs this script with the program.
    fn gdb(&self, script: &str) -> String {
        std::fs::write(self.directory.path().join("script.py"), script).unwrap();
        let mut gdb = Command::new("timeout");
        gdb.args(["-s", "KILL", "120", "gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off"]);
        gdb.args(["-ex", "source script.py"]).arg(&self.path).current_dir(&self.directory);
        let output = gdb.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("END"), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

/// The path of this text; a part between single quotes is quoted.
fn path(text: &str) -> ast::Path {
    let (global, text) = text.strip_prefix("::").map_or((false, text), |rest| (true, rest));
    let plain = |part: &str| ast::Segment { text: part.to_owned(), quoted: false };
    let mut segments = Vec::new();
    let mut rest = text;
    if let Some((quoted, after)) = text.strip_prefix('\'').and_then(|text| text.split_once('\'')) {
        segments.push(ast::Segment { text: quoted.to_owned(), quoted: true });
        rest = after.strip_prefix("::").unwrap_or(after);
    }
    segments.extend(spelling::parts(rest).into_iter().filter(|part| !part.is_empty()).map(plain));
    ast::Path { global, segments }
}

/// Looks the type of this name up; `struct x`, `union x` and `enum x` have a tag.
fn type_of<'s>(debug: &mut Debug<'s>, look: Look<'_, 's>, name: &str) -> Option<TypeId> {
    let tags = [("struct ", ast::Tag::Struct), ("union ", ast::Tag::Union), ("enum ", ast::Tag::Enum)];
    let tagged = tags.iter().find_map(|(word, tag)| Some((Some(*tag), name.strip_prefix(word)?)));
    let (tag, name) = tagged.unwrap_or((None, name));
    debug.find_type(look, tag, &path(name), None)
}

fn record<'s>(debug: &mut Debug<'s>, look: Look<'_, 's>, name: &str) -> Record {
    let number = type_of(debug, look, name).unwrap_or_else(|| panic!("no type {name}"));
    match &*debug.describe(number) {
        Type::Record(record) => record.clone(),
        other => panic!("{name} is {other:?}"),
    }
}
