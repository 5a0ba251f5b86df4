//! `x/NFU ADDRESS`: memory in gdb's formats.
//!
//! Context: the agent's thread. Memory is read now, by checked copies: it is what it is at this moment, while the threads
//! run.

use manhole_expressions::print::Options;
use manhole_expressions::types::{Base, Encoding, Type};
use serde_json::{Value, json};

use super::disassemble::{self, Names};
use super::expressions::examined_type;
use super::instructions::Disassembler;
use super::session::no_access;
use super::{Command, Context, Takes};
use crate::memory;
use crate::render::frames::hex;
use crate::render::quote::short;
use crate::render::words::{self, Format};

pub(super) static COMMAND: Command = Command {
    names: &["x"],
    arguments: "[/NFU] [ADDRESS]",
    summary: "show memory: N units of size U in format F",
    help: "N  how many; a negative N shows what stands before the address\n\
           F  x hexadecimal, d signed, u unsigned, o octal, t binary, a address, c character, f float,\n\
           \x20  z hexadecimal with zeros, s string, i instruction\n\
           U  b 1 byte, h 2, w 4, g 8\n\
           F and U stay as they were last. Without an address it goes on where the last x has ended.\n\
           Symbols stand for their addresses; *ADDRESS is the word there.",
    takes: Takes::Symbols,
    run,
};

/// Units that one command shows at most.
const MOST: u64 = 1_000_000;

/// Characters of a string that are shown at once, as gdb's `print elements`.
const STRING: usize = 200;

/// What the last `x` has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    kind: Kind,
    size: usize,
    next: Option<u64>,
    /// How many were asked for: a bare `x` shows as many again.
    count: i64,
    /// The unit that was shown last in this line, for `$_`.
    last: Option<u64>,
}

impl Default for Kept {
    fn default() -> Self {
        Kept { kind: Kind::Word(Format::Hexadecimal), size: 4, next: None, count: 1, last: None }
    }
}

/// What memory is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word(Format),
    String,
    Instruction,
}

/// What `/NFU` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    count: i64,
    kind: Kind,
    size: usize,
}

impl Asked {
    /// Parses `/NFU`; what is left out is as it was.
    fn parse(letters: &str, kept: Kept) -> Result<Asked, String> {
        let digits = letters.strip_prefix('-').unwrap_or(letters);
        let count_end = digits.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(digits.len());
        let split = letters.len().saturating_sub(digits.len()).saturating_add(count_end);
        let (number, letters) = letters.split_at_checked(split).unwrap_or((letters, ""));
        let count =
            match number {
                "" => 1,
                "-" => -1,
                number => number.parse().ok().filter(|count: &i64| count.unsigned_abs() <= MOST).ok_or_else(|| {
                    format!("{} is too many: x shows at most {MOST} units at once", short(number, 30))
                })?,
            };
        let (mut kind, mut size) = (None, None);
        for letter in letters.chars() {
            match letter {
                'b' => size = Some(1),
                'h' => size = Some(2),
                'w' => size = Some(4),
                'g' => size = Some(8),
                's' => kind = Some(Kind::String),
                'i' => kind = Some(Kind::Instruction),
                letter => match Format::of_letter(letter) {
                    Some(format) => kind = Some(Kind::Word(format)),
                    None => {
                        return Err(format!(
                            "unknown letter \"{letter}\" in /{}: formats are x d u o t a c f s i z, sizes b h w g",
                            short(letters, 20)
                        ));
                    }
                },
            }
        }
        let kind = kind.unwrap_or(kept.kind);
        // gdb's defaults where only the format is given.
        let size = match (kind, size) {
            (Kind::Word(Format::Address), _) => 8,
            (Kind::Word(Format::Character), None) | (Kind::String, None) => 1,
            (Kind::Word(Format::Float), None) if kept.size < 4 => 8,
            (_, Some(size)) => size,
            (_, None) => kept.size,
        };
        Ok(Asked { count, kind, size })
    }
}

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let kept = context.session.examine;
    let (letters, expression) = match arguments.strip_prefix('/') {
        Some(rest) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        None => ("", arguments),
    };
    let mut asked = Asked::parse(letters, kept)?;
    if arguments.is_empty() {
        asked.count = kept.count;
    }
    let mut address = match expression.trim() {
        "" => kept.next.ok_or("an address is missing: x/NFU ADDRESS")?,
        text => context.address(text)?,
    };
    let count = asked.count.unsigned_abs();
    if asked.count < 0 {
        if !matches!(asked.kind, Kind::Word(_)) {
            return Err("a negative count works with units of fixed size only".to_owned());
        }
        address = address.wrapping_sub(count.wrapping_mul(asked.size as u64));
    }
    // A string's size is that of its characters; instructions must not change the size that words have.
    let size = if asked.kind == Kind::Instruction { kept.size } else { asked.size };
    context.session.examine = Kept { kind: asked.kind, size, next: Some(address), count: asked.count, last: None };
    let mut data = Vec::new();
    let result = match asked.kind {
        Kind::Word(format) => show_words(context, &mut data, address, count, asked.size, format),
        Kind::String => show_strings(context, &mut data, address, count, asked.size),
        Kind::Instruction => show_instructions(context, &mut data, address, count),
    };
    context.out.data = Value::Array(data);
    if let (Some(last), Kind::Word(_)) = (context.session.examine.last, asked.kind) {
        context.set_examined(last, Some(unit_type(asked.kind, asked.size)));
    } else if let Some(last) = context.session.examine.last {
        context.set_examined(last, None);
    }
    result
}

/// The type that gdb gives a unit.
fn unit_type(kind: Kind, size: usize) -> Type {
    match (kind, size) {
        (Kind::Word(Format::Float), 4) => examined_type("float", 4),
        (Kind::Word(Format::Float), 8) => examined_type("double", 8),
        (_, 1) => examined_type("int8_t", 1),
        (_, 2) => examined_type("int16_t", 2),
        (_, 4) => examined_type("int32_t", 4),
        _ => examined_type("int64_t", 8),
    }
}

fn go_on_at(context: &mut Context<'_, '_>, address: u64) {
    context.session.examine.next = Some(address);
}

fn show_words(
    context: &mut Context<'_, '_>,
    data: &mut Vec<Value>,
    address: u64,
    count: u64,
    size: usize,
    format: Format,
) -> Result<(), String> {
    let columns = match size {
        1 | 2 => 8,
        4 => 4,
        _ => 2,
    };
    let mut names = Names::default();
    let mut left = count;
    let mut at = address;
    while left > 0 && !context.out.is_full() {
        context.check()?;
        let wanted = left.min(columns) as usize;
        let mut bytes = [0; 16];
        let row = bytes.get_mut(..wanted.saturating_mul(size)).unwrap_or_default();
        // What a failed read leaves unread is zero, and is not shown: only whole units that were read are.
        let read = memory::read_now(at, row).unwrap_or(0);
        let values: Vec<u64> =
            row.chunks_exact(size).take(read.checked_div(size).unwrap_or(0)).map(little_endian).collect();
        if !values.is_empty() {
            let place = names.bracketed(context, at);
            let mut shown = Vec::new();
            for &value in &values {
                let symbol = if format == Format::Address { names_of_value(context, value) } else { String::new() };
                shown.push(format!("{}{symbol}", words::word(value, size, format)));
            }
            context.out.line(format_args!("{}{place}:\t{}", hex(at), shown.join("\t")));
            data.push(json!({ "address": hex(at), "place": place.trim(), "values": shown }));
        }
        let done = values.len() as u64;
        at = at.wrapping_add(done.wrapping_mul(size as u64));
        left = left.saturating_sub(done);
        if done > 0 {
            context.session.examine.last = Some(at.wrapping_sub(size as u64));
        }
        go_on_at(context, at);
        if values.len() < wanted {
            return Err(no_access(at));
        }
    }
    Ok(())
}

fn names_of_value(context: &mut Context<'_, '_>, value: u64) -> String {
    context.session.bracketed(value)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn show_strings(
    context: &mut Context<'_, '_>,
    data: &mut Vec<Value>,
    address: u64,
    count: u64,
    size: usize,
) -> Result<(), String> {
    if size > 4 {
        return Err("characters have 1, 2 or 4 bytes: x/s, x/hs, x/ws".to_owned());
    }
    let mut names = Names::default();
    let mut at = address;
    for _ in 0..count {
        context.check()?;
        if context.out.is_full() {
            break;
        }
        let mut bytes = vec![0; STRING.saturating_mul(size)];
        let read = memory::read_now(at, &mut bytes).unwrap_or(0);
        let units: Vec<u32> = bytes
            .chunks_exact(size)
            .take(read.checked_div(size).unwrap_or(0))
            .map(|unit| little_endian(unit) as u32)
            .collect();
        let end = units.iter().position(|&unit| unit == 0);
        let text = units.get(..end.unwrap_or(units.len())).unwrap_or_default();
        if end.is_none() && units.len() < STRING && text.is_empty() {
            return Err(no_access(at));
        }
        let place = names.bracketed(context, at);
        let shown = string_at(context, at, size)?;
        context.out.line(format_args!("{}{place}:\t{shown}", hex(at)));
        data.push(json!({ "address": hex(at), "place": place.trim(), "value": shown }));
        context.session.examine.last = Some(at);
        let length = text.len().saturating_add(usize::from(end.is_some()));
        at = at.wrapping_add(length.saturating_mul(size) as u64);
        go_on_at(context, at);
        if end.is_none() && units.len() < STRING {
            return Err(no_access(at));
        }
    }
    Ok(())
}

/// The string at an address as `print` shows it: repeats are folded, and a long one is cut.
fn string_at(context: &mut Context<'_, '_>, address: u64, size: usize) -> Result<String, String> {
    let options = Options { address: false, symbol: false, raw: true, ..context.session.options.clone() };
    let value = context.pointer_to(address, character_type(size));
    context.shown_with(&value, None, &options)
}

fn character_type(size: usize) -> Type {
    let (name, encoding) = match size {
        2 => ("char16_t", Encoding::Utf),
        4 => ("char32_t", Encoding::Utf),
        _ => ("char", Encoding::SignedChar),
    };
    Type::Base(Base { name: name.to_owned(), size: size as u64, encoding })
}

fn show_instructions(
    context: &mut Context<'_, '_>,
    data: &mut Vec<Value>,
    address: u64,
    count: u64,
) -> Result<(), String> {
    let current = context.selected_pc();
    let mut disassembler = Disassembler::new()?;
    let mut names = Names::default();
    let mut at = address;
    for _ in 0..count {
        context.check()?;
        if context.out.is_full() {
            break;
        }
        let Some(instruction) = disassemble::at(&mut disassembler, at) else { return Err(no_access(at)) };
        let place = names.bracketed(context, at);
        let (line, value) = disassemble::shown(context, &mut names, &instruction, &place, 0, current, false);
        context.out.line(format_args!("{line}"));
        data.push(value);
        context.session.examine.last = Some(at);
        at = at.wrapping_add(instruction.bytes.len().max(1) as u64);
        go_on_at(context, at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Session;
    use crate::symbols::Store;

    #[test]
    fn what_stands_after_the_slash() {
        let asked = |text: &str| Asked::parse(text, Kept::default()).map(|asked| (asked.count, asked.kind, asked.size));
        let word = |format| Kind::Word(format);
        assert_eq!(asked(""), Ok((1, word(Format::Hexadecimal), 4)));
        assert_eq!(asked("8gx"), Ok((8, word(Format::Hexadecimal), 8)));
        assert_eq!(asked("8xg"), Ok((8, word(Format::Hexadecimal), 8)));
        assert_eq!(asked("3s"), Ok((3, Kind::String, 1)));
        assert_eq!(asked("5i"), Ok((5, Kind::Instruction, 4)));
        assert_eq!(asked("a"), Ok((1, word(Format::Address), 8)));
        assert_eq!(asked("2c"), Ok((2, word(Format::Character), 1)));
        assert_eq!(asked("f"), Ok((1, word(Format::Float), 4)));
        assert_eq!(asked("gf"), Ok((1, word(Format::Float), 8)));
        assert_eq!(asked("wf"), Ok((1, word(Format::Float), 4)));
        assert_eq!(asked("-2dw"), Ok((-2, word(Format::Decimal), 4)));
        assert!(asked("k").unwrap_err().contains("\"k\""));
        assert!(asked("99999999999999999999x").unwrap_err().contains("too many"));
        assert!(asked("1000001x").unwrap_err().contains("too many"));
    }

    /// Runs `x` on a session; the text without addresses.
    fn examine(lines: &[&str]) -> Vec<(String, Option<String>)> {
        let store = Store::default();
        let mut session = Session::new(&store);
        let mut all = Vec::new();
        for line in lines {
            let mut context = Context::new(&mut session, "", true, &|| false);
            let error = run(&mut context, line).err();
            let (text, _) = context.out.finish();
            let values: Vec<&str> = text.lines().filter_map(|line| line.split_once(":\t")).map(|(_, v)| v).collect();
            all.push((values.join("|"), error));
        }
        all
    }

    fn shown(line: &str) -> String {
        let mut all = examine(&[line]);
        let (text, error) = all.remove(0);
        assert_eq!(error, None, "{line}");
        text
    }

    #[test]
    fn memory_in_every_format() {
        let tab: [i32; 4] = [1, -2, 300, 8];
        let at = tab.as_ptr() as u64;
        assert_eq!(shown(&format!("/4dw {at}")), "1\t-2\t300\t8");
        assert_eq!(shown(&format!("/2xw {at:#x}")), "0x00000001\t0xfffffffe");
        assert_eq!(shown(&format!("/4ow {at}")), "01\t037777777776\t0454\t010");
        assert_eq!(shown(&format!("/2dg {at}")), "-8589934591\t34359738668");
        assert_eq!(shown(&format!("/2xh {at}")), "0x0001\t0x0000");
        assert_eq!(shown(&format!("/tb {at}")), "00000001");
        assert_eq!(shown(&format!("/-2dw {at}+8")), "1\t-2");
        assert_eq!(shown(&format!("/5xb {at}+4")), "0xfe\t0xff\t0xff\t0xff\t0x2c");
        assert_eq!(shown(&format!("/9ub {at}")), "1\t0\t0\t0\t254\t255\t255\t255|44");
        let float = 3.5f64;
        assert_eq!(shown(&format!("/fg {}", core::ptr::from_ref(&float) as u64)), "3.5");
        let text = *b"hello\n\tw\xff\x011\0\0";
        let at = text.as_ptr() as u64;
        assert_eq!(shown(&format!("/2s {at}")), "\"hello\\n\\tw\\377\\0011\"|\"\"");
        assert_eq!(shown(&format!("/2c {at}")), "104 'h'\t101 'e'");
        let wide = [0x263au32, 0];
        assert_eq!(shown(&format!("/ws {}", wide.as_ptr() as u64)), "U\"☺\"");
        let code = [0x55u8, 0x48, 0x89, 0xe5, 0xc3];
        assert_eq!(shown(&format!("/3i {}", code.as_ptr() as u64)), "push   %rbp|mov    %rsp,%rbp|ret");
    }

    #[test]
    fn it_goes_on_where_it_ended_in_the_same_format() {
        let tab: [u64; 7] = [1, 2, 3, 4, 5, 6, 7];
        let first = format!("/2dg {}", tab.as_ptr() as u64);
        let all = examine(&["", &first, "", "/2"]);
        assert!(all[0].1.as_ref().unwrap().contains("address is missing"));
        assert_eq!((all[1].0.as_str(), all[2].0.as_str()), ("1\t2", "3\t4"));
        assert!(all[3].0.starts_with("5\t6"), "{:?}", all[3]);
    }

    #[test]
    fn long_strings_come_in_pieces() {
        let text = format!("{}\0", "ab".repeat(125));
        let all = examine(&[&format!("/2s {}", text.as_ptr() as u64)]);
        assert_eq!(all[0].0, format!("\"{}\"...|\"{}\"", "ab".repeat(100), "ab".repeat(25)));
    }

    #[test]
    fn bad_addresses_are_errors() {
        for line in ["/x 8", "/s 8", "/i 8", "/100000x 8"] {
            assert_eq!(examine(&[line])[0].1.as_deref(), Some("cannot access memory at address 0x8"), "{line}");
        }
        assert!(examine(&["/-2s 8"])[0].1.as_ref().unwrap().contains("negative"));
        assert!(examine(&["/x nonsense_symbol"])[0].1.as_ref().unwrap().contains("No symbol"));
        assert!(examine(&["/2x 0xffffffffffffffff"])[0].1.is_some());
    }
}
