//! Frames and the values of their variables, at every step of a program, as gdb sees them.
//!
//! Context: test.

use std::collections::BTreeMap;

use manhole_expressions::value::{Content, Missing, Place as Where};

use super::sources::{CPP, LOCALS, RUST};
use super::*;
use crate::snapshot::{REGISTERS, Registers};

/// Stops at each of some instructions, and prints the frames with what is in them: registers, CFA, variables and where they are,
/// and at last the stack.
const SCRIPT: &str = r#"
import gdb
ORDER = "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
gdb.execute("set pagination off")
gdb.execute("set width 0")
gdb.execute("set print entry-values no")
gdb.execute("set confirm off")
config = open("config").read().split()
count = int(config[0])
for function in config[1:]:
    try:
        gdb.execute("break *" + function)
    except gdb.error:
        gdb.execute("break " + function)
gdb.execute("set environment LD_BIND_NOW 1")
gdb.execute("run > /dev/null")
lines = gdb.execute("info proc mappings", to_string=True).splitlines()
print("M|%x" % int([line for line in lines if line.endswith("/program")][0].split()[0], 16))
def show(value, limit):
    try:
        if value.is_optimized_out:
            return "out"
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            return "ref %x" % int(value.address)
        if value.address is not None:
            return "mem %x %d" % (int(value.address), value.type.sizeof)
        return "val %x" % (int(value.cast(gdb.lookup_type("unsigned long"))) & ((1 << (8 * min(8, value.type.sizeof))) - 1))
    except Exception as error:
        return "other " + str(error).replace("\n", " ")
def frames():
    frame = gdb.newest_frame()
    level = 0
    while frame is not None and level < 12:
        if frame.name() is None or frame.function() is None or frame.type() not in (0, 2):
            break
        frame.select()
        cfa = gdb.execute("info frame", to_string=True).split(" frame at ")[1].split(":")[0]
        registers = []
        for name in ORDER:
            try:
                value = frame.read_register(name)
                registers.append("?" if value.is_optimized_out else "%x" % (int(value.cast(gdb.lookup_type("unsigned long"))) & 0xffffffffffffffff))
            except Exception:
                registers.append("?")
        sal = frame.find_sal()
        print("\nF|%s|%d|%x|%s|%s" % (frame.function().name, frame.type(), frame.pc(), cfa, " ".join(registers)))
        block = frame.block()
        while block is not None:
            for symbol in block:
                if symbol.is_variable or symbol.is_argument or symbol.is_constant:
                    try:
                        value = symbol.value(frame)
                        text = show(value, 8)
                    except Exception as error:
                        text = "other " + str(error).replace("\n", " ")
                    print("V|%s|%d|%s" % (symbol.name, symbol.line, text))
            print("B")
            if block.function is not None:
                break
            block = block.superblock
        frame = frame.older()
        level += 1
    gdb.newest_frame().select()
    rsp = int(gdb.parse_and_eval("$rsp").cast(gdb.lookup_type("unsigned long")))
    length = 16384
    while length:
        try:
            data = gdb.selected_inferior().read_memory(rsp - 128, length)
            print("S|%x|%s" % (rsp - 128, bytes(data).hex()))
            break
        except gdb.error:
            length //= 2
for i in range(count):
    try:
        frames()
        gdb.execute("stepi", to_string=True)
    except gdb.error as error:
        print("X|" + str(error))
        break
try:
    gdb.execute("kill")
except gdb.error:
    pass
print("END")
"#;

/// What gdb has printed of one frame.
#[derive(Debug, Default)]
struct Seen {
    function: String,
    is_inlined: bool,
    pc: u64,
    cfa: u64,
    registers: Registers,
    blocks: Vec<Vec<(String, u32, String)>>,
}

#[derive(Default)]
struct Stop {
    frames: Vec<Seen>,
    stack: (u64, Vec<u8>),
}

fn stops(text: &str) -> (Vec<Stop>, u64) {
    let (mut stops, mut stop, mut main) = (Vec::new(), Stop::default(), 0);
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text}"));
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        match fields.as_slice() {
            ["F", function, kind, pc, cfa, registers] => {
                let mut seen = Seen {
                    function: (*function).to_owned(),
                    is_inlined: *kind == "2",
                    pc: hex(pc),
                    cfa: hex(cfa),
                    blocks: vec![Vec::new()],
                    ..Seen::default()
                };
                for (number, word) in registers.split(' ').enumerate().take(REGISTERS) {
                    seen.registers.set(number as u16, (word != "?").then(|| hex(word)));
                }
                stop.frames.push(seen);
            }
            ["F", ..] => panic!("{line}"),
            ["V", name, number, value] => {
                let frame = stop.frames.last_mut().unwrap_or_else(|| panic!("{line}"));
                let variable = ((*name).to_owned(), number.parse().unwrap(), (*value).to_owned());
                frame.blocks.last_mut().unwrap().push(variable);
            }
            ["B"] => stop.frames.last_mut().unwrap().blocks.push(Vec::new()),
            ["S", start, bytes] => {
                let bytes = bytes.as_bytes().chunks(2).map(|pair| hex(core::str::from_utf8(pair).unwrap()) as u8);
                stop.stack = (hex(start), bytes.collect());
                stops.push(core::mem::take(&mut stop));
            }
            ["M", address] => main = hex(address),
            _ => {}
        }
    }
    (stops, main)
}

/// The stack as it was, and what the program's file has mapped: of that the code stands in it as in memory.
struct Stack<'a>(&'a (u64, Vec<u8>), &'a [(u64, Vec<u8>)]);

impl Surroundings for Stack<'_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        core::iter::once(self.0).chain(self.1).any(|(start, bytes)| {
            let start = address.checked_sub(*start).map(|offset| offset as usize);
            let bytes = start.and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
            bytes.map(|bytes| buffer.copy_from_slice(bytes)).is_some()
        })
    }

    fn thread_local(&mut self, _module: u64, _offset: u64) -> Option<u64> {
        None
    }
}

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    frames: usize,
    inlined: usize,
    in_memory: usize,
    computed: usize,
    optimized_out: usize,
    not_captured: usize,
    from_entry: usize,
}

fn compare(program: &mut Program, functions: &[&str], steps: usize) -> Tally {
    let config = format!("{steps} {}", functions.join(" "));
    std::fs::write(program.directory.path().join("config"), config).unwrap();
    let text = program.gdb(SCRIPT);
    let (stops, bias) = stops(&text);
    let store = Store::default();
    let mut debug = Debug::new();
    let module = &mut program.modules.modules[0];
    module.end = module.end - module.bias + bias;
    (module.bias, module.start) = (bias, bias);
    let code = program.segments(bias);
    let symbols = symbols_in(&store);
    let look = program.look(&symbols);
    let mut tally = Tally::default();
    assert!(stops.len() > 20, "{text}");
    for stop in &stops {
        let mut level = 0;
        while level < stop.frames.len() {
            // The frames that share one place in the code.
            let inlined = stop.frames[level..].iter().take_while(|frame| frame.is_inlined).count();
            let Some(physical) = stop.frames.get(level + inlined) else { break };
            let group = &stop.frames[level..=level + inlined];
            let is_caller = level > 0;
            let pc = physical.pc - u64::from(is_caller);
            let after = &stop.frames[level + inlined + 1..];
            let caller_seen = after.iter().find(|frame| !frame.is_inlined);
            let caller = caller_seen.map(|seen| Frame {
                pc: seen.pc - 1,
                registers: &seen.registers,
                cfa: Some(seen.cfa),
                caller: None,
            });
            let frame = Frame { pc, registers: &physical.registers, cfa: Some(physical.cfa), caller: caller.as_ref() };
            level += inlined + 1;
            let Some(scopes) = debug.at(look, pc) else {
                assert!(!group[0].function.starts_with("main"), "{group:?}");
                continue;
            };
            tally.inlined += inlined;
            // At the first instruction of what is inlined gdb may show the frame around it alone.
            let skipped = scopes.functions.len().saturating_sub(group.len());
            for (ours, theirs) in scopes.functions.iter().skip(skipped).zip(group) {
                // gdb adds parameters, and spells the arguments of templates its own way.
                let short = |name: &str| name.split(['(', '<', '{']).next().unwrap().to_owned();
                assert_eq!(short(&theirs.function), short(&ours.name));
                assert_eq!(ours.is_inlined, theirs.is_inlined);
                tally.frames += 1;
                if skipped > 0 {
                    continue;
                }
                let blocks = || theirs.blocks.iter().filter(|block| !block.is_empty());
                let mine = || ours.blocks.iter().filter(|block| !block.locals.is_empty());
                assert_eq!(blocks().count(), mine().count(), "{pc:#x}\n ours {ours:?}\n theirs {:?}", theirs.blocks);
                for (ours, theirs) in mine().zip(blocks()) {
                    let mut known: BTreeMap<(&str, u32), Vec<&str>> = BTreeMap::new();
                    for (name, line, value) in theirs {
                        known.entry((name, *line)).or_default().push(value);
                    }
                    let names: Vec<&str> = ours.locals.iter().map(|local| local.name.as_str()).collect();
                    assert_eq!(names.len(), theirs.len(), "{pc:#x} {names:?} {theirs:?}");
                    for local in &ours.locals {
                        let expected = &known[&(local.name.as_str(), local.declared.line.unwrap_or(0))];
                        let value = debug.value(local, &frame, &mut Stack(&stop.stack, &code));
                        let mut is_same =
                            expected.iter().any(|expected| same(&mut debug, &value, expected, &mut tally));
                        // What a reference refers to.
                        if let Some(referent) =
                            expected[0].strip_prefix("ref ").map(|it| u64::from_str_radix(it, 16).unwrap())
                        {
                            let mut word = [0; 8];
                            match (&value.place, &value.content) {
                                (Where::Memory(at), _) => is_same = Stack(&stop.stack, &code).read(*at, &mut word),
                                (_, Content::Bytes(bytes)) => word.copy_from_slice(bytes),
                                _ => {}
                            }
                            is_same = is_same || u64::from_le_bytes(word) == referent;
                            assert!(!is_same || u64::from_le_bytes(word) == referent);
                        }
                        let wanted = caller.is_none() && value.content == Content::Missing(Missing::OptimizedOut);
                        assert!(is_same || wanted, "{pc:#x} {local:?}\n ours   {value:?}\n theirs {expected:?}");
                    }
                }
            }
        }
    }
    tally
}

/// Whether a value of ours is what gdb says.
fn same(debug: &mut Debug<'_>, ours: &manhole_expressions::value::Value, theirs: &str, tally: &mut Tally) -> bool {
    let words: Vec<&str> = theirs.split(' ').collect();
    match (words.as_slice(), &ours.content, &ours.place) {
        (["mem", address, size], Content::Unread, Where::Memory(ours_at)) => {
            tally.in_memory += 1;
            let size: u64 = size.parse().unwrap();
            // Where the length of an array is not known, gdb says 0.
            let is_size = debug.size_of(ours.type_id).map_or(size == 0, |known| known == size || size == 0);
            u64::from_str_radix(address, 16) == Ok(*ours_at) && is_size
        }
        (["val", number], Content::Bytes(bytes), _) => {
            tally.computed += 1;
            let mut wide = [0; 8];
            wide[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
            u64::from_str_radix(number, 16) == Ok(u64::from_le_bytes(wide))
        }
        (["out"], Content::Missing(Missing::OptimizedOut), _) => {
            tally.optimized_out += 1;
            true
        }
        // gdb has registers that are not captured here: those of SSE.
        (_, Content::Missing(Missing::NotCaptured), _) => {
            tally.not_captured += 1;
            true
        }
        // Structures in registers, which this script does not print; thread-locals.
        (["other", ..], ..) => {
            tally.from_entry += 1;
            true
        }
        _ => false,
    }
}

#[test]
fn variables_of_c_at_every_step() {
    for flags in [
        &["-g", "-O0"][..],
        &["-g", "-O1"],
        &["-g", "-O2"],
        &["-gdwarf-4", "-O2"],
        &["-gdwarf-2", "-O0"],
        &["-gdwarf-3", "-O2"],
        &["-g", "-O3", "-fomit-frame-pointer"],
    ] {
        let mut program = Program::new("gcc", flags, &[("a.c", LOCALS)]);
        let tally = compare(&mut program, &["main", "middle", "leaf", "lengths"], 500);
        assert!(tally.frames > 100 && tally.in_memory > 100, "{flags:?} {tally:?}");
        if !flags.contains(&"-O0") {
            assert!(tally.computed > 100 && tally.optimized_out > 10, "{flags:?} {tally:?}");
        }
        println!("{flags:?} {tally:?}");
    }
}

#[test]
fn variables_of_cpp_at_every_step() {
    for flags in [&["-g", "-O0"][..], &["-g", "-O2"]] {
        let mut program = Program::new("g++", flags, &[("a.cc", CPP)]);
        let tally = compare(&mut program, &["main", "plain_c"], 150);
        assert!(tally.frames > 5, "{flags:?} {tally:?}");
        println!("{flags:?} {tally:?}");
    }
}

#[test]
fn variables_of_rust_at_every_step() {
    let mut program = Program::new("rustc", &["-g"], &[("a.rs", RUST)]);
    let tally = compare(&mut program, &["a::main", "a::shapes::area"], 150);
    assert!(tally.frames > 40 && tally.in_memory > 40, "{tally:?}");
    println!("{tally:?}");
}
