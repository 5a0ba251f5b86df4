//! Other readers of DWARF as witnesses; and what reading costs.
//!
//! Context: test.

use super::*;

/// A function, its file and line.
type Answer = (Option<String>, Option<String>, Option<u32>);

/// The same functions on all of libc and of this program as addr2line, and but for statements the same lines.
#[test]
fn functions_agree_with_addr2line() {
    for (what, step) in [("libc.so.6", 211), ("manhole", 997)] {
        let (store, look) = (Store::default(), Look::now());
        let mut files = files::find(&look.modules, &look.memory, look.module(what));
        let main = files.main.take().unwrap();
        let file = if main.debug_section("info").is_some() { Some(main) } else { files.debug.take() };
        // Without libc's debug file there is nothing to compare.
        let Some(file) = file else { continue };
        let lines = lines_of(&store, &file, what).unwrap().unwrap();
        let context = context(&store, &file);
        let (mut asked, mut answered, mut other_line) = (0, 0, 0);
        for address in file.code().step_by(step) {
            let ours: Vec<Answer> =
                lines.calls(address).into_iter().map(|call| (call.function, call.file, call.line)).collect();
            let theirs = answers(&context, address);
            assert_eq!(ours.len(), theirs.len(), "{what} {address:#x}");
            for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                // addr2line leaves out the scope where there is no linkage name (`#[no_mangle]`); gdb and we do not.
                let same = match (&ours.0, &theirs.0) {
                    (Some(ours), Some(theirs)) => ours == theirs || ours.ends_with(&format!("::{theirs}")),
                    (ours, theirs) => ours == theirs,
                };
                assert!(same, "{what} {address:#x}: {ours:?} {theirs:?}");
                // addr2line takes the last row of an address, gdb and we prefer those that are statements. Where a
                // function was inlined is no matter of rows.
                assert!(i == 0 || (&ours.1, ours.2) == (&theirs.1, theirs.2), "{what} {address:#x}");
            }
            asked += 1;
            answered += usize::from(!ours.is_empty());
            other_line += usize::from(ours.first().map(|o| o.2) != theirs.first().map(|t| t.2));
        }
        assert!(
            answered > 500 && other_line * 10 < asked,
            "{what}: {answered} answered, {other_line} other of {asked}"
        );
    }
}

type Slice<'s> = gimli::EndianSlice<'s, gimli::LittleEndian>;

fn context<'s>(store: &'s Store, file: &elf::ElfFile) -> addr2line::Context<Slice<'s>> {
    let section = |name: &str| -> Slice<'s> {
        let bytes = file.debug_section(name).map_or(Vec::new(), |section| file.content(section).unwrap());
        Slice::new(store.keep(bytes), gimli::LittleEndian)
    };
    addr2line::Context::from_sections(
        section("abbrev").into(),
        section("addr").into(),
        section("aranges").into(),
        section("info").into(),
        section("line").into(),
        section("line_str").into(),
        section("ranges").into(),
        section("rnglists").into(),
        section("str").into(),
        section("str_offsets").into(),
        section("none"),
    )
    .unwrap()
}

fn answers(context: &addr2line::Context<Slice<'_>>, address: u64) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut frames = context.find_frames(address).skip_all_loads().unwrap();
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.map(|function| names::shown(function.name.slice()));
        let location = frame.location.as_ref();
        let file = location.and_then(|location| location.file).map(str::to_owned);
        answers.push((function, file, location.and_then(|location| location.line)));
    }
    answers
}

/// The functions of C++ that have no linkage name, and those that have one, as gdb names them.
#[test]
fn names_of_cpp_agree_with_gdb() {
    const CPP: &str = r#"
extern "C" int puts(const char *);
namespace { struct Hidden { int v; __attribute__((noinline)) int get(int x) { return v + x + puts("g"); }
    template<class T> __attribute__((noinline)) T twice(T t) { return t + v + puts("c"); } }; }
namespace ns { template<class T, unsigned long N> struct Box { T a[N];
    __attribute__((noinline)) Box(T t) { for (auto &x : a) x = t; puts("b"); } __attribute__((noinline)) ~Box() { puts("d"); }
    __attribute__((noinline)) T operator()(T x) { return a[0] + x + puts("o"); }
    __attribute__((noinline)) operator bool() const { return puts("q"); }
    __attribute__((noinline)) bool operator<(const Box &o) const { return a[0] < o.a[0] + puts("<"); } };
    inline namespace v1 { __attribute__((noinline)) void *operator_like(void (*f)(int)) { f(3); return nullptr; } } }
template<class F, class... A> __attribute__((noinline)) int apply(F f, A... a) { return f(a...) + puts("a"); }
extern "C" int entry(int argc) {
    Hidden h{argc}; int sum = h.get(1) + (int)h.twice(2.0); ns::Box<int, 3> b(argc), c(2); b(1);
    if (b) puts("t"); if (b < c) puts("l"); ns::operator_like([](int x) { puts("x"); });
    sum += apply([&](int x) { return x + h.get(x); }, 5) + apply([] { return puts("y"); });
    struct Local { int run(int x) { return x + puts("r"); } } local; return local.run(sum);
}
"#;
    // Prints each address with the functions there, innermost first; parameters are dropped as `bt` drops them.
    const SCRIPT: &str = r#"
import gdb
def short(name):
    text = name[:-6] if name.endswith(" const") else name
    depth = 0
    for i in range(len(text) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(text[i], 0)
        if depth == 0:
            return text[:i] if text.endswith(")") and not text[:i].endswith("operator") else name
    return name
for address in open("addresses"):
    block, names = gdb.block_for_pc(int(address, 16)), []
    while block and not block.is_static and not block.is_global:
        if block.function:
            names.append(short(block.function.print_name))
        block = block.superblock
    print("@" + address.strip() + "|" + "|".join(names))
"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cpp.so");
    std::fs::write(directory.path().join("cpp.cc"), CPP).unwrap();
    std::fs::write(directory.path().join("names.py"), SCRIPT).unwrap();
    for level in ["-O0", "-O2"] {
        let mut compiler = Command::new("g++");
        compiler.current_dir(&directory).args(["-g", level, "-shared", "-fPIC", "cpp.cc", "-o", "cpp.so"]);
        run(&mut compiler);
        let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
        let store = Store::default();
        let lines = lines_of(&store, &file, "cpp.so").unwrap().unwrap();
        let known: Vec<(u64, String)> = file
            .code()
            .step_by(3)
            .map(|address| {
                let names: Vec<String> = lines.calls(address).into_iter().filter_map(|call| call.function).collect();
                (address, names.join("|"))
            })
            .filter(|(_, names)| !names.is_empty())
            .collect();
        assert!(known.len() > 100);
        let addresses: String = known.iter().map(|(address, _)| format!("{address:#x}\n")).collect();
        std::fs::write(directory.path().join("addresses"), addresses).unwrap();
        let mut gdb = Command::new("gdb");
        gdb.current_dir(&directory).args(["-nx", "-batch", "-ex", "source names.py", "cpp.so"]);
        let output = String::from_utf8(gdb.output().unwrap().stdout).unwrap();
        let theirs: BTreeMap<u64, &str> = output
            .lines()
            .filter_map(|line| line.strip_prefix("@0x")?.split_once('|'))
            .map(|(address, names)| (u64::from_str_radix(address, 16).unwrap(), names))
            .collect();
        assert_eq!(theirs.len(), known.len(), "{output}");
        for (address, names) in &known {
            // A function inside another one has that one around it in gdb's blocks, though not on the stack.
            let same = theirs[address] == names || theirs[address].starts_with(&format!("{names}|"));
            assert!(same, "{level} {address:#x}:\n ours   {names}\n theirs {}", theirs[address]);
        }
    }
}
