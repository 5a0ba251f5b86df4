//! What gdb printed, against what is printed here.
//!
//! Runs as a unit test. The tables in `tests/` were written down from gdb 13.1 (`-nx`, in a UTF-8 locale) with three small programs
//! (C, C++ and Rust) stopped in it: their types as DWARF has them, the memory that the values are in, the symbols, and one row for
//! every value, format and setting with gdb's own answer to `print`, `whatis` and `ptype`. A row that begins with `!` is an error.
//!
//! Not in the tables, since it is printed otherwise here on purpose: what gdb 13.1 loses before an incomplete UTF-8 sequence at the end of a
//! string; virtual bases behind a reference to a base, where gdb prints what is not there; arrays of Rust's enums, at which gdb ends; and
//! `/a` without `set print asm-demangle on`, which shows C++ symbols mangled.

mod bounds;

use std::rc::Rc;

use super::*;
use crate::evaluate::Variables;
use crate::target::Found;
use crate::testing::Fake;
use crate::types::{
    Access, Base, Copies, Enumeration, Function, Member, MemberLocation, Method, RecordKind, StaticVariable,
    TemplateArgument, Variant, VariantPart,
};
use crate::value::Value;

fn plain(text: &str) -> Option<String> {
    (text != "-").then(|| text.to_owned())
}

fn id(text: &str) -> TypeId {
    TypeId(text.parse().unwrap())
}

fn access(text: &str) -> Access {
    match text {
        "public" => Access::Public,
        "protected" => Access::Protected,
        _ => Access::Private,
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn language(text: &str) -> Language {
    match text {
        "c" => Language::C,
        "cpp" => Language::Cpp,
        "rust" => Language::Rust,
        _ => Language::Other,
    }
}

fn member(fields: &[&str]) -> Member {
    let location: Vec<&str> = fields[1].split(',').collect();
    let location = match location[0] {
        "offset" => MemberLocation::Offset(location[1].parse().unwrap()),
        "bits" => MemberLocation::Bits { offset: location[1].parse().unwrap(), size: location[2].parse().unwrap() },
        "virtual" => MemberLocation::Virtual { vtable_offset: location[1].parse().unwrap() },
        "static" => MemberLocation::Static {
            constant: (location[2] != "-").then(|| bytes(location[2])),
            variable: StaticVariable::Named(plain(location[1])),
        },
        _ => MemberLocation::Unknown,
    };
    Member {
        name: plain(fields[5]),
        type_id: id(fields[0]),
        location,
        is_base: fields[2] == "1",
        is_artificial: fields[3] == "1",
        access: access(fields[4]),
    }
}

fn describe(fields: &[&str]) -> Type {
    match fields[0] {
        "void" => Type::Void,
        "base" => Type::Base(Base {
            name: fields[3].to_owned(),
            size: fields[1].parse().unwrap(),
            encoding: match fields[2] {
                "2" => Encoding::Boolean,
                "3" => Encoding::ComplexFloat,
                "4" => Encoding::Float,
                "5" => Encoding::Signed,
                "6" => Encoding::SignedChar,
                "7" => Encoding::Unsigned,
                "8" => Encoding::UnsignedChar,
                _ => Encoding::Utf,
            },
        }),
        "ptr" => Type::Pointer(id(fields[1])),
        "ref" => Type::Reference { to: id(fields[1]), is_rvalue: fields[2] == "1" },
        "mptr" => Type::MemberPointer { class: id(fields[1]), to: id(fields[2]) },
        "const" => Type::Const(id(fields[1])),
        "volatile" => Type::Volatile(id(fields[1])),
        "restrict" => Type::Restrict(id(fields[1])),
        "atomic" => Type::Atomic(id(fields[1])),
        "typedef" => Type::Typedef { name: fields[2].to_owned(), to: id(fields[1]) },
        "array" => Type::Array { of: id(fields[1]), count: fields[2].parse().ok(), is_vector: fields[3] == "1" },
        "func" => Type::Function(Function {
            returns: id(fields[1]),
            is_variadic: fields[2] == "1",
            is_prototyped: fields[3] == "1",
            is_of_rust: false,
            parameters: fields[4].split(',').filter(|text| !text.is_empty()).map(id).collect(),
        }),
        "enum" => Type::Enumeration(Enumeration {
            size: fields[1].parse().unwrap(),
            is_signed: fields[2] == "1",
            is_class: fields[3] == "1",
            language: language(fields[4]),
            is_declaration: fields[5] == "1",
            name: plain(fields[6]),
            enumerators: Vec::new(),
        }),
        "record" => Type::Record(Record {
            kind: match fields[1] {
                "struct" => RecordKind::Struct,
                "union" => RecordKind::Union,
                _ => RecordKind::Class,
            },
            size: fields[2].parse().unwrap(),
            language: language(fields[3]),
            is_declaration: fields[4] == "1",
            name: plain(fields[5]),
            members: Vec::new(),
            methods: Vec::new(),
            template_arguments: Vec::new(),
            nested: Vec::new(),
            variants: None,
            copies: Copies::AsMembers,
            copying: Copies::AsMembers,
        }),
        other => Type::Unknown(other.to_owned()),
    }
}

/// A line that belongs to the type before it.
fn extend(type_: &mut Type, fields: &[&str]) {
    match type_ {
        Type::Enumeration(enumeration) => {
            enumeration.enumerators.push((fields[2].to_owned(), fields[1].parse().unwrap()));
        }
        Type::Record(record) => match fields[0] {
            "m" => record.members.push(member(&fields[1..])),
            "f" => record.methods.push(Method {
                type_id: id(fields[1]),
                is_static: fields[2] == "1",
                is_artificial: fields[3] == "1",
                hidden: usize::from(fields[2] != "1"),
                is_virtual: fields[4] != "-",
                virtual_slot: fields[4].parse().ok(),
                access: access(fields[5]),
                linkage: plain(fields[6]),
                name: fields[7].to_owned(),
            }),
            "g" => {
                let (name, type_id) = (plain(fields[3]), id(fields[1]));
                record.template_arguments.push(match fields[2].parse() {
                    Ok(value) => TemplateArgument::Value { name, type_id, value },
                    Err(_) => TemplateArgument::Type { name, type_id },
                });
            }
            "n" => record.nested.push((fields[2].to_owned(), id(fields[1]))),
            "vp" => {
                let discriminant = (fields.len() > 1).then(|| member(&fields[1..]));
                record.variants = Some(Box::new(VariantPart { discriminant, variants: Vec::new() }));
            }
            "v" => {
                let values = fields[1].parse::<i128>().ok().map(|value| value..=value).into_iter().collect();
                let variant = Variant { values, member: member(&fields[2..]) };
                record.variants.as_mut().unwrap().variants.push(variant);
            }
            _ => panic!("{fields:?}"),
        },
        _ => panic!("{fields:?}"),
    }
}

fn options(text: &str) -> Options {
    let mut options = Options::default();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (name, number) = word.split_once('=').unwrap_or((word, ""));
        let number = number.parse::<u64>().ok();
        match name {
            "pretty" => options.pretty = true,
            "array" => options.array = true,
            "array_indexes" => options.array_indexes = true,
            "-union" => options.union = false,
            "-address" => options.address = false,
            "-symbol" => options.symbol = false,
            "null_stop" => options.null_stop = true,
            "-static" => options.static_members = false,
            "vtbl" => options.vtbl = true,
            "object" => options.object = true,
            "elements" => options.elements = number.filter(|number| *number > 0),
            "repeats" => options.repeats = number.filter(|number| *number > 0),
            "depth" => options.depth = number,
            other => panic!("{other}"),
        }
    }
    options
}

fn format(letter: &str) -> Option<Format> {
    Some(match letter {
        "x" => Format::Hexadecimal,
        "d" => Format::Decimal,
        "u" => Format::Unsigned,
        "o" => Format::Octal,
        "t" => Format::Binary,
        "a" => Format::Address,
        "c" => Format::Character,
        "f" => Format::Float,
        "z" => Format::PaddedHexadecimal,
        "s" => Format::String,
        _ => return None,
    })
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    out
}

/// What a table lays down, and its rows.
fn load(table: &str) -> (Fake, Vec<Vec<&str>>) {
    let mut fake = Fake::default();
    let mut types: Vec<Type> = Vec::new();
    let mut rows = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[0] {
            "t" => types.push(describe(&fields[1..])),
            "M" => {
                let address = u64::from_str_radix(fields[1], 16).unwrap();
                let bytes = match fields[2].strip_prefix('z') {
                    Some(count) => vec![0; count.parse().unwrap()],
                    None => bytes(fields[2]),
                };
                fake.poke(address, &bytes);
            }
            "S" => {
                let address = u64::from_str_radix(fields[1], 16).unwrap();
                fake.symbols.push((address, fields[2].parse().unwrap(), fields[4].to_owned(), fields[3] == "1"));
                fake.linkages.insert(fields[5].to_owned(), address);
                fake.linkages.insert(fields[4].to_owned(), address);
            }
            "R" => rows.push(fields),
            _ => extend(types.last_mut().unwrap(), &fields),
        }
    }
    for (at, type_) in types.iter().enumerate() {
        if let Type::Record(Record { name: Some(name), .. }) = type_ {
            fake.named_types.insert((None, name.clone()), TypeId(u32::try_from(at).unwrap()));
        }
    }
    fake.types = types.into_iter().map(Rc::new).collect();
    (fake, rows)
}

/// Compares every row of a table; how many there were.
fn compare(table: &str) -> usize {
    let (mut fake, rows) = load(table);
    let mut wrong = Vec::new();
    for row in &rows {
        let [_, kind, what, type_id, address, settings, expected] = row[..] else {
            panic!("{row:?}");
        };
        let value = Value::at(id(type_id), u64::from_str_radix(address, 16).unwrap());
        // Without printers of library types, as gdb was when it wrote the tables.
        let settings = Options { raw: true, ..options(settings) };
        let printed = match kind {
            "whatis" => name(value.type_id, &mut fake),
            "ptype" => definition(value.type_id, &settings, &mut fake),
            letter => match super::value(&value, format(&letter[1..]), &settings, &mut fake) {
                Ok(text) => text,
                Err(Stop::Error(error)) => format!("!{error}"),
                Err(Stop::Suspended) => "suspended".to_owned(),
            },
        };
        let expected = unescaped(expected);
        if printed != expected {
            wrong.push(format!("{kind} {what} {}\n  gdb:  {expected}\n  here: {printed}", row[5]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    rows.len()
}

/// The programs that the tables are of, their variables by name.
pub(crate) fn worlds() -> Vec<(Fake, Variables)> {
    let tables = [
        (include_str!("tests/c.tsv"), Language::C),
        (include_str!("tests/cpp.tsv"), Language::Cpp),
        (include_str!("tests/rust.tsv"), Language::Rust),
    ];
    let world = |(table, language)| {
        let (mut fake, rows) = load(table);
        for row in rows {
            let found = Found::Variable(Value::at(id(row[3]), u64::from_str_radix(row[4], 16).unwrap()));
            fake.names.insert(row[2].to_owned(), found);
        }
        (fake, Variables { language, ..Variables::default() })
    };
    tables.map(world).into()
}

#[test]
fn c_as_gdb_prints_it() {
    assert!(compare(include_str!("tests/c.tsv")) > 200);
}

#[test]
fn cpp_as_gdb_prints_it() {
    assert!(compare(include_str!("tests/cpp.tsv")) > 200);
}

#[test]
fn rust_as_gdb_prints_it() {
    assert!(compare(include_str!("tests/rust.tsv")) > 200);
}
