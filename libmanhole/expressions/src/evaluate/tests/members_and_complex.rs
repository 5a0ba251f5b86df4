//! Pointers to members; complex numbers and long double; gdb's own functions. Read by the real parser.

use super::classes;
use super::language;
use super::world::World;
use crate::evaluate::{TargetNames, evaluate};
use crate::print::{self, Options};
use crate::target::{Stop, Target};
use crate::types::Type;

/// The value as `print` shows it, or the error.
fn shown(world: &mut World, text: &str) -> String {
    let tree = match crate::expression(text, &mut TargetNames(&mut world.fake)) {
        Ok(tree) => tree,
        Err(error) => return error,
    };
    let value = evaluate(&tree, &mut world.variables, &mut world.fake);
    match value.and_then(|value| print::value(&value, None, &Options::default(), &mut world.fake)) {
        Ok(text) => text,
        Err(Stop::Error(error)) => error,
        Err(Stop::Suspended) => "suspended".to_owned(),
    }
}

fn expect(world: &mut World, table: &[(&str, &str)]) {
    for (text, wanted) in table {
        assert_eq!(shown(world, text), *wanted, "{text}");
    }
}

#[test]
fn pointers_to_members() {
    let mut world = classes::world();
    let int = world.int();
    let base = world.fake.named_types[&(None, "Base".to_owned())];
    let derived = world.fake.named_types[&(None, "Derived".to_owned())];
    for (name, class, offset, at) in
        [("pm", base, 8i64, 0x8000), ("pnull", base, -1, 0x8008), ("pd1", derived, 32, 0x8010)]
    {
        let type_id = world.fake.intern(Type::MemberPointer { class, to: int });
        world.variable(name, type_id, at, &offset.to_le_bytes());
    }
    expect(
        &mut world,
        &[
            ("der.*pm", "1"),
            ("pd->*pm + 1", "2"),
            ("-der.*pm", "-1"),
            ("pd.*pm", "1"),
            ("pb->*pd1", "5"),
            ("der.*pm = 7", "7"),
            ("der.b1", "7"),
            ("der.*pm++", "7"),
            ("der.b1", "8"),
            ("pnull", "NULL"),
            ("pm", "&Base::b1"),
            ("&Derived::o1", "&Other::o1"),
            ("der.*&Derived::o1", "3"),
            ("&Derived::bf", "pointers to bitfield members not allowed"),
            ("&Derived::ov", "non-unique member `ov' requires type instantiation"),
            ("der.*pnull", "the pointer to a member is null"),
            ("der.*1", "non-pointer-to-member value used in pointer-to-member construct"),
            ("vd.*pm", "a member of Base is in no VD"),
            ("*pm", "Attempt to dereference pointer to member without an object"),
            ("pm = 0", "NULL"),
            ("1.*pm", "Argument to arithmetic operation not a number or boolean."),
        ],
    );
}

#[test]
fn complex_numbers() {
    let mut world = language::world();
    for (name, at, words) in [("z", 0x8000u64, [(-1.5f64).to_bits(), 0.25f64.to_bits()]), ("w", 0x8010, [0; 2])] {
        let type_id = world.fake.intern(Type::Base(crate::types::Base {
            name: "complex double".to_owned(),
            size: 16,
            encoding: crate::types::Encoding::ComplexFloat,
        }));
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        world.variable(name, type_id, at, &bytes);
    }
    expect(
        &mut world,
        &[
            ("z + 1", "-0.5 + 0.25i"),
            ("z * z", "2.1875 + -0.75i"),
            ("z / z", "1 + 0i"),
            ("2 / z", "-1.2972972972972974 + -0.21621621621621623i"),
            ("~z", "-1.5 + -0.25i"),
            ("-z", "1.5 + -0.25i"),
            ("z == z", "1"),
            ("z == 1.5", "Invalid type combination in equality test."),
            ("z % 2", "Invalid binary operation on numbers."),
            ("w = 1 + 2i", "1 + 2i"),
            ("w += 1", "2 + 2i"),
            ("w ? 1 : 0", "1"),
            ("5i / 2i", "2 + 0i"),
            ("$_creal(z) + $_cimag(z)", "-1.25"),
            ("$_creal(1)", "expected a complex number"),
            ("$_creal()", "You must provide one argument for $_creal."),
            ("(_Complex int)z", "-1 + 0i"),
            ("sizeof(_Complex long double)", "32"),
            ("(_Complex)z", "the words \"_Complex\" make no type"),
            ("\"a\" * 2i", "Argument to complex arithmetic operation not supported."),
        ],
    );
}

#[test]
fn long_double_and_functions() {
    let mut world = language::world();
    expect(
        &mut world,
        &[
            ("1.0L / 3", "0.333333333333333333342"),
            ("0.1L == 0.1", "0"),
            ("(double)0.1L == 0.1", "1"),
            ("18446744073709551615ul + 0.0L", "18446744073709551615"),
            ("1e4000L * 1e4000L", "inf"),
            ("0.0L / 0", "-nan(0xc000000000000000)"),
            ("(long)-1e30L", "-9223372036854775808"),
            ("16777217 + 0.0f", "16777216"),
            ("16777217 == 16777216.0f", "1"),
            ("16777217 == 16777216.0", "0"),
            ("$_strlen(\"four\")", "4"),
            ("$_streq(\"a\", \"b\")", "0"),
            ("$_memeq(\"abc\", \"abd\", 2)", "1"),
            ("$_isvoid($nothing)", "1"),
            ("$_isvoid(1)", "0"),
            ("$_as_string(5)", "\"5\""),
        ],
    );
}
