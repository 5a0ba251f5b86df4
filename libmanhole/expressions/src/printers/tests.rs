//! Corrupt containers: cycles, wild pointers, absurd sizes. Whole ones are compared with gdb's printers by the integration tests.

mod libcxx;

use crate::print::{self, Options};
use crate::target::Target;
use crate::testing::Fake;
use crate::types::{
    Access, Base, Copies, Encoding, Language, Member, MemberLocation, Record, RecordKind, TemplateArgument, Type,
    TypeId,
};
use crate::value::Value;

fn member(name: &str, type_id: TypeId, offset: u64) -> Member {
    Member {
        name: Some(name.to_owned()),
        type_id,
        location: MemberLocation::Offset(offset),
        is_base: false,
        is_artificial: false,
        access: Access::Public,
    }
}

fn base(type_id: TypeId) -> Member {
    Member { is_base: true, ..member("base", type_id, 0) }
}

fn record(fake: &mut Fake, name: &str, size: u64, members: Vec<Member>, arguments: &[TypeId]) -> TypeId {
    let language = if name.starts_with("std::") && !name.starts_with("std::collections::") {
        Language::Cpp
    } else {
        Language::Rust
    };
    let arguments = arguments.iter().map(|type_id| TemplateArgument::Type { name: None, type_id: *type_id });
    fake.intern(Type::Record(Record {
        kind: RecordKind::Struct,
        name: Some(name.to_owned()),
        size,
        language,
        is_declaration: false,
        members,
        methods: Vec::new(),
        template_arguments: arguments.collect(),
        nested: Vec::new(),
        variants: None,
        copies: Copies::AsMembers,
        copying: Copies::AsMembers,
    }))
}

fn number(fake: &mut Fake, name: &str, size: u64) -> TypeId {
    let encoding = if name == "char" { Encoding::SignedChar } else { Encoding::Unsigned };
    fake.intern(Type::Base(Base { name: name.to_owned(), size, encoding }))
}

fn pointer(fake: &mut Fake, to: TypeId) -> TypeId {
    fake.intern(Type::Pointer(to))
}

fn words(fake: &mut Fake, address: u64, words: &[u64]) {
    for (at, word) in (0..).zip(words) {
        fake.poke(address + at * 8, &word.to_le_bytes());
    }
}

fn printed(fake: &mut Fake, type_id: TypeId, address: u64) -> String {
    print::value(&Value::at(type_id, address), None, &Options::default(), fake).expect("a text")
}

fn vector(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let to_int = pointer(fake, int);
    let members =
        vec![member("_M_start", to_int, 0), member("_M_finish", to_int, 8), member("_M_end_of_storage", to_int, 16)];
    let implementation = record(fake, "std::_Vector_impl", 24, members, &[]);
    let members = vec![member("_M_impl", implementation, 0)];
    record(fake, "std::vector<unsigned int, std::allocator<unsigned int> >", 24, members, &[int])
}

#[test]
fn a_vector_whose_pointers_are_no_row_is_shown_raw() {
    let mut fake = Fake::default();
    let vector = vector(&mut fake);
    for ends in [[0x2000, 0x1000, 0x3000], [0x1000, 0x1003, 0x2000], [0x1000, 0x3000, 0x2000]] {
        words(&mut fake, 0x100, &ends);
        assert!(printed(&mut fake, vector, 0x100).starts_with("{_M_impl = "), "{ends:x?}");
    }
}

#[test]
fn a_vector_of_absurd_length_ends_with_what_is_shown() {
    let mut fake = Fake::default();
    let vector = vector(&mut fake);
    words(&mut fake, 0x100, &[0x1000, 0x1000 + (1 << 60), 0x1000 + (1 << 60)]);
    words(&mut fake, 0x1000, &[0; 8]);
    let text = printed(&mut fake, vector, 0x100);
    assert!(
        text.starts_with("std::vector of length 288230376151711744, capacity 288230376151711744 = {0, 0, "),
        "{text}"
    );
    assert!(text.ends_with("...}") && text.contains("<error"), "{text}");
    let all = Options { elements: None, ..Options::default() };
    let text = print::value(&Value::at(vector, 0x100), None, &all, &mut fake).expect("a text");
    assert!(text.len() < 2 << 20, "{}", text.len());
}

fn list(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let unknown = number(fake, "unsigned long", 8);
    let link = pointer(fake, unknown);
    let node_base = record(
        fake,
        "std::__detail::_List_node_base",
        16,
        vec![member("_M_next", link, 0), member("_M_prev", link, 8)],
        &[],
    );
    let buffer = record(fake, "std::__aligned_membuf<unsigned int>", 4, vec![], &[]);
    let node = record(
        fake,
        "std::_List_node<unsigned int>",
        24,
        vec![base(node_base), member("_M_storage", buffer, 16)],
        &[int],
    );
    let allocator = record(fake, "std::allocator<std::_List_node<unsigned int> >", 1, vec![], &[node]);
    let implementation =
        record(fake, "std::_List_impl", 16, vec![base(allocator), member("_M_node", node_base, 0)], &[]);
    let members = vec![member("_M_impl", implementation, 0)];
    record(fake, "std::__cxx11::list<unsigned int, std::allocator<unsigned int> >", 16, members, &[int])
}

#[test]
fn a_list_that_goes_round_ends_with_what_is_shown() {
    let mut fake = Fake::default();
    let list = list(&mut fake);
    words(&mut fake, 0x100, &[0x1000, 0x1000]);
    words(&mut fake, 0x1000, &[0x1000, 0x1000, 7]);
    let text = printed(&mut fake, list, 0x100);
    assert!(text.starts_with("std::__cxx11::list = {[0] = 7, [1] = 7, "), "{text}");
    assert!(text.ends_with("[199] = 7...}"), "{text}");
    let all = Options { elements: None, ..Options::default() };
    let text = print::value(&Value::at(list, 0x100), None, &all, &mut fake).expect("a text");
    assert!(text.contains("[19999] = 7") && !text.contains("[20000]"));
}

#[test]
fn a_list_that_leaves_memory_is_shown_raw() {
    let mut fake = Fake::default();
    let list = list(&mut fake);
    words(&mut fake, 0x100, &[0x1000, 0x1000]);
    words(&mut fake, 0x1000, &[0xdead_0000, 0x100, 7]);
    assert!(printed(&mut fake, list, 0x100).starts_with("{_M_impl = "));
}

fn set(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let long = number(fake, "unsigned long", 8);
    let links = ["_M_color", "_M_parent", "_M_left", "_M_right"];
    let links = links.iter().zip(0..).map(|(name, at)| member(name, long, at * 8)).collect();
    let node_base = record(fake, "std::_Rb_tree_node_base", 32, links, &[]);
    let buffer = record(fake, "std::__aligned_membuf<unsigned int>", 4, vec![], &[]);
    let node = record(
        fake,
        "std::_Rb_tree_node<unsigned int>",
        40,
        vec![base(node_base), member("_M_storage", buffer, 32)],
        &[int],
    );
    let allocator = record(fake, "std::allocator<std::_Rb_tree_node<unsigned int> >", 1, vec![], &[node]);
    let members = vec![base(allocator), member("_M_header", node_base, 0), member("_M_node_count", long, 32)];
    let implementation = record(fake, "std::_Rb_tree_impl", 40, members, &[]);
    let tree = record(fake, "std::_Rb_tree<unsigned int>", 40, vec![member("_M_impl", implementation, 0)], &[]);
    record(fake, "std::set<unsigned int>", 40, vec![member("_M_t", tree, 0)], &[int])
}

#[test]
fn a_tree_whose_links_go_round_ends() {
    let mut fake = Fake::default();
    let set = set(&mut fake);
    words(&mut fake, 0x100, &[0, 0x1000, 0x1000, 0x1000, u64::MAX]);
    // To the left for ever; then upwards for ever.
    for links in [[0, 0x100, 0x1000, 0x1000, 5], [0, 0x1000, 0, 0, 5]] {
        words(&mut fake, 0x1000, &links);
        let text = printed(&mut fake, set, 0x100);
        assert!(text.len() < 10_000, "{text}");
    }
    // A node that is its own successor.
    words(&mut fake, 0x1000, &[0, 0x1000, 0, 0x1000, 5]);
    assert!(printed(&mut fake, set, 0x100).len() < 10_000);
    // A count and no nodes.
    words(&mut fake, 0x100, &[0, 0, 0, 0, 3]);
    assert!(printed(&mut fake, set, 0x100).starts_with("{_M_t = "));
}

fn string(fake: &mut Fake) -> TypeId {
    let char = number(fake, "char", 1);
    let long = number(fake, "unsigned long", 8);
    let to_char = pointer(fake, char);
    let data = record(fake, "std::_Alloc_hider", 8, vec![member("_M_p", to_char, 0)], &[]);
    let members = vec![member("_M_dataplus", data, 0), member("_M_string_length", long, 8)];
    record(fake, "std::__cxx11::basic_string<char>", 32, members, &[char])
}

#[test]
fn a_string_of_absurd_length_is_cut() {
    let mut fake = Fake::default();
    let string = string(&mut fake);
    words(&mut fake, 0x100, &[0x1000, u64::MAX, 0, 0]);
    fake.poke(0x1000, b"abc");
    let text = printed(&mut fake, string, 0x100);
    assert_eq!(text, "\"abc\"...<error: Cannot access memory at address 0x1000>");
    words(&mut fake, 0x100, &[u64::MAX - 2, 100]);
    assert!(printed(&mut fake, string, 0x100).contains("<error"));
}

fn hash_set(fake: &mut Fake) -> TypeId {
    let byte = number(fake, "u8", 1);
    let usize_ = number(fake, "usize", 8);
    let to_byte = pointer(fake, byte);
    let control = record(fake, "core::ptr::non_null::NonNull<u8>", 8, vec![member("pointer", to_byte, 0)], &[byte]);
    let pair = record(fake, "(u8, ())", 1, vec![member("__0", byte, 0)], &[]);
    let members = vec![member("bucket_mask", usize_, 0), member("ctrl", control, 8), member("items", usize_, 16)];
    let inner = record(fake, "hashbrown::raw::RawTableInner", 24, members, &[]);
    let table = record(fake, "hashbrown::raw::RawTable<(u8, ())>", 24, vec![member("table", inner, 0)], &[pair]);
    let map = record(fake, "hashbrown::map::HashMap<u8, ()>", 24, vec![member("table", table, 0)], &[]);
    let base = record(fake, "hashbrown::set::HashSet<u8>", 24, vec![member("map", map, 0)], &[]);
    record(fake, "std::collections::hash::set::HashSet<u8>", 24, vec![member("base", base, 0)], &[])
}

#[test]
fn a_hash_table_of_absurd_size_is_shown_raw() {
    let mut fake = Fake::default();
    let set = hash_set(&mut fake);
    fake.poke(0x0ff0, &[9; 16]);
    fake.poke(0x1000, &[0xff, 0xff, 1, 0xff]);
    words(&mut fake, 0x100, &[3, 0x1000, 1]);
    assert_eq!(printed(&mut fake, set, 0x100), "HashSet(size=1) = {9}");
    for absurd in [[u64::MAX, 0x1000, 1], [6, 0x1000, 1], [3, 0x1000, 5], [3, 0x1000, 2], [(1 << 40) - 1, 0x1000, 900]]
    {
        words(&mut fake, 0x100, &absurd);
        let text = printed(&mut fake, set, 0x100);
        assert!(text.starts_with("std::collections::hash::set::HashSet<u8> {base: "), "{absurd:x?}: {text}");
    }
}

#[test]
fn a_method_of_a_corrupt_vector_is_not_answered() {
    let mut fake = Fake::default();
    let vector = vector(&mut fake);
    words(&mut fake, 0x100, &[0x2000, 0x1000, 0x3000]);
    let object = Value::at(vector, 0x100);
    assert_eq!(super::method(&object, "size", None, &mut fake), None);
    words(&mut fake, 0x100, &[0x1000, 0x1008, 0x1008]);
    assert!(matches!(super::method(&object, "at", Some(2), &mut fake), Some(Err(_))));
    assert!(matches!(super::method(&object, "at", Some(1), &mut fake), Some(Ok(_))));
    words(&mut fake, 0x100, &[0, 0, 0]);
    assert!(matches!(super::method(&object, "front", None, &mut fake), Some(Err(_))));
}

#[test]
fn an_iterator_that_points_to_its_own_object_ends() {
    let mut fake = Fake::default();
    // The record comes after the two types that lead to it.
    let node = TypeId(u32::try_from(fake.types.len() + 2).expect("few types"));
    let to_node = pointer(&mut fake, node);
    let iterator = record(&mut fake, "std::_Deque_iterator<Node>", 8, vec![member("_M_cur", to_node, 0)], &[node]);
    let made = record(&mut fake, "std::Node", 8, vec![member("next", iterator, 0)], &[]);
    assert_eq!(made, node);
    words(&mut fake, 0x1000, &[0x1000]);
    let text = printed(&mut fake, made, 0x1000);
    assert!(text.starts_with("{next = {next = {next = {_M_cur = "), "{text}");
}
