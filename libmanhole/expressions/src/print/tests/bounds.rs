//! What gdb cannot be asked: missing values, bounds, and the shapes of pretty printers.
//!
//! Runs as a unit test. The texts of the shapes are those that gdb 13.1 writes with libstdc++'s printers.

use super::*;
use crate::ast::Builtin;
use crate::print::pretty::Shape;

fn int(fake: &mut Fake) -> TypeId {
    fake.intern(Builtin::Int.as_type())
}

fn number(fake: &mut Fake, number: i32) -> Value {
    Value::new(int(fake), number.to_le_bytes().to_vec())
}

fn structure(name: &str, members: &[(&str, TypeId, u64)], size: u64) -> Type {
    let member = |(name, type_id, offset): &(&str, TypeId, u64)| Member {
        name: Some((*name).to_owned()),
        type_id: *type_id,
        location: MemberLocation::Offset(*offset),
        is_base: false,
        is_artificial: false,
        access: Access::Public,
    };
    Type::Record(Record {
        kind: RecordKind::Struct,
        name: Some(name.to_owned()),
        size,
        language: Language::C,
        is_declaration: false,
        members: members.iter().map(member).collect(),
        methods: Vec::new(),
        template_arguments: Vec::new(),
        nested: Vec::new(),
        variants: None,
        copies: Copies::AsMembers,
        copying: Copies::AsMembers,
    })
}

fn text(value: &Value, fake: &mut Fake) -> String {
    crate::print::value(value, None, &Options::default(), fake).unwrap()
}

#[test]
fn missing_parts_are_marked() {
    let mut fake = Fake::default();
    let int = int(&mut fake);
    let pair = fake.intern(structure("pair", &[("a", int, 0), ("b", int, 4)], 8));
    let bytes = vec![1, 0, 0, 0, 2, 0, 0, 0];
    for (content, expected) in [
        (Content::Partial(bytes.clone(), vec![(4..8, Missing::OptimizedOut)]), "{a = 1, b = <optimized out>}"),
        (Content::Partial(bytes.clone(), vec![(0..4, Missing::NotCaptured)]), "{a = <not captured>, b = 2}"),
        (Content::Partial(bytes, vec![(2..3, Missing::NotCaptured)]), "{a = <not captured>, b = 2}"),
        (Content::Missing(Missing::NotCaptured), "<not captured>"),
        (Content::Missing(Missing::OptimizedOut), "<optimized out>"),
    ] {
        let value = Value { content, ..Value::new(pair, Vec::new()) };
        assert_eq!(text(&value, &mut fake), expected);
    }
    let error = crate::print::value(&Value::at(pair, 8), None, &Options::default(), &mut fake);
    assert_eq!(error, Err(Stop::Error("Cannot access memory at address 0x8".to_owned())));
}

#[test]
fn depth_and_length_are_bounded() {
    // On a stack as small as the agent's.
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(|| {
        let mut fake = Fake::default();
        let mut inner = int(&mut fake);
        for at in 0..100 {
            inner = fake.intern(structure(&format!("s{at}"), &[("m", inner, 0)], 4));
        }
        let value = Value::new(inner, vec![1, 0, 0, 0]);
        let options = Options { depth: None, pretty: true, ..Options::default() };
        let printed = crate::print::value(&value, None, &options, &mut fake).unwrap();
        assert_eq!(printed.matches("m = ").count(), 30);
        assert!(printed.contains("{...}"));
        let int = int(&mut fake);
        let array = fake.intern(Type::Array { of: int, count: Some(1 << 20), is_vector: false });
        let bytes = (0..1u32 << 20).flat_map(u32::to_le_bytes).collect();
        let options = Options { elements: None, ..Options::default() };
        let printed = crate::print::value(&Value::new(array, bytes), None, &options, &mut fake).unwrap();
        assert!(printed.len() < (1 << 20) + 100 && printed.ends_with("... <the rest is not shown>"));
        // A function whose parameters are the function itself.
        let own = TypeId(u32::try_from(fake.types.len()).unwrap());
        let function = Function {
            returns: int,
            parameters: vec![own, own],
            is_variadic: false,
            is_prototyped: true,
            is_of_rust: false,
        };
        assert_eq!(fake.intern(Type::Function(function)), own);
        assert!(name(own, &mut fake).len() <= (1 << 20) + 64);
        let reference = TypeId(u32::try_from(fake.types.len()).unwrap());
        fake.intern(Type::Reference { to: reference, is_rvalue: false });
        fake.poke(64, &64u64.to_le_bytes());
        text(&Value::at(reference, 64), &mut fake);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn large_arrays_are_read_piece_by_piece() {
    let mut fake = Fake::default();
    let int = int(&mut fake);
    let array = fake.intern(Type::Array { of: int, count: Some(100_000), is_vector: false });
    fake.poke(0x1000, &vec![0; 399_996]);
    fake.poke(0x1000 + 399_996, &7i32.to_le_bytes());
    assert_eq!(text(&Value::at(array, 0x1000), &mut fake), "{0 <repeats 99999 times>, 7}");
    let record = fake.intern(structure("large", &[("all", array, 0), ("n", int, 399_996)], 400_000));
    assert_eq!(text(&Value::at(record, 0x1000), &mut fake), "{all = {0 <repeats 99999 times>, 7}, n = 7}");
    let short = fake.intern(Type::Array { of: int, count: Some(1 << 40), is_vector: false });
    let options = Options { elements: Some(2), repeats: None, ..Options::default() };
    let printed = crate::print::value(&Value::at(short, 0x1000), None, &options, &mut fake);
    assert_eq!(printed.unwrap(), "{0, 0...}");
}

#[test]
fn shapes_of_pretty_printers() {
    let mut fake = Fake::default();
    let numbers: Vec<Value> = (1..=4).map(|at| number(&mut fake, at)).collect();
    let [one, two, three, four] = numbers.as_slice() else { unreachable!() };
    let named = |text: &str| Some(text.to_owned());
    let vector = Shape::Array {
        summary: named("std::vector of length 3, capacity 4"),
        elements: vec![one.clone(), two.clone(), three.clone()],
        has_more: false,
    };
    let map = Shape::Map {
        summary: named("std::map with 2 elements"),
        entries: vec![(one.clone(), two.clone()), (three.clone(), four.clone())],
        has_more: false,
    };
    let empty =
        Shape::Array { summary: named("std::vector of length 0, capacity 0"), elements: vec![], has_more: false };
    let pair = Shape::Children {
        summary: None,
        children: vec![("first".to_owned(), one.clone()), ("second".to_owned(), two.clone())],
    };
    for (shape, is_pretty, expected) in [
        (vector.clone(), false, "std::vector of length 3, capacity 4 = {1, 2, 3}"),
        (vector, true, "std::vector of length 3, capacity 4 = {1, 2, 3}"),
        (map.clone(), false, "std::map with 2 elements = {[1] = 2, [3] = 4}"),
        (map, true, "std::map with 2 elements = {\n  [1] = 2,\n  [3] = 4\n}"),
        (
            Shape::Array { summary: named("std::vector"), elements: numbers.clone(), has_more: true },
            false,
            "std::vector = {1, 2, 3, 4...}",
        ),
        (
            Shape::Map { summary: named("std::map"), entries: vec![(one.clone(), two.clone()); 3], has_more: false },
            true,
            "std::map = {\n  [1] = 2,\n  [1] = 2,\n  [1] = \n  ...\n}",
        ),
        (empty, false, "std::vector of length 0, capacity 0"),
        (pair, false, "{first = 1, second = 2}"),
        (Shape::Text { bytes: b"text".to_vec(), length: 4 }, false, "\"text\""),
        (Shape::Text { bytes: b"text".to_vec(), length: 9 }, false, "\"text\"..."),
        (Shape::Summary("empty".to_owned()), false, "empty"),
        (Shape::Other(three.clone()), false, "3"),
    ] {
        let options = Options { pretty: is_pretty, elements: Some(5), ..Options::default() };
        let mut printer = Printer {
            options: &options,
            format: None,
            target: &mut fake,
            out: String::new(),
            is_rust: false,
            statics: Vec::new(),
            virtual_bases: Vec::new(),
            parts: 0,
        };
        printer.shape(shape, Level::default()).unwrap();
        assert_eq!(printer.out, expected);
    }
}

#[test]
fn any_bytes_can_be_printed() {
    let tables = [include_str!("c.tsv"), include_str!("cpp.tsv"), include_str!("rust.tsv")];
    let letters = ["", "x", "d", "u", "o", "t", "a", "c", "f", "z", "s"];
    let settings = ["", "pretty array", "object elements=3", "repeats=1 null_stop", "depth=1", "-address -symbol"];
    let mut seed: u64 = 1;
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    for table in tables {
        let (mut fake, _) = load(table);
        let count = fake.types.len();
        let places: Vec<u64> = fake.memory.keys().copied().collect();
        for at in 0..count * 40 {
            let type_id = TypeId(u32::try_from(at % count).unwrap());
            let size = crate::access::size_of(type_id, &mut fake).unwrap_or(8).min(4096);
            let mut bytes: Vec<u8> = (0..size).map(|_| random() as u8).collect();
            if random() % 2 == 0 {
                let place = places[random() % places.len()].to_le_bytes();
                bytes.iter_mut().zip(place).for_each(|(byte, part)| *byte = part);
            }
            let mut value = Value::new(type_id, bytes);
            match random() % 6 {
                0 => value.content = Content::Bytes(vec![random() as u8; random() % 20]),
                1 => value = Value::at(type_id, places[random() % places.len()]),
                _ => {}
            }
            let letter = format(letters[random() % letters.len()]);
            let settings = options(settings[random() % settings.len()]);
            let _ = crate::print::value(&value, letter, &settings, &mut fake);
            name(type_id, &mut fake);
            definition(type_id, &settings, &mut fake);
        }
    }
}

/// A wrong length of a slice of `()` is nothing to count to.
#[test]
fn elements_without_a_size_are_not_counted() {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut fake = Fake { deadline: Some(deadline), ..Fake::default() };
    let mut nothing = structure("nothing", &[], 0);
    if let Type::Record(record) = &mut nothing {
        record.language = Language::Rust;
    }
    let nothing = fake.intern(nothing);
    let array = fake.intern(Type::Array { of: nothing, count: Some(u64::MAX), is_vector: false });
    assert_eq!(text(&Value::at(array, 0x1000), &mut fake), "[nothing <repeats 18446744073709551615 times>]");
}
