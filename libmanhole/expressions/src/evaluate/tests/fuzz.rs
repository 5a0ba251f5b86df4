//! Trees made by chance: whatever they are, evaluation ends, and does not panic.

use super::reader::read;
use super::world::World;
use super::{classes, language};
use crate::ast::{Binary, Expression, Path, Segment, Unary};
use crate::evaluate::{evaluate, type_of};
use crate::types::{MemberLocation, Type, TypeId};
use crate::value::{Content, Value};

/// Marsaglia's xorshift: the same trees in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const LEAVES: [&str; 52] = [
    "0",
    "1",
    "-1",
    "7",
    "64",
    "127",
    "2147483647",
    "4294967295u",
    "9223372036854775807",
    "18446744073709551615ul",
    "1.5",
    "0.0",
    "1.5f",
    "\"abc\"",
    "c",
    "us",
    "i",
    "u",
    "l",
    "ul",
    "bo",
    "big",
    "f",
    "d",
    "ga",
    "g2",
    "str",
    "ip",
    "vp",
    "np",
    "fl",
    "RED",
    "ci",
    "gs",
    "ps",
    "add",
    "slen",
    "printf",
    "fp",
    "nodebug",
    "sqrt",
    "$rsp",
    "$x",
    "$",
    "$1",
    "der",
    "pd",
    "rb",
    "gr",
    "vd",
    "pvb",
    "po",
];

const UNARY: [Unary; 10] = [
    Unary::Minus,
    Unary::Plus,
    Unary::Not,
    Unary::Complement,
    Unary::Dereference,
    Unary::AddressOf,
    Unary::PreIncrement,
    Unary::PreDecrement,
    Unary::PostIncrement,
    Unary::PostDecrement,
];

const BINARY: [Binary; 18] = [
    Binary::Multiply,
    Binary::Divide,
    Binary::Remainder,
    Binary::Add,
    Binary::Subtract,
    Binary::ShiftLeft,
    Binary::ShiftRight,
    Binary::Less,
    Binary::LessOrEqual,
    Binary::Greater,
    Binary::GreaterOrEqual,
    Binary::Equal,
    Binary::NotEqual,
    Binary::BitAnd,
    Binary::BitXor,
    Binary::BitOr,
    Binary::And,
    Binary::Or,
];

const CASTS: [&str; 22] = [
    "(char)0",
    "(short)0",
    "(int)0",
    "(long)0",
    "(uchar)0",
    "(unsigned)0",
    "(ulong)0",
    "(float)0",
    "(double)0",
    "(bool)0",
    "(int128)0",
    "(int*)0",
    "(char**)0",
    "(char[3])0",
    "(int[])0",
    "(void)0",
    "(int&)0",
    "(struct s)0",
    "(enum color)0",
    "(struct Base)0",
    "(int(*)(int))0",
    "(struct VD*)0",
];

const MEMBERS: [&str; 14] = ["a", "f1", "f2", "u2", "in", "next", "name", "b1", "same", "ref", "vb", "nv", "ov", "0"];

fn tree(chance: &mut Chance, depth: u32) -> Expression {
    if depth == 0 || chance.below(6) == 0 {
        return read(chance.of(&LEAVES), &[]);
    }
    let kind = chance.below(13);
    let mut inner = || Box::new(tree(chance, depth - 1));
    let (one, two) = (inner(), inner());
    match kind {
        0..=2 => Expression::Binary(chance.of(&BINARY), one, two),
        3 | 4 => Expression::Unary(chance.of(&UNARY), one),
        5 => Expression::Assign(one, two),
        6 => Expression::Modify(chance.of(&BINARY[..10]), one, two),
        7 => Expression::Index(one, two),
        8 => Expression::Repeat(one, two),
        9 => match read(chance.of(&CASTS), &[]) {
            Expression::Cast(kind, name, _) if chance.below(4) > 0 => Expression::Cast(kind, name, one),
            Expression::Cast(_, name, _) => Expression::At(name, one),
            other => other,
        },
        10 => {
            let mut segments = vec![Segment { text: chance.of(&MEMBERS).to_owned(), quoted: false }];
            if chance.below(5) == 0 {
                segments.insert(0, Segment { text: "Base".to_owned(), quoted: false });
            }
            let name = Path { global: false, segments };
            Expression::Member { object: one, name, through_pointer: chance.below(2) == 0 }
        }
        11 => Expression::Call { function: one, arguments: vec![*two] },
        _ => Expression::SizeofValue(one),
    }
}

/// Evaluates that many trees, and asks for their types.
fn check(world: &mut World, seed: u64, count: u32) {
    let mut chance = Chance(seed);
    let int = world.int();
    let mut values = 0;
    for _ in 0..count {
        let tree = tree(&mut chance, 5);
        world.fake.answers = vec![Value::new(int, vec![7, 0, 0, 0]); 4];
        world.fake.calls.clear();
        let before = world.fake.memory.clone();
        let _ = type_of(&tree, &mut world.variables, &mut world.fake);
        assert!(world.fake.calls.is_empty(), "the type of {tree:?} calls");
        assert!(world.fake.memory == before, "the type of {tree:?} writes");
        let answer = evaluate(&tree, &mut world.variables, &mut world.fake);
        if let Ok(value) = answer {
            values += 1;
            if let Content::Bytes(bytes) = &value.content {
                assert!(bytes.len() <= 65536);
            }
            if values % 10 == 0 {
                let _ = world.variables.record(&value, &mut world.fake);
            }
        }
    }
    assert!(values > count / 20, "only {values} of {count} have a value");
}

#[test]
fn trees_by_chance_over_c() {
    check(&mut language::world(), 0x1234_5678_9abc_def1, 6000);
}

#[test]
fn trees_by_chance_over_classes() {
    check(&mut classes::world(), 0xfeed_5678_9abc_def1, 6000);
}

/// Debug information that goes round in circles.
#[test]
fn classes_that_contain_themselves_end() {
    let mut world = classes::world();
    let circles = ["Base", "Derived", "VB", "V1"].map(|name| world.fake.named_types[&(None, name.to_owned())]);
    for at in 0..circles.len() {
        let TypeId(number) = circles[at];
        let Type::Record(mut record) = (*world.fake.types[number as usize]).clone() else { panic!("no record") };
        for (offset, other) in circles.iter().enumerate() {
            let mut base = record.members[0].clone();
            base.type_id = *other;
            base.is_base = offset % 2 == 0;
            base.name = None;
            base.location = MemberLocation::Offset(offset as u64);
            record.members.push(base);
        }
        world.fill(circles[at], Type::Record(record));
    }
    for text in [
        "der.nope",
        "der.nope()",
        "(VB)der",
        "(VD*)pb",
        "dynamic_cast<VB*>(pb)",
        "_Alignof(struct Derived)",
        "der==der",
    ] {
        let _ = world.answer(text);
    }
    check(&mut world, 0x1111_5678_9abc_def1, 100);
}
