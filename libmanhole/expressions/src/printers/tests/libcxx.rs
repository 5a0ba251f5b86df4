//! libc++'s layouts that Debian's version does not have, and corrupt containers of it. Whole ones are compared by the integration tests.

use super::{base, member, number, pointer, printed, record, words};
use crate::print::{self, Options};
use crate::printers::{libcxx, method};
use crate::target::Target;
use crate::testing::Fake;
use crate::types::{Member, MemberLocation, Record, TemplateArgument, Type, TypeId};
use crate::value::{Content, Value};

fn bit_field(name: &str, type_id: TypeId, offset: u64, size: u64) -> Member {
    Member { location: MemberLocation::Bits { offset, size }, ..member(name, type_id, 0) }
}

fn anonymous(type_id: TypeId) -> Member {
    Member { name: None, ..member("", type_id, 0) }
}

/// Records without a name differ by their members only.
fn nameless(fake: &mut Fake, size: u64, members: Vec<Member>) -> TypeId {
    let named = record(fake, "std::nameless", size, members, &[]);
    let Type::Record(described) = (*fake.describe(named)).clone() else { panic!("a record") };
    fake.intern(Type::Record(Record { name: None, ..described }))
}

/// The pair whose empty part takes no room.
fn pair(fake: &mut Fake, first: TypeId, size: u64, second: TypeId) -> TypeId {
    let members = vec![member("__value_", first, 0)];
    let name = format!("std::__1::__compressed_pair_elem<T{}, 0, false>", first.0);
    let element = record(fake, &name, size, members, &[first]);
    let name = format!("std::__1::__compressed_pair<T{}, U{} >", first.0, second.0);
    record(fake, &name, size, vec![base(element)], &[first, second])
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    /// A byte with a flag before, or behind, the characters; the parts in a pair.
    Old { is_alternate: bool },
    /// Bit-fields, and no pair.
    New { is_alternate: bool },
}

fn string(fake: &mut Fake, layout: Layout) -> TypeId {
    let char = number(fake, "char", 1);
    let byte = number(fake, "unsigned char", 1);
    let long = number(fake, "unsigned long", 8);
    let to_char = pointer(fake, char);
    let characters = fake.intern(Type::Array { of: char, count: Some(23), is_vector: false });
    let (Layout::Old { is_alternate } | Layout::New { is_alternate }) = layout;
    let (pointer_at, capacity_at, size_at, characters_at) = if is_alternate { (0, 16, 23, 0) } else { (16, 0, 0, 1) };
    let mut of_long = vec![member("__data_", to_char, pointer_at), member("__size_", long, 8)];
    let mut of_short = vec![member("__data_", characters, characters_at)];
    if matches!(layout, Layout::New { .. }) {
        // The flag is the least significant bit, or the most significant one.
        let (flag, rest) = if is_alternate { ((7, 63), 0) } else { ((0, 0), 1) };
        of_long.push(bit_field("__is_long_", long, capacity_at * 8 + flag.1, 1));
        of_long.push(bit_field("__cap_", long, capacity_at * 8 + rest, 63));
        of_short.push(bit_field("__is_long_", byte, size_at * 8 + flag.0, 1));
        of_short.push(bit_field("__size_", byte, size_at * 8 + rest, 7));
    } else {
        of_long.push(member("__cap_", long, capacity_at));
        of_short.push(member("__size_", byte, size_at));
    }
    let long = record(fake, "std::__1::basic_string<char>::__long", 24, of_long, &[]);
    let short = record(fake, "std::__1::basic_string<char>::__short", 24, of_short, &[]);
    let union = nameless(fake, 24, vec![member("__l", long, 0), member("__s", short, 0)]);
    let both = record(fake, "std::__1::basic_string<char>::__rep", 24, vec![anonymous(union)], &[]);
    let allocator = record(fake, "std::__1::allocator<char>", 1, vec![], &[char]);
    let member = match layout {
        Layout::Old { .. } => member("__r_", pair(fake, both, 24, allocator), 0),
        Layout::New { .. } => member("__rep_", both, 0),
    };
    record(fake, "std::__1::basic_string<char, std::__1::char_traits<char> >", 24, vec![member], &[char])
}

#[test]
fn a_string_is_read_in_every_layout() {
    for layout in [
        Layout::Old { is_alternate: false },
        Layout::Old { is_alternate: true },
        Layout::New { is_alternate: false },
        Layout::New { is_alternate: true },
    ] {
        let mut fake = Fake::default();
        let string = string(&mut fake, layout);
        let (Layout::Old { is_alternate } | Layout::New { is_alternate }) = layout;
        fake.poke(0x1000, &[b'y'; 100]);
        let (mut short, long) = if is_alternate {
            let mut short = [0; 24];
            short[23] = 3;
            (short, [0x1000, 100, 1 << 63 | 112])
        } else {
            let mut short = [0; 24];
            short[0] = 3 << 1;
            (short, [112 | 1, 100, 0x1000])
        };
        let start = usize::from(!is_alternate);
        short[start..start + 3].copy_from_slice(b"abc");
        fake.poke(0x100, &short);
        assert_eq!(printed(&mut fake, string, 0x100), "\"abc\"", "{layout:?}");
        let object = Value::at(string, 0x100);
        let second = method(&object, "operator[]", Some(1), &mut fake).expect("known").expect("there");
        assert_eq!(print::value(&second, None, &Options::default(), &mut fake).expect("a text"), "98 'b'");
        // What a function has given stands nowhere.
        let computed = Value::new(string, short.to_vec());
        let text = print::value(&computed, None, &Options::default(), &mut fake).expect("a text");
        assert_eq!(text, "\"abc\"", "{layout:?}");
        words(&mut fake, 0x100, &long);
        assert_eq!(printed(&mut fake, string, 0x100), "'y' <repeats 100 times>", "{layout:?}");
        // More characters than there is room for.
        short[if is_alternate { 23 } else { 0 }] = 0x7e;
        fake.poke(0x100, &short);
        assert!(printed(&mut fake, string, 0x100).starts_with("{__r"), "{layout:?}");
    }
}

/// The newest version has the members side by side, in a structure without a name.
fn vector(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let to_int = pointer(fake, int);
    let allocator = record(fake, "std::__1::allocator<unsigned int>", 1, vec![], &[int]);
    let both = nameless(fake, 8, vec![member("__cap_", to_int, 0), member("__alloc_", allocator, 0)]);
    let rest = Member { location: MemberLocation::Offset(16), ..anonymous(both) };
    let members = vec![member("__begin_", to_int, 0), member("__end_", to_int, 8), rest];
    record(fake, "std::__1::vector<unsigned int, std::__1::allocator<unsigned int> >", 24, members, &[int])
}

#[test]
fn a_vector_is_read_without_a_pair() {
    let mut fake = Fake::default();
    let vector = vector(&mut fake);
    words(&mut fake, 0x100, &[0x1000, 0x1008, 0x100c]);
    words(&mut fake, 0x1000, &[3 | 4 << 32]);
    assert_eq!(printed(&mut fake, vector, 0x100), "std::vector of length 2, capacity 3 = {3, 4}");
    for ends in [[0x2000, 0x1000, 0x3000], [0x1000, 0x1003, 0x2000], [0x1000, 0x3000, 0x2000]] {
        words(&mut fake, 0x100, &ends);
        assert!(printed(&mut fake, vector, 0x100).starts_with("{__begin_ = "), "{ends:x?}");
        assert_eq!(method(&Value::at(vector, 0x100), "size", None, &mut fake), None);
    }
    words(&mut fake, 0x100, &[0x1000, 0x1000 + (1 << 60), 0x1000 + (1 << 60)]);
    let text = printed(&mut fake, vector, 0x100);
    assert!(text.starts_with("std::vector of length 288230376151711744") && text.contains("<error"), "{text}");
}

#[test]
fn an_empty_array_has_no_elements_though_it_has_room() {
    let mut fake = Fake::default();
    let char = number(&mut fake, "char", 1);
    let long = number(&mut fake, "unsigned long", 8);
    for (count, value) in [(0, 0u8), (4, 4)] {
        let room = fake.intern(Type::Array { of: char, count: Some(4), is_vector: false });
        let name = format!("std::__1::array<char, {count}UL>");
        let array = record(&mut fake, &name, 4, vec![member("__elems_", room, 0)], &[char]);
        let Type::Record(mut described) = (*fake.describe(array)).clone() else { panic!("a record") };
        described.template_arguments.push(TemplateArgument::Value { name: None, type_id: long, value: count });
        let array = fake.intern(Type::Record(described));
        fake.poke(0x100, b"abcd");
        let size = method(&Value::at(array, 0x100), "size", None, &mut fake).expect("known").expect("a size");
        assert_eq!(size.content, Content::Bytes(u64::from(value).to_le_bytes().to_vec()));
        let first = method(&Value::at(array, 0x100), "operator[]", Some(0), &mut fake).expect("known");
        assert_eq!(first.is_ok(), count > 0);
    }
}

fn deque(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let long = number(fake, "unsigned long", 8);
    let to_int = pointer(fake, int);
    let map = pointer(fake, to_int);
    let members = vec![member("__begin_", map, 0), member("__end_", map, 8)];
    let map = record(fake, "std::__1::__split_buffer<unsigned int *>", 16, members, &[to_int]);
    let members = vec![member("__map_", map, 0), member("__start_", long, 16), member("__size_", long, 24)];
    record(fake, "std::__1::deque<unsigned int>", 32, members, &[int])
}

#[test]
fn a_deque_is_read_across_its_blocks() {
    let mut fake = Fake::default();
    let deque = deque(&mut fake);
    // 1024 elements a block, the last one of the first and the first one of the second.
    words(&mut fake, 0x100, &[0x200, 0x210, 1023, 2]);
    words(&mut fake, 0x200, &[0x10000, 0x20000]);
    fake.poke(0x10000 + 4 * 1023, &[7, 0, 0, 0]);
    fake.poke(0x20000, &[8, 0, 0, 0]);
    assert_eq!(printed(&mut fake, deque, 0x100), "std::deque with 2 elements = {7, 8}");
    // More than the blocks hold, and numbers whose sums and products are no numbers.
    for wild in [
        [0x200, 0x208, 1023, 2],
        [0x200, 0x210, 2047, 2],
        [0x200, 0x210, u64::MAX, 2],
        [0, !7, 0, u64::MAX],
        [9, 8, 0, 1],
    ] {
        words(&mut fake, 0x100, &wild);
        let text = printed(&mut fake, deque, 0x100);
        assert!(text.starts_with("{__map_ = "), "{wild:x?}: {text}");
    }
}

fn list(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let long = number(fake, "unsigned long", 8);
    let link = pointer(fake, long);
    let members = vec![member("__prev_", link, 0), member("__next_", link, 8)];
    let node_base = record(fake, "std::__1::__list_node_base<unsigned int, void *>", 16, members, &[int]);
    let union = nameless(fake, 4, vec![member("__value_", int, 0)]);
    let held = Member { location: MemberLocation::Offset(16), ..anonymous(union) };
    let members = vec![base(node_base), held];
    let node = record(fake, "std::__1::__list_node<unsigned int, void *>", 24, members, &[int]);
    let allocator =
        record(fake, "std::__1::allocator<std::__1::__list_node<unsigned int, void *> >", 1, vec![], &[node]);
    let members =
        vec![member("__end_", node_base, 0), member("__size_", long, 16), member("__node_alloc_", allocator, 0)];
    record(fake, "std::__1::list<unsigned int>", 24, members, &[int])
}

#[test]
fn a_list_that_goes_round_ends_with_what_is_shown() {
    let mut fake = Fake::default();
    let list = list(&mut fake);
    words(&mut fake, 0x100, &[0x1000, 0x1000, 1]);
    words(&mut fake, 0x1000, &[0x100, 0x100, 7]);
    assert_eq!(printed(&mut fake, list, 0x100), "std::list = {[0] = 7}");
    words(&mut fake, 0x1000, &[0x1000, 0x1000, 7]);
    let text = printed(&mut fake, list, 0x100);
    assert!(text.ends_with("[199] = 7...}"), "{text}");
    let all = Options { elements: None, ..Options::default() };
    let text = print::value(&Value::at(list, 0x100), None, &all, &mut fake).expect("a text");
    assert!(text.contains("[19999] = 7") && !text.contains("[20000]"));
    words(&mut fake, 0x1000, &[0xdead_0000, 0xdead_0000, 7]);
    assert!(printed(&mut fake, list, 0x100).starts_with("{__end_ = "));
}

fn map(fake: &mut Fake) -> TypeId {
    let int = number(fake, "unsigned int", 4);
    let long = number(fake, "unsigned long", 8);
    let link = pointer(fake, long);
    let end = record(fake, "std::__1::__tree_end_node<void *>", 8, vec![member("__left_", link, 0)], &[]);
    let members = vec![base(end), member("__right_", link, 8), member("__parent_", link, 16)];
    let node_base = record(fake, "std::__1::__tree_node_base<void *>", 32, members, &[]);
    let both = record(
        fake,
        "std::__1::pair<const unsigned int, unsigned int>",
        8,
        vec![member("first", int, 0), member("second", int, 4)],
        &[],
    );
    let value =
        record(fake, "std::__1::__value_type<unsigned int, unsigned int>", 8, vec![member("__cc_", both, 0)], &[]);
    let members = vec![base(node_base), member("__value_", value, 32)];
    let node = record(fake, "std::__1::__tree_node<unsigned int, void *>", 40, members, &[value]);
    let allocator =
        record(fake, "std::__1::allocator<std::__1::__tree_node<unsigned int, void *> >", 1, vec![], &[node]);
    let ends = pair(fake, end, 8, allocator);
    let less = record(fake, "std::__1::less<unsigned int>", 1, vec![], &[int]);
    let size = pair(fake, long, 8, less);
    let members = vec![member("__begin_node_", link, 0), member("__pair1_", ends, 8), member("__pair3_", size, 16)];
    let tree = record(fake, "std::__1::__tree<unsigned int>", 24, members, &[]);
    record(fake, "std::__1::map<unsigned int, unsigned int>", 24, vec![member("__tree_", tree, 0)], &[int, int])
}

#[test]
fn a_tree_whose_links_go_round_ends() {
    let mut fake = Fake::default();
    let map = map(&mut fake);
    // A root and what is to its right; the end is above it.
    words(&mut fake, 0x100, &[0x1000, 0x1000, 2]);
    words(&mut fake, 0x1000, &[0, 0x2000, 0x108, 1, 1 | 2 << 32]);
    words(&mut fake, 0x2000, &[0, 0, 0x1000, 0, 3 | 4 << 32]);
    assert_eq!(printed(&mut fake, map, 0x100), "std::map with 2 elements = {[1] = 2, [3] = 4}");
    // The same with the other one as the root.
    words(&mut fake, 0x100, &[0x1000, 0x2000, 2]);
    words(&mut fake, 0x1000, &[0, 0, 0x2000]);
    words(&mut fake, 0x2000, &[0x1000, 0, 0x108]);
    assert_eq!(printed(&mut fake, map, 0x100), "std::map with 2 elements = {[1] = 2, [3] = 4}");
    words(&mut fake, 0x100, &[0x1000, 0x1000, u64::MAX]);
    // To the right and then to the left for ever; upwards for ever; its own successor.
    for links in [[0x1000, 0x1000, 0x1000], [0x2000, 0, 0x1000], [0, 0x1000, 0]] {
        words(&mut fake, 0x1000, &links);
        let text = printed(&mut fake, map, 0x100);
        assert!(text.len() < 10_000, "{text}");
    }
    // A count and no nodes.
    words(&mut fake, 0x100, &[0, 0, 3]);
    assert!(printed(&mut fake, map, 0x100).starts_with("{__tree_ = "));
    words(&mut fake, 0x100, &[0, 0, 0]);
    assert_eq!(printed(&mut fake, map, 0x100), "std::map with 0 elements");
}

#[test]
fn a_hash_table_that_goes_round_ends_with_what_is_shown() {
    let mut fake = Fake::default();
    let int = number(&mut fake, "unsigned int", 4);
    let long = number(&mut fake, "unsigned long", 8);
    let link = pointer(&mut fake, long);
    let members = vec![member("__next_", link, 0), member("__hash_", long, 8), member("__value_", int, 16)];
    let node = record(&mut fake, "std::__1::__hash_node<unsigned int, void *>", 24, members, &[int]);
    let to_node = pointer(&mut fake, node);
    let members = vec![member("__next_", link, 0)];
    let head = record(
        &mut fake,
        "std::__1::__hash_node_base<std::__1::__hash_node<unsigned int, void *> *>",
        8,
        members,
        &[to_node],
    );
    let members = vec![member("__first_node_", head, 0), member("__size_", long, 8)];
    let table = record(&mut fake, "std::__1::__hash_table<unsigned int>", 16, members, &[]);
    let set =
        record(&mut fake, "std::__1::unordered_set<unsigned int>", 16, vec![member("__table_", table, 0)], &[int]);
    words(&mut fake, 0x100, &[0x1000, 1]);
    words(&mut fake, 0x1000, &[0, 0, 5]);
    assert_eq!(printed(&mut fake, set, 0x100), "std::unordered_set with 1 element = {[0] = 5}");
    words(&mut fake, 0x1000, &[0x1000]);
    assert_eq!(printed(&mut fake, set, 0x100), "std::unordered_set with 1 element = {[0] = 5}");
    words(&mut fake, 0x108, &[1 << 40]);
    assert!(printed(&mut fake, set, 0x100).ends_with("[199] = 5...}"));
    let all = Options { elements: None, ..Options::default() };
    let text = print::value(&Value::at(set, 0x100), None, &all, &mut fake).expect("a text");
    assert!(text.contains("[19999] = 5") && !text.contains("[20000]"));
    words(&mut fake, 0x100, &[0xdead_0000, 1]);
    assert!(printed(&mut fake, set, 0x100).starts_with("{__table_ = "));
}

#[test]
fn a_shared_pointer_whose_counts_are_not_described_has_its_pointer() {
    let mut fake = Fake::default();
    let int = number(&mut fake, "unsigned int", 4);
    let long = number(&mut fake, "unsigned long", 8);
    let to_int = pointer(&mut fake, int);
    let members = vec![member("__shared_owners_", long, 8), member("__shared_weak_owners_", long, 16)];
    let counts = record(&mut fake, "std::__1::__shared_weak_count", 24, members, &[]);
    let Type::Record(described) = (*fake.describe(counts)).clone() else { panic!("a record") };
    let declared = fake.intern(Type::Record(Record { is_declaration: true, members: Vec::new(), ..described }));
    fake.poke(0x2000, &[5, 0, 0, 0]);
    for (counts, state) in [(counts, "use count 3, weak count 1"), (declared, "counts not described")] {
        let control = pointer(&mut fake, counts);
        let members = vec![member("__ptr_", to_int, 0), member("__cntrl_", control, 8)];
        let shared = record(&mut fake, "std::__1::shared_ptr<unsigned int>", 16, members, &[int]);
        words(&mut fake, 0x1000, &[0, 2, 1]);
        words(&mut fake, 0x100, &[0x2000, 0x1000]);
        let text = printed(&mut fake, shared, 0x100);
        assert!(text.starts_with(&format!("std::shared_ptr<unsigned int> ({state}) = {{get() = ")), "{text}");
        let inside = method(&Value::at(shared, 0x100), "operator*", None, &mut fake).expect("known").expect("there");
        assert_eq!(print::value(&inside, None, &Options::default(), &mut fake).expect("a text"), "5");
        words(&mut fake, 0x100, &[0, 0]);
        assert!(printed(&mut fake, shared, 0x100).starts_with("std::shared_ptr<unsigned int> (empty)"));
    }
}

#[test]
fn only_namespaces_of_versions_are_left_out() {
    for (name, plain) in [
        ("std::__1::vector<int, std::__1::allocator<int> >", "std::vector<int, std::allocator<int> >"),
        ("std::__ndk1::string", "std::string"),
        ("std::__1::__fs::filesystem::path", "std::filesystem::path"),
        ("std::__cxx11::basic_string<char>", "std::__cxx11::basic_string<char>"),
        ("std::__debug::vector<int>", "std::__debug::vector<int>"),
        ("std::filesystem::path", "std::filesystem::path"),
        ("std::__", "std::__"),
        ("std::__a<b::c>", "std::__a<b::c>"),
    ] {
        assert_eq!(libcxx::plain(name), plain);
        assert_eq!(libcxx::has(name), plain.len() < name.len(), "{name}");
    }
}

/// clang and g++ put `const` in different places.
#[test]
fn default_arguments_are_left_out_however_they_are_spelled() {
    for pair in ["pair<int *const, int>", "pair<int * const, int>", "pair<const int *, int>", "pair<long, int>"] {
        let mut fake = Fake::default();
        let int = number(&mut fake, "int", 4);
        let to_int = pointer(&mut fake, int);
        let less = record(&mut fake, "std::__1::less<int *>", 1, vec![], &[to_int]);
        let name = format!("std::__1::allocator<std::__1::{pair} >");
        let allocator = record(&mut fake, &name, 1, vec![], &[]);
        let name = format!("std::__1::map<int *, int, std::__1::less<int *>, {name} >");
        let map = record(&mut fake, &name, 8, vec![], &[to_int, int, less, allocator]);
        let engaged = number(&mut fake, "bool", 1);
        let members = vec![member("__val_", map, 0), member("__engaged_", engaged, 8)];
        let optional = record(&mut fake, "std::__1::optional<T>", 16, members, &[map]);
        words(&mut fake, 0x100, &[0, 0]);
        let text = printed(&mut fake, optional, 0x100);
        let is_default = text == "std::optional<std::map<int*, int>> [no contained value]";
        assert_eq!(is_default, pair != "pair<long, int>", "{text}");
        assert!(!text.contains("__1"), "{text}");
    }
}
