//! Types as gdb sees them.
//!
//! Context: test.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use manhole_expressions::types::{Access, Encoding, Member, MemberLocation, TemplateArgument};

use super::sources::{C, C_OTHER, CPP, RUST};
use super::*;

/// Prints each type's size and members: name, bit offset, bits (0: no bit-field), size of the type, base or not.
const SCRIPT: &str = r#"
import gdb
def number(field, name):
    try:
        value = getattr(field, name)
        return "?" if value is None else str(value)
    except Exception:
        return "?"
for name in open("names").read().splitlines():
    try:
        it = gdb.lookup_type(name)
        if it.code == gdb.TYPE_CODE_ENUM:
            print("|".join(["@" + name, str(it.sizeof)] + ["%s=%d" % (f.name, f.enumval) for f in it.fields()]))
            continue
        members = []
        for f in it.fields():
            place = number(f, "bitpos") if hasattr(f, "bitpos") else "static"
            members.append(",".join(["" if f.is_base_class else str(f.name or ""), place, str(f.bitsize), "" if place == "static" else str(f.type.sizeof), str(f.is_base_class)]))
        print("|".join(["@" + name, str(it.sizeof)] + members))
    except Exception as error:
        print("@" + name + "|!" + str(error))
print("END")
"#;

/// Ours in the same form.
fn described<'s>(debug: &mut Debug<'s>, look: Look<'_, 's>, number: TypeId) -> Option<String> {
    match &*debug.describe(number) {
        Type::Record(record) if !record.is_declaration => {
            let mut text = record.size.to_string();
            let part = record.variants.iter();
            let nameless = |member: &Member| Member { name: None, ..member.clone() };
            let of_variants = part.flat_map(|part| {
                let variants = part.variants.iter().map(|variant| variant.member.clone());
                part.discriminant.iter().map(nameless).chain(variants).collect::<Vec<_>>()
            });
            // gdb spells the arguments of templates its own way in the names of bases.
            let plain = record.members.iter().map(|it| if it.is_base { nameless(it) } else { it.clone() });
            for member in plain.chain(of_variants) {
                let (place, bits) = match &member.location {
                    MemberLocation::Offset(offset) => ((offset * 8).to_string(), 0),
                    MemberLocation::Bits { offset, size } => (offset.to_string(), *size),
                    MemberLocation::Static { .. } => ("static".to_owned(), 0),
                    MemberLocation::Virtual { .. } | MemberLocation::Unknown => ("?".to_owned(), 0),
                };
                let complete = debug.complete(look, member.type_id);
                let size = match &member.location {
                    MemberLocation::Static { .. } => String::new(),
                    _ => debug.size_of(complete).unwrap_or(0).to_string(),
                };
                let base = if member.is_base { "True" } else { "False" };
                text += &format!("|{},{place},{bits},{size},{base}", member.name.as_deref().unwrap_or_default());
            }
            Some(text)
        }
        Type::Enumeration(enumeration) if !enumeration.is_declaration => {
            let mut text = enumeration.size.to_string();
            for (name, value) in &enumeration.enumerators {
                text += &format!("|{name}={}", *value as i64);
            }
            Some(text)
        }
        _ => None,
    }
}

/// Compares every record and enum of a program with gdb; returns how many.
fn compare(program: &Program, rust: bool) -> usize {
    let store = Store::default();
    let symbols = symbols_in(&store);
    let look = program.look(&symbols);
    let mut debug = Debug::new();
    let mut ours: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut listed = Vec::new();
    let _ =
        debug.list(look, &program.modules.modules[0], Kind::Types, &mut |_| ControlFlow::Continue(true), &mut |it| {
            listed.push(it);
            ControlFlow::Continue(())
        });
    for it in listed {
        // Types in functions are found by gdb from inside only, variants of enums are not found by name.
        if let Some(text) = described(&mut debug, look, it.type_id) {
            let name = it.tag.map_or(it.name.clone(), |tag| format!("{tag} {}", it.name));
            ours.entry(name).or_default().push(text);
        }
    }
    let names: Vec<&str> = ours.keys().map(String::as_str).collect();
    std::fs::write(program.directory.path().join("names"), names.join("\n")).unwrap();
    let theirs = program.gdb(SCRIPT);
    let (mut same, mut unknown) = (0, 0);
    for line in theirs.lines().filter_map(|line| line.strip_prefix('@')) {
        let (name, theirs) = line.split_once('|').unwrap();
        if theirs.starts_with('!') {
            unknown += 1;
            continue;
        }
        let ours = &ours[name];
        // Virtual bases: gdb knows where they are only for some.
        let virtual_base = ours.iter().any(|it| it.contains(",?,"));
        if !(virtual_base || rust && theirs.contains(",?,")) {
            assert!(ours.iter().any(|it| it == theirs), "{name}\n theirs {theirs}\n ours   {ours:#?}");
        }
        same += 1;
    }
    assert!(unknown * 3 < same, "{unknown} of {same} not known to gdb\n{theirs}");
    same
}

#[test]
fn records_and_enums_of_c_agree_with_gdb() {
    for flags in [
        &["-gdwarf-2", "-gstrict-dwarf"][..],
        &["-gdwarf-3"],
        &["-gdwarf-4", "-O2"],
        &["-gdwarf-5"],
        &["-g", "-fdebug-types-section"],
        &["-gdwarf-4", "-fdebug-types-section"],
    ] {
        let program = Program::new("gcc", flags, &[("a.c", C), ("b.c", C_OTHER)]);
        assert!(compare(&program, false) >= 12, "{flags:?}");
    }
}

#[test]
fn records_and_enums_of_cpp_agree_with_gdb() {
    for flags in [&["-gdwarf-4"][..], &["-gdwarf-5", "-O2"], &["-g", "-fdebug-types-section"]] {
        let program = Program::new("g++", flags, &[("a.cc", CPP)]);
        let compared = compare(&program, false);
        assert!(compared > 60, "{flags:?} {compared}");
    }
}

#[test]
fn records_and_enums_of_rust_agree_with_gdb() {
    let program = Program::new("rustc", &["-g"], &[("a.rs", RUST)]);
    assert!(compare(&program, true) > 50);
}

#[test]
fn types_of_c() {
    for flags in [&["-gdwarf-3"][..], &["-gdwarf-4"], &["-gdwarf-5"], &["-g", "-fdebug-types-section"]] {
        let program = Program::new("gcc", flags, &[("a.c", C), ("b.c", C_OTHER)]);
        let store = Store::default();
        let symbols = symbols_in(&store);
        let look = program.look(&symbols);
        let mut debug = Debug::new();
        // Tags are no names without their keyword.
        assert!(type_of(&mut debug, look, "bits").is_none());
        assert!(type_of(&mut debug, look, "struct color").is_none());
        assert!(type_of(&mut debug, look, "node").is_some() && type_of(&mut debug, look, "struct node").is_some());
        let arrays = record(&mut debug, look, "struct arrays");
        let Type::Array { of, count: Some(2), .. } = &*debug.describe(arrays.members[1].type_id) else { panic!() };
        assert!(matches!(&*debug.describe(*of), Type::Array { count: Some(3), .. }));
        let flexible = debug.describe(arrays.members[4].type_id);
        assert!(matches!(&*flexible, Type::Array { count: None, .. }), "{flexible:?}");
        let vectors = record(&mut debug, look, "struct vectors");
        let Type::Typedef { to, .. } = &*debug.describe(vectors.members[0].type_id) else { panic!() };
        assert!(matches!(&*debug.describe(*to), Type::Array { count: Some(4), is_vector: true, .. }));
        let Type::Base(complex) = &*debug.describe(vectors.members[1].type_id) else { panic!() };
        assert_eq!((complex.size, complex.encoding), (16, Encoding::ComplexFloat));
        let functions = record(&mut debug, look, "struct functions");
        let mut function = |index: usize| {
            let Type::Pointer(to) = &*debug.describe(functions.members[index].type_id) else { panic!() };
            let Type::Function(function) = &*debug.describe(*to) else { panic!() };
            (function.parameters.len(), function.is_variadic, function.is_prototyped)
        };
        assert_eq!((function(0), function(1)), ((2, false, true), (1, true, true)));
        assert!(!function(2).2);
        let qualified = record(&mut debug, look, "struct qualified");
        let outer = debug.describe(qualified.members[0].type_id);
        let (Type::Const(inner) | Type::Volatile(inner)) = &*outer else { panic!() };
        assert!(matches!(&*debug.describe(*inner), Type::Const(_) | Type::Volatile(_)));
        assert!(matches!(&*debug.describe(qualified.members[1].type_id), Type::Restrict(_)));
        if flags[0] == "-gdwarf-5" {
            assert!(matches!(&*debug.describe(qualified.members[2].type_id), Type::Atomic(_)));
        }
        // A declaration is completed in another unit.
        let config = record(&mut debug, look, "struct config");
        for (member, name) in [(0, "inside"), (1, "member")] {
            let Type::Pointer(to) = *debug.describe(config.members[member].type_id) else { panic!() };
            let complete = debug.complete(look, to);
            let Type::Record(complete) = &*debug.describe(complete) else { panic!() };
            assert_eq!(complete.members[0].name.as_deref(), Some(name));
        }
        // A pointer that is made is the one that DWARF has.
        let Type::Pointer(to) = *debug.describe(config.members[0].type_id) else { panic!() };
        assert_eq!(debug.intern(Type::Pointer(to)), config.members[0].type_id);
        let made = debug.intern(Type::Array { of: to, count: Some(3), is_vector: false });
        assert_eq!(debug.intern(Type::Array { of: to, count: Some(3), is_vector: false }), made);
    }
}

#[test]
fn types_of_cpp() {
    for flags in [&["-gdwarf-4"][..], &["-gdwarf-5"], &["-g", "-fdebug-types-section"]] {
        let program = Program::new("g++", flags, &[("a.cc", CPP)]);
        let store = Store::default();
        let symbols = symbols_in(&store);
        let look = program.look(&symbols);
        let mut debug = Debug::new();
        let hidden = record(&mut debug, look, "ns::Hidden");
        assert_eq!(hidden.name.as_deref(), Some("ns::Hidden"));
        let access = |name: &str| hidden.members.iter().find(|it| it.name.as_deref() == Some(name)).unwrap().access;
        assert_eq!((access("secret"), access("half")), (Access::Private, Access::Protected));
        assert_eq!(access("open"), Access::Public);
        let constant = hidden.members.iter().find(|it| it.name.as_deref() == Some("constant")).unwrap();
        let MemberLocation::Static { constant: Some(constant), .. } = &constant.location else { panic!("{hidden:?}") };
        assert_eq!(constant, &77i32.to_le_bytes());
        let method = |name: &str| hidden.methods.iter().find(|it| it.name == name).unwrap().clone();
        assert!(method("still").is_static && !method("method").is_static);
        let Type::Function(described) = &*debug.describe(method("method").type_id) else { panic!() };
        assert_eq!((described.parameters.len(), described.is_variadic, described.is_prototyped), (2, true, true));
        assert_eq!(method("method").linkage.as_deref(), Some("_ZNK2ns6Hidden6methodEiz"));
        let names: Vec<&str> = hidden.nested.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Inner", "inner_type"]);
        let inner = record(&mut debug, look, "ns::Hidden::Inner");
        assert_eq!(inner.name.as_deref(), Some("ns::Hidden::Inner"));
        // Virtual bases: -24 bytes from the address point is the first slot for them.
        let derived = record(&mut debug, look, "ns::Virtual");
        let base = derived.members.iter().find(|member| member.is_base).unwrap();
        assert_eq!(base.location, MemberLocation::Virtual { vtable_offset: 24 });
        assert_eq!(base.name.as_deref(), Some("ns::Base"));
        let base = record(&mut debug, look, "ns::Base");
        let id = base.methods.iter().find(|method| method.name == "id").unwrap();
        assert_eq!((id.is_virtual, id.virtual_slot), (true, Some(2)));
        assert!(base.members[0].is_artificial && base.members[0].name.as_deref() == Some("_vptr.Base"));
        let boxed = record(&mut debug, look, "ns::Box<int,3>");
        assert_eq!(boxed.template_arguments.len(), 2);
        assert!(matches!(&boxed.template_arguments[1], TemplateArgument::Value { value: 3, .. }));
        let pointers = record(&mut debug, look, "Pointers");
        let mut kind = |index: usize| (*debug.describe(pointers.members[index].type_id)).clone();
        assert!(matches!(kind(0), Type::MemberPointer { .. }) && matches!(kind(1), Type::MemberPointer { .. }));
        assert!(matches!(kind(2), Type::Reference { is_rvalue: false, .. }));
        assert!(matches!(kind(3), Type::Reference { is_rvalue: true, .. }));
        let Type::MemberPointer { to, .. } = kind(1) else { panic!() };
        assert_eq!(debug.size_of(pointers.members[1].type_id), Some(16));
        assert!(matches!(&*debug.describe(to), Type::Function(_)));
        // In whatever spelling, and where they are found without their whole name.
        for name in [
            "std::vector<int, std::allocator<int> >",
            "std::vector<int,std::allocator<int>>",
            "std::vector<int>",
            // A unit of one type does not say that the namespace is an inline one.
            if flags.len() == 1 { "ns::Versioned" } else { "ns::v1::Versioned" },
            "ns::v1::Versioned",
            "Anonymous",
            "(anonymous namespace)::Anonymous",
            "ns::Outer::Nested",
            "std::string",
            "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
        ] {
            let number = type_of(&mut debug, look, name);
            assert!(number.is_some_and(|number| debug.size_of(number).is_some()), "{flags:?} {name}");
        }
        assert_eq!(record(&mut debug, look, "Anonymous").name.as_deref(), Some("(anonymous namespace)::Anonymous"));
        assert_eq!(record(&mut debug, look, "ns::Outer::Nested").name.as_deref(), Some("ns::Outer::Nested"));
        assert!(type_of(&mut debug, look, "::Versioned").is_none());
    }
}

#[test]
fn enums_of_rust_say_which_variant_is_active() {
    for flags in [&["-g"][..], &["-g", "-O"]] {
        let program = Program::new("rustc", flags, &[("a.rs", RUST)]);
        let store = Store::default();
        let symbols = symbols_in(&store);
        let look = program.look(&symbols);
        let mut debug = Debug::new();
        let shape = record(&mut debug, look, "a::shapes::Shape");
        assert_eq!(shape.name.as_deref(), Some("a::shapes::Shape"));
        let part = shape.variants.unwrap();
        let names: Vec<_> = part.variants.iter().map(|it| it.member.name.clone().unwrap()).collect();
        assert_eq!(names, ["Empty", "Circle", "Square", "Boxed"]);
        assert!(part.discriminant.is_some());
        let Type::Record(square) = &*debug.describe(part.variants[2].member.type_id) else { panic!() };
        assert_eq!(square.members.iter().map(|it| it.name.as_deref().unwrap()).collect::<Vec<_>>(), ["side", "name"]);
        let signed = record(&mut debug, look, "crate::shapes::Signed").variants.unwrap();
        let values: Vec<_> = signed.variants.iter().map(|it| it.values.clone()).collect();
        assert_eq!(values, [vec![-300..=-300], vec![300..=300]]);
        let niche = record(&mut debug, look, "core::option::Option<&u32>").variants.unwrap();
        let none = niche.variants.iter().find(|it| it.member.name.as_deref() == Some("None")).unwrap();
        let some = niche.variants.iter().find(|it| it.member.name.as_deref() == Some("Some")).unwrap();
        assert!(none.values == [0..=0] && some.values.is_empty());
        let plain = type_of(&mut debug, look, "a::shapes::Plain").unwrap();
        let Type::Enumeration(plain) = &*debug.describe(plain) else { panic!() };
        assert!(plain.is_class && plain.is_signed);
        assert_eq!(plain.enumerators[0], ("a::shapes::Plain::Minus".to_owned(), -2));
        let text = record(&mut debug, look, "&str");
        assert_eq!(text.members.len(), 2);
        let pair = record(&mut debug, look, "a::shapes::Pair<u32>");
        assert_eq!(pair.members[0].name.as_deref(), Some("__0"));
    }
}
