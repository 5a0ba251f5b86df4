//! C++: references, base classes, virtual ones, methods, overloads, operators, `this`; Rust's enums, boxes and slices.

use super::world::{World, member, record};
use crate::ast::{Builtin, Tag};
use crate::target::{Found, Overload, Target};
use crate::types::{
    Access, Language, Member, MemberLocation, Method, Record, StaticVariable, Type, TypeId, Variant, VariantPart,
};
use crate::value::Value;

fn base(type_id: TypeId, location: MemberLocation) -> Member {
    Member { is_base: true, location, ..member("base", type_id, 0) }
}

fn method(name: &str, type_id: TypeId, linkage: &str) -> Method {
    Method {
        name: name.to_owned(),
        linkage: Some(linkage.to_owned()),
        type_id,
        is_static: false,
        is_artificial: false,
        hidden: 1,
        virtual_slot: None,
        is_virtual: false,
        access: Access::Public,
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn ints(ints: &[i32]) -> Vec<u8> {
    ints.iter().flat_map(|int| int.to_le_bytes()).collect()
}

/// Base and Other with a vtable each, Derived of both, an object of it at 0x1000; VD with a virtual base at 0x2000.
pub(super) fn world() -> World {
    let mut world = World::new(Language::Cpp);
    let int = world.int();
    let vptr = world.builtin(Builtin::UnsignedLong);
    let class = |world: &mut World, name: &'static str, record: Record| {
        let type_id = world.fake.intern(Type::Record(record));
        world.name_type(None, name, type_id);
        world.name_type(Some(Tag::Struct), name, type_id);
        type_id
    };
    let mut of_base = vec![member("_vptr", vptr, 0), member("b1", int, 8), member("same", int, 12)];
    let sv = MemberLocation::Static { constant: None, variable: StaticVariable::Named(Some("_sv".to_owned())) };
    of_base.push(Member { location: sv, ..member("sv", int, 0) });
    let mut of_other = record(
        "Other",
        16,
        Language::Cpp,
        vec![member("_vptr", vptr, 0), member("o1", int, 8), member("same", int, 12)],
    );
    let base_id = world.reserve();
    let this = world.pointer(base_id);
    let one = world.function(int, &[this, int]);
    let none = world.function(int, &[this]);
    let free = world.function(int, &[int]);
    let mut base_record = record("Base", 16, Language::Cpp, of_base);
    base_record.methods = vec![
        Method { is_virtual: true, virtual_slot: Some(1), ..method("vf", one, "_base_vf") },
        method("nv", none, "_base_nv"),
        Method { is_static: true, ..method("sm", free, "_base_sm") },
    ];
    world.fill(base_id, Type::Record(base_record));
    world.name_type(None, "Base", base_id);
    let other_this = world.pointer(base_id);
    let on = world.function(int, &[other_this]);
    of_other.methods = vec![method("on", on, "_other_on")];
    let other = class(&mut world, "Other", of_other);

    let int_reference = world.reference(int);
    let mut bf = member("bf", int, 0);
    bf.location = MemberLocation::Bits { offset: 48 * 8, size: 4 };
    let mut derived = record(
        "Derived",
        56,
        Language::Cpp,
        vec![
            base(base_id, MemberLocation::Offset(0)),
            base(other, MemberLocation::Offset(16)),
            member("d1", int, 32),
            member("ref", int_reference, 40),
            bf,
        ],
    );
    let double = world.builtin(Builtin::Double);
    let char_type = world.builtin(Builtin::Char);
    let text = world.pointer(char_type);
    for (parameter, linkage) in [(int, "_ov_int"), (double, "_ov_double"), (text, "_ov_text")] {
        let type_id = world.function(int, &[this, parameter]);
        derived.methods.push(method("ov", type_id, linkage));
    }
    let derived = class(&mut world, "Derived", derived);
    let mut bytes = words(&[0x5010]);
    bytes.extend(ints(&[1, 2]));
    bytes.extend(words(&[0x5040]));
    bytes.extend(ints(&[3, 4, 5, 0]));
    bytes.extend(words(&[0x3000]));
    bytes.extend(ints(&[6, 0]));
    world.variable("der", derived, 0x1000, &bytes);
    // Offset to the top, type information, two functions; then those of Other.
    world.fake.poke(0x5000, &words(&[0, 0, 0x6000, 0x6010]));
    world.fake.poke(0x5030, &words(&[0u64.wrapping_sub(16), 0, 0x6020, 0]));
    world.fake.symbols.push((0x5000, 0x60, "vtable for Derived".to_owned(), false));
    for (name, type_id, address, at) in
        [("pd", derived, 0x1000u64, 0x3010), ("pb", base_id, 0x1000, 0x3018), ("po", other, 0x1010, 0x3020)]
    {
        let pointer = world.pointer(type_id);
        world.variable(name, pointer, at, &address.to_le_bytes());
    }
    let base_reference = world.reference(base_id);
    world.variable("rb", base_reference, 0x3028, &0x1000u64.to_le_bytes());
    world.variable("globalr", int, 0x3000, &ints(&[8]));
    world.variable("gr", int_reference, 0x3030, &0x3000u64.to_le_bytes());
    world.fake.poke(0x3040, &ints(&[21]));

    let vb =
        class(&mut world, "VB", record("VB", 16, Language::Cpp, vec![member("_vptr", vptr, 0), member("vb", int, 8)]));
    let virtual_base = || base(vb, MemberLocation::Virtual { vtable_offset: 24 });
    let v1 = record("V1", 32, Language::Cpp, vec![virtual_base(), member("v1", int, 8)]);
    let v1 = class(&mut world, "V1", v1);
    let v2 = record("V2", 32, Language::Cpp, vec![virtual_base(), member("v2", int, 8)]);
    let v2 = class(&mut world, "V2", v2);
    let both = vec![base(v1, MemberLocation::Offset(0)), base(v2, MemberLocation::Offset(16)), member("vd", int, 28)];
    let vd = class(&mut world, "VD", record("VD", 48, Language::Cpp, both));
    let mut bytes = words(&[0x7018]);
    bytes.extend(ints(&[101, 0]));
    bytes.extend(words(&[0x7038]));
    bytes.extend(ints(&[102, 103]));
    bytes.extend(words(&[0x7058]));
    bytes.extend(ints(&[100, 0]));
    world.variable("vd", vd, 0x2000, &bytes);
    let below = |offset: i64| offset as u64;
    world.fake.poke(0x7000, &words(&[32, 0, 0, 0, below(16), below(-16), 0, 0]));
    world.fake.poke(0x7048, &words(&[below(-32), 0, 0]));
    world.fake.symbols.push((0x7000, 0x60, "vtable for VD".to_owned(), false));
    for (name, type_id, address, at) in
        [("pvb", vb, 0x2020u64, 0x3050), ("pv1", v1, 0x2000, 0x3058), ("pv2", v2, 0x2010, 0x3060)]
    {
        let pointer = world.pointer(type_id);
        world.variable(name, pointer, at, &address.to_le_bytes());
    }
    let code = [
        ("_base_vf", 0x9000),
        ("_base_nv", 0x9010),
        ("_base_sm", 0x9020),
        ("_other_on", 0x9030),
        ("_ov_int", 0x9040),
        ("_ov_double", 0x9050),
        ("_ov_text", 0x9060),
        ("_sv", 0x3040),
    ];
    world.fake.linkages.extend(code.map(|(name, address)| (name.to_owned(), address)));
    world
}

#[test]
fn references_and_bases() {
    let mut world = world();
    world.expect_types(&[
        ("1==1", "bool"),
        ("!1", "bool"),
        ("1&&1", "bool"),
        ("gr", "int&"),
        ("&gr", "int*"),
        ("gr+1", "int"),
        ("(Base&)der", "Base&"),
        ("dynamic_cast<Derived*>(pb)", "Derived*"),
        ("pd->ov(1)", "int"),
    ]);
    world.expect(&[
        ("gr", "int& 0x3000"),
        ("gr+1", "int 9"),
        ("&gr", "int* 0x3000"),
        ("gr=9", "int 9"),
        ("globalr", "int 9"),
        ("sizeof(gr)", "int 4"),
        ("der.b1", "int 1"),
        (
            "der.same",
            "Request for member 'same' is ambiguous in type 'Derived'. Candidates are:\n  'int Base::same' (Derived -> Base)\n  'int Other::same' (Derived -> Other)",
        ),
        ("der.Base::same", "int 2"),
        ("der.Other::same", "int 4"),
        ("der.nope", "There is no member or method named nope."),
        ("der.ref+0", "int 9"),
        ("der.ref=5", "int 5"),
        ("globalr", "int 5"),
        ("der.bf", "int 6"),
        ("der.sv", "int 21"),
        ("Base::sv", "int 21"),
        ("Derived::sv", "int 21"),
        ("&der.sv", "int* 0x3040"),
        ("&der.Other::same", "int* 0x101c"),
        ("&Derived::d1", "int Derived::* 0x20"),
        ("pd->o1", "int 3"),
        ("pb->d1", "There is no member or method named d1."),
        ("(Derived*)pb", "Derived* 0x1000"),
        ("(Derived*)po", "Derived* 0x1000"),
        ("(Other*)pd", "Other* 0x1010"),
        ("(Other*)0", "Other* 0x0"),
        ("(Base*)po", "Base* 0x1010"),
        ("reinterpret_cast<Derived*>(po)", "Derived* 0x1010"),
        ("dynamic_cast<Derived*>(pb)", "Derived* 0x1000"),
        ("dynamic_cast<Other*>(pb)", "Other* 0x1010"),
        ("dynamic_cast<VB*>(pb)", "VB* 0x0"),
        ("dynamic_cast<VD*>(pvb)", "VD* 0x2000"),
        ("((Other)der).o1", "int 3"),
        ("(Other&)der", "Other& 0x1010"),
        ("(Derived&)rb", "Derived& 0x1000"),
        ("rb.b1", "int 1"),
        ("&rb", "Base* 0x1000"),
        ("pb==pd", "bool 1"),
        ("vd.vb", "int 100"),
        ("vd.VB::vb", "int 100"),
        ("pv1->vb", "int 100"),
        ("pv2->vb", "int 100"),
        ("&vd.vb", "int* 0x2028"),
        ("(VB*)pv2", "VB* 0x2020"),
        ("(VD*)pv2", "VD* 0x2000"),
        ("(VD*)pvb", "VD* 0x2000"),
        ("((VB)vd).vb", "int 100"),
    ]);
}

#[test]
fn methods() {
    let mut world = world();
    let int = world.int();
    let called = |world: &mut World, text: &str| {
        world.fake.calls.clear();
        world.fake.answers = vec![Value::new(int, vec![7, 0, 0, 0])];
        let shown = world.shown(text);
        match world.fake.calls.last() {
            Some((address, given)) => {
                let given: Vec<_> = given.iter().map(|bytes| crate::access::integer(bytes, true)).collect();
                format!("{shown}: {address:#x} {given:x?}")
            }
            None => shown,
        }
    };
    for (text, wanted) in [
        ("der.nv()", "int 7: 0x9010 [1000]"),
        ("pd->nv()", "int 7: 0x9010 [1000]"),
        ("der.on()", "int 7: 0x9030 [1010]"),
        ("pb->vf(2)", "int 7: 0x6010 [1000, 2]"),
        ("rb.vf(2)", "int 7: 0x6010 [1000, 2]"),
        // gdb goes through the vtable all the same; C++ does not.
        ("der.Base::vf(2)", "int 7: 0x9000 [1000, 2]"),
        ("der.sm(2)", "int 7: 0x9020 [2]"),
        ("Base::sm(2)", "int 7: 0x9020 [2]"),
        ("der.ov(1)", "int 7: 0x9040 [1000, 1]"),
        ("der.ov('a')", "int 7: 0x9040 [1000, 61]"),
        ("der.ov(1L)", "int 7: 0x9040 [1000, 1]"),
        ("der.ov(true)", "int 7: 0x9040 [1000, 1]"),
        ("der.ov(1.5)", "int 7: 0x9050 [1000, 3ff8000000000000]"),
        ("der.ov(1.5f)", "int 7: 0x9050 [1000, 3ff8000000000000]"),
        ("der.ov(\"x\")", "int 7: 0x9060 [1000, 70000000]"),
        ("der.ov(der)", "Cannot resolve method Derived::ov to any overloaded instance"),
        ("der.nope()", "Couldn't find method Derived::nope"),
        ("der.nv(1)", "Cannot resolve method Derived::nv to any overloaded instance"),
        ("der.vf()", "Too few arguments in function call."),
        ("der.ov", "cannot resolve overloaded method `ov': no arguments supplied"),
        ("Base::nv()", "the method nv needs an object"),
        ("&der.nv", "int()* 0x9010"),
    ] {
        assert_eq!(called(&mut world, text), wanted, "{text}");
    }
}

#[test]
fn members_of_this_hide_what_is_outside() {
    let mut world = world();
    let int = world.int();
    world.variable("d1", int, 0x4000, &ints(&[1000]));
    assert_eq!(world.shown("d1"), "int 1000");
    let derived = world.fake.named_types[&(None, "Derived".to_owned())];
    let this = world.pointer(derived);
    world.fake.names.insert("this".to_owned(), Found::Variable(Value::new(this, words(&[0x1000]))));
    world.fake.poke(0x4010, &ints(&[55]));
    world.fake.names.insert("b1".to_owned(), Found::Variable(Value::at(int, 0x4010)));
    world.expect(&[
        ("d1", "int 5"),
        ("&d1", "int* 0x1020"),
        ("d1=6", "int 6"),
        ("der.d1", "int 6"),
        ("this->d1", "int 6"),
        ("sv", "int 21"),
        // A local one.
        ("b1", "int 55"),
        ("Base::b1", "int 1"),
        ("globalr", "int 8"),
        ("nosuch", "No symbol \"nosuch\" in current context."),
    ]);
    world.fake.answers = vec![Value::new(int, vec![7, 0, 0, 0])];
    assert_eq!(world.shown("nv()"), "int 7");
    assert_eq!(world.fake.calls.last(), Some(&(0x9010, vec![words(&[0x1000])])));
    world.variables.language = Language::C;
    assert_eq!(world.shown("d1"), "int 1000");
}

#[test]
fn operators() {
    let mut world = world();
    let int = world.int();
    let op = world.reserve();
    let this = world.pointer(op);
    let constant = world.fake.intern(Type::Const(op));
    let other = world.reference(constant);
    let truth = world.builtin(Builtin::Bool);
    let int_reference = world.reference(int);
    let mut of_op = record("Op", 4, Language::Cpp, vec![member("v", int, 0)]);
    for (name, returns, parameters, linkage) in [
        ("operator[]", int_reference, vec![this, int], "_index"),
        ("operator*", int_reference, vec![this], "_star"),
        ("operator()", int, vec![this, int], "_call"),
        ("operator==", truth, vec![this, other], "_equal"),
        ("operator+", op, vec![this, other], "_plus"),
        ("operator+", op, vec![this, int], "_plus_int"),
        ("operator++", op, vec![this], "_step"),
        ("operator+=", op, vec![this, int], "_add"),
    ] {
        let type_id = world.function(returns, &parameters);
        of_op.methods.push(method(name, type_id, linkage));
        let address = 0xa000 + 0x10 * of_op.methods.len() as u64;
        world.fake.linkages.insert(linkage.to_owned(), address);
    }
    world.fill(op, Type::Record(of_op));
    world.variable("op", op, 0x8000, &ints(&[7]));
    world.variable("op2", op, 0x8010, &ints(&[9]));
    let less = world.function(truth, &[other, other]);
    world.code("operator<", less, 0xb000);
    let over_int = world.function(int, &[int]);
    let over_op = world.function(int, &[other]);
    let overloads = [(over_int, 0xb010, "over(int)"), (over_op, 0xb020, "over(Op const&)")];
    let overloads = overloads.map(|(type_id, address, name)| Overload { type_id, address, name: name.to_owned() });
    world.fake.names.insert("over".to_owned(), Found::Overloads(overloads.to_vec()));
    for (text, answer, address, given) in [
        ("op[2]", Value::new(int_reference, words(&[0x8000])), 0xa010, vec![words(&[0x8000]), ints(&[2])]),
        ("*op", Value::new(int_reference, words(&[0x8000])), 0xa020, vec![words(&[0x8000])]),
        ("op(3)", Value::new(int, ints(&[10])), 0xa030, vec![words(&[0x8000]), ints(&[3])]),
        ("op==op2", Value::new(truth, vec![0]), 0xa040, vec![words(&[0x8000]), words(&[0x8010])]),
        ("op+op2", Value::new(op, ints(&[16])), 0xa050, vec![words(&[0x8000]), words(&[0x8010])]),
        ("op+1", Value::new(op, ints(&[8])), 0xa060, vec![words(&[0x8000]), ints(&[1])]),
        ("++op", Value::new(op, ints(&[8])), 0xa070, vec![words(&[0x8000])]),
        ("op+=3", Value::new(op, ints(&[8])), 0xa080, vec![words(&[0x8000]), ints(&[3])]),
        ("op<op2", Value::new(truth, vec![1]), 0xb000, vec![words(&[0x8000]), words(&[0x8010])]),
        ("over(1)", Value::new(int, ints(&[1])), 0xb010, vec![ints(&[1])]),
        ("over(op)", Value::new(int, ints(&[1])), 0xb020, vec![words(&[0x8000])]),
    ] {
        world.fake.answers = vec![answer.clone()];
        assert_eq!(world.answer(text), Ok(answer), "{text}");
        assert_eq!(world.fake.calls.last(), Some(&(address, given)), "{text}");
    }
    world.fake.answers = vec![Value::new(int_reference, words(&[0x8000]))];
    world.expect(&[
        ("op[2]=44", "int 44"),
        ("op.v", "int 44"),
        ("op!=op2", "No symbol \"operator!=\" in current context."),
        ("op-1", "No symbol \"operator-\" in current context."),
        ("over", "\"over\" is overloaded:\n  over(int)\n  over(Op const&)"),
    ]);
    world.expect_types(&[("op[1]", "int&"), ("op+op2", "Op"), ("op==op2", "bool")]);
}

#[test]
fn rusts_types() {
    let mut world = World::new(Language::Rust);
    let int = world.int();
    let size = world.builtin(Builtin::UnsignedLong);
    let tuple = record("(i32, i32)", 8, Language::Rust, vec![member("__0", int, 0), member("__1", int, 4)]);
    let tuple = world.fake.intern(Type::Record(tuple));
    world.variable("pair", tuple, 0x1000, &ints(&[3, 4]));
    let pointer = world.pointer(int);
    let slice = record("&[i32]", 16, Language::Rust, vec![member("data_ptr", pointer, 0), member("length", size, 8)]);
    let slice = world.fake.intern(Type::Record(slice));
    world.variable("slice", slice, 0x1010, &words(&[0x1000, 2]));
    let boxed = world.pointer(tuple);
    world.variable("boxed", boxed, 0x1020, &words(&[0x1000]));
    let some = world.fake.intern(Type::Record(record("Some", 8, Language::Rust, vec![member("__0", int, 4)])));
    let nothing = world.fake.intern(Type::Record(record("None", 8, Language::Rust, vec![])));
    let mut option = record("Option<i32>", 8, Language::Rust, vec![]);
    option.variants = Some(Box::new(VariantPart {
        discriminant: Some(member("", int, 0)),
        variants: vec![
            Variant { values: vec![0..=0], member: member("None", nothing, 0) },
            Variant { values: vec![1..=1], member: member("Some", some, 0) },
        ],
    }));
    let option = world.fake.intern(Type::Record(option));
    world.variable("option", option, 0x1030, &ints(&[1, 12]));
    world.expect(&[
        ("pair.0", "int 3"),
        ("pair.__1", "int 4"),
        ("slice[1]", "int 4"),
        ("slice[2]", "the index 2 is outside of the slice, which has 2 elements"),
        ("*slice", "int 3"),
        ("(*boxed).1", "int 4"),
        ("boxed.1", "int 4"),
        ("option.0", "int 12"),
        ("option.Some.0", "int 12"),
        ("option.None", "There is no member named None."),
        ("1==1", "bool 1"),
        ("1", "i32 1"),
        ("!5", "i32 -6"),
        ("!(1==1)", "bool 0"),
    ]);
}
