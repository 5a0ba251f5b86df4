//! C: numbers, pointers, casts, members, calls, assignment, the prompt's variables.

use super::reader::read;
use super::world::{World, member, record};
use crate::access::integer_bytes;
use crate::ast::{Builtin, Expression, Tag, Unary};
use crate::evaluate::{DEPTH, evaluate};
use crate::target::{Found, Target};
use crate::types::{Function, Language, MemberLocation, Type};
use crate::value::{Missing, Value};

/// Without the name, which the printer gives.
const SUBSCRIPT: &str = "cannot subscript something of type `int'";

/// The variables of a C program.
pub(super) fn world() -> World {
    let mut world = World::new(Language::C);
    let numbers: [(&str, Builtin, i128); 13] = [
        ("c", Builtin::Char, 120),
        ("uc", Builtin::UnsignedChar, 200),
        ("sh", Builtin::Short, -5),
        ("us", Builtin::UnsignedShort, 65535),
        ("i", Builtin::Int, 42),
        ("u", Builtin::Unsigned, 4_000_000_000),
        ("l", Builtin::Long, -1),
        ("ul", Builtin::UnsignedLong, -1),
        ("bo", Builtin::Bool, 1),
        ("big", Builtin::Int128, 1),
        ("f", Builtin::Float, i128::from(1.5f32.to_bits())),
        ("d", Builtin::Double, i128::from(2.5f64.to_bits())),
        ("len", Builtin::Int, 3),
    ];
    for (address, (name, builtin, value)) in (0x1000u64..).step_by(0x10).zip(numbers) {
        let type_id = world.builtin(builtin);
        let size = builtin.base().unwrap().size;
        world.variable(name, type_id, address, &integer_bytes(value, size));
    }
    let int = world.int();
    let char_type = world.builtin(Builtin::Char);
    let int_pointer = world.pointer(int);
    let char_pointer = world.pointer(char_type);
    let void = world.builtin(Builtin::Void);
    let void_pointer = world.pointer(void);
    let row = world.array(int, 3);
    for (name, type_id, address, ints) in [
        ("ga", world.array(int, 5), 0x2000, vec![1, 2, 3, 4, 5, 0, 0, 0]),
        ("g2", world.array(row, 2), 0x2100, vec![1, 2, 3, 4, 5, 6]),
    ] {
        let bytes: Vec<u8> = ints.iter().flat_map(|int: &i32| int.to_le_bytes()).collect();
        world.variable(name, type_id, address, &bytes);
    }
    let text = world.array(char_type, 12);
    world.variable("str", text, 0x2200, b"hello world\0");
    world.variable("ip", int_pointer, 0x2300, &0x1040u64.to_le_bytes());
    world.variable("vp", void_pointer, 0x2308, &0x1040u64.to_le_bytes());
    world.variable("np", int_pointer, 0x2310, &[0; 8]);
    world.enumeration("color", 4, &[("RED", 0), ("GREEN", 1), ("BLUE", 5)]);
    let flags = world.enumeration("flags", 4, &[("A", 1), ("B", 2), ("C", 4), ("D", 8)]);
    world.variable("fl", flags, 0x2318, &[5, 0, 0, 0]);
    let mine = world.fake.intern(Type::Typedef { name: "myint".to_owned(), to: int });
    world.name_type(None, "myint", mine);
    let constant = world.fake.intern(Type::Const(int));
    world.variable("ci", constant, 0x2320, &9i32.to_le_bytes());

    let inner = record("inner", 8, Language::C, vec![member("x", int, 0), member("y", int, 4)]);
    let inner = world.fake.intern(Type::Record(inner));
    world.name_type(Some(Tag::Struct), "inner", inner);
    let float = world.builtin(Builtin::Float);
    let unsigned = world.builtin(Builtin::Unsigned);
    let union = record("", 4, Language::C, vec![member("u1", int, 0), member("u2", float, 0)]);
    let union = world.fake.intern(Type::Record(union));
    let own = world.reserve();
    let next = world.pointer(own);
    let mut f1 = member("f1", unsigned, 0);
    f1.location = MemberLocation::Bits { offset: 40, size: 3 };
    let mut f2 = member("f2", int, 0);
    f2.location = MemberLocation::Bits { offset: 43, size: 5 };
    let name = world.array(char_type, 8);
    let members = vec![
        member("a", int, 0),
        member("b", char_type, 4),
        f1,
        f2,
        member("", union, 8),
        member("in", inner, 12),
        member("name", name, 20),
        member("next", next, 32),
    ];
    world.fill(own, Type::Record(record("s", 40, Language::C, members)));
    world.name_type(Some(Tag::Struct), "s", own);
    let mut bytes = vec![1, 0, 0, 0, b'b', 5 | (29 << 3), 0, 0, 7, 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0];
    bytes.extend(b"hello\0\0\0\0\0\0\0");
    bytes.extend([0; 8]);
    world.variable("gs", own, 0x3000, &bytes);
    world.variable("gs2", own, 0x3040, &[0; 40]);
    world.variable("ps", next, 0x3080, &0x3000u64.to_le_bytes());

    let add = world.function(int, &[int, int]);
    world.code("add", add, 0x4000);
    let slen = world.function(int, &[char_pointer]);
    world.code("slen", slen, 0x4010);
    let mk = world.function(inner, &[int]);
    world.code("mk", mk, 0x4020);
    let fp = world.pointer(add);
    world.variable("fp", fp, 0x3090, &0x4000u64.to_le_bytes());
    let double = world.builtin(Builtin::Double);
    let dadd = world.function(double, &[double, float]);
    world.code("dadd", dadd, 0x4030);
    let printf = world.fake.intern(Type::Function(Function {
        returns: int,
        parameters: vec![char_pointer],
        is_variadic: true,
        is_prototyped: true,
        is_of_rust: false,
    }));
    world.code("printf", printf, 0x4040);
    for (name, address, is_function) in [("nodebug", 0x1040, false), ("sqrt", 0x4050, true)] {
        let found = Found::Symbol { name: name.to_owned(), address, size: 4, is_function, type_id: None };
        world.fake.names.insert(name.to_owned(), found);
    }
    let rsp = world.pointer(void);
    world.fake.registers.insert("rsp".to_owned(), Value::new(rsp, 0x2000u64.to_le_bytes().to_vec()));
    world
}

#[test]
fn arithmetic_has_gdbs_types() {
    world().expect_types(&[
        ("1+1L", "long"),
        ("c+c", "int"),
        ("'a'", "char"),
        ("'a'+'b'", "int"),
        ("-c", "int"),
        ("~c", "int"),
        ("!c", "int"),
        ("1==1", "int"),
        ("uc<<1", "int"),
        ("1<<1L", "int"),
        ("1L<<1", "long"),
        ("u+l", "long"),
        ("u+1", "unsigned int"),
        ("ul+l", "unsigned long"),
        ("us+us", "int"),
        ("f+f", "float"),
        ("f+1", "float"),
        ("f+d", "double"),
        ("bo|bo", "bool"),
        ("-bo", "int"),
        ("-f", "float"),
        ("RED+1", "unsigned int"),
        ("fl|fl", "unsigned int"),
        ("~fl", "flags"),
        ("-fl", "flags"),
        ("1?2:3.0", "int"),
        ("ip==0", "int"),
        ("ip-ip", "long"),
        ("&ga", "int[5]*"),
        ("ga+1", "int*"),
        ("&ga+1", "int[5]*"),
        ("g2[1]", "int[3]"),
        ("&add", "int()*"),
        ("*fp", "int()"),
        ("ci+1", "int"),
        ("gs.f1", "unsigned int"),
        ("i@2", "int[2]"),
        ("\"abc\"", "char[4]"),
        ("*5", "int"),
        ("sizeof(int)", "int"),
        ("(myint)1", "myint"),
        ("add(1,2)", "int"),
        ("i++", "int"),
        ("i=5.5", "int"),
        ("*np", "int"),
        ("ps->next->next->a", "int"),
        ("nodebug", "<data variable, no debug info>"),
        ("&nodebug", "<data variable, no debug info>*"),
        ("sqrt", "<text variable, no debug info>"),
        ("(double)sqrt(2.0)", "double"),
        ("1/0", "int"),
        ("$nope", "void"),
    ]);
}

#[test]
fn numbers() {
    world().expect(&[
        ("1/0", "Division by zero"),
        ("1%0", "Division by zero"),
        ("1.0/0", "double inf"),
        ("1.5%2", "Integer-only operation on floating point number."),
        ("1<<33", "int 0"),
        ("1L<<63", "long -9223372036854775808"),
        ("-1>>1", "int -1"),
        ("-1>>40", "int -1"),
        ("1<<-1", "int 0"),
        ("2147483647+1", "int -2147483648"),
        ("4294967295u+1", "unsigned int 0"),
        ("-5/2", "int -2"),
        ("-5%3", "int -2"),
        ("5u-6u", "unsigned int 4294967295"),
        ("-5u/2", "unsigned int 2147483645"),
        ("(-2147483647-1)/-1", "int -2147483648"),
        ("c*2", "int 240"),
        ("7/2.0", "double 3.5"),
        ("1.0f/3", "float 0.3333333432674408"),
        ("u > -1", "int 0"),
        ("us<<16", "int -65536"),
        ("1 ? 2 : 3", "int 2"),
        ("0 && 1/0", "int 0"),
        ("1 || 1/0", "int 1"),
        ("!5.5", "int 0"),
        ("1.5&&0", "int 0"),
        ("5.5==5.5", "int 1"),
        ("1==1.0", "int 1"),
        ("~1.5", "Argument to complement operation not an integer, boolean."),
        ("fl|D", "unsigned int 13"),
        ("fl&A", "unsigned int 1"),
        ("big<<100", "__int128 1267650600228229401496703205376"),
        ("1,2", "int 2"),
        ("$nope+1", "Argument to arithmetic operation not a number or boolean."),
        ("$nope==0", "Invalid type combination in equality test."),
        ("!$nope", "int 1"),
    ]);
}

#[test]
fn pointers_and_arrays() {
    world().expect(&[
        ("ip+1", "int* 0x1044"),
        ("1+ip", "int* 0x1044"),
        ("1-ip", "Argument to arithmetic operation not a number or boolean."),
        ("ip+ip", "Argument to arithmetic operation not a number or boolean."),
        ("ip|1", "Argument to arithmetic operation not a number or boolean."),
        ("-ip", "Argument to negate operation not a number."),
        ("&ga[3]-&ga[0]", "long 3"),
        ("&ga[0]-&ga[3]", "long -3"),
        (
            "&ga[3]-&ul",
            "First argument of `-' is a pointer and second argument is neither\nan integer nor a pointer of the same type.",
        ),
        ("vp+1", "void* 0x1041"),
        ("!ip", "int 0"),
        ("!np", "int 1"),
        ("ip==&i", "int 1"),
        ("ip==vp", "int 1"),
        ("ip<5", "int 0"),
        ("ip==1.5", "Invalid type combination in equality test."),
        ("str==0", "int 0"),
        ("add==&add", "int 1"),
        ("fp==add", "int 1"),
        ("*ga", "int 1"),
        ("*(ga+1)", "int 2"),
        ("ga[2]", "int 3"),
        ("2[ga]", SUBSCRIPT),
        ("ip[0]", "int 42"),
        ("ga[-1]", "Cannot access memory at address 0x1ffc"),
        ("ga[5]", "int 0"),
        ("g2[1][2]", "int 6"),
        ("**g2", "int 1"),
        ("*str@5", "char[5] [104, 101, 108, 108, 111]"),
        ("ga[1]@3", "int[3] [2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]"),
        ("*ga@len", "int[3] [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]"),
        ("5@2", "Only values in memory can be extended with '@'."),
        ("&ga[1]@2", "Only values in memory can be extended with '@'."),
        ("*ip@0", "Invalid number 0 of repetitions."),
        ("*ip@-1", "Invalid number -1 of repetitions."),
        ("i@1.5", "Non-integral right operand for \"@\" operator."),
        ("*5", "Cannot access memory at address 0x5"),
        ("*0x1040", "int 42"),
        ("*vp", "Attempt to dereference a generic pointer."),
        ("vp[0]", "Attempt to dereference a generic pointer."),
        ("*1.5", "Attempt to take contents of a non-pointer value."),
        ("{int}ip", "int 42"),
        ("{char}0x2200", "char 104"),
        ("{void}ga", "Attempt to dereference a generic pointer."),
        ("&5", "Attempt to take address of value not located in memory."),
        ("&(i+1)", "Attempt to take address of value not located in memory."),
        ("& &i", "Attempt to take address of value not located in memory."),
        ("&$rsp", "Attempt to take address of value not located in memory."),
        ("&RED", "Can't take address of \"RED\" which isn't an lvalue."),
        ("&*np", "int* 0x0"),
        ("&add", "int()* 0x4000"),
        ("add+1", "int()* 0x4001"),
        ("\"abc\"[1]", "char 98"),
        ("*\"abc\"", "char 97"),
        ("\"abc\"", "char[4] [97, 98, 99, 0]"),
        ("&\"abc\"", "char[4]* 0x70000010"),
        ("nosuch", "No symbol \"nosuch\" in current context."),
    ]);
}

#[test]
fn casts() {
    world().expect(&[
        ("(char)300", "char 44"),
        ("(uchar)-1", "unsigned char 255"),
        ("(char)65.7", "char 65"),
        ("(int)-3.9", "int -3"),
        ("(unsigned)-1.5", "unsigned int 4294967295"),
        ("(bool)5", "_Bool 1"),
        ("(bool)0.5", "_Bool 0"),
        ("sizeof(*vp)", "int 1"),
        ("(enum color)5", "color 5"),
        ("(int*)-1", "int* 0xffffffffffffffff"),
        ("(int*)(char)-1", "int* 0xffffffffffffffff"),
        ("(long)ip==(long)&i", "int 1"),
        ("(char)ip", "char 64"),
        ("(int)gs", "int 1"),
        ("(struct inner)gs", "inner [1, 0, 0, 0, 98, 237, 0, 0]"),
        ("(struct inner)5", "Invalid cast."),
        ("(char[4])i", "char[4] [42, 0, 0, 0]"),
        ("(short[2])i", "short[2] [42, 0, 0, 0]"),
        ("(char[])i", "char[4] [42, 0, 0, 0]"),
        // gdb refuses what is no cast at all.
        ("sizeof((int[5])ga)", "int 20"),
        ("(int[7])ga", "Invalid cast."),
        ("(int)ga", "int 8192"),
        ("(long)add", "long 16384"),
        ("(int)f", "int 1"),
        ("(float)i", "float 42"),
        ("(int)big", "int 1"),
        ("(void)i", "void"),
        ("(int)$nope", "Invalid cast."),
        ("(short)i@2", "Only values in memory can be extended with '@'."),
        ("sizeof(struct s)", "int 40"),
        ("sizeof gs.in", "int 8"),
        ("sizeof(ga)", "int 20"),
        ("sizeof(ga[100])", "int 4"),
        ("sizeof(void)", "int 1"),
        ("sizeof(add(1,2))", "int 4"),
        ("sizeof(i++)", "int 4"),
        ("i", "int 42"),
        ("sizeof(\"abc\")", "int 4"),
        ("_Alignof(struct s)", "int 8"),
        ("(struct nope)i", "No struct type named nope."),
    ]);
}

#[test]
fn members() {
    world().expect(&[
        ("gs.a", "int 1"),
        ("ps->a", "int 1"),
        ("ps.a", "int 1"),
        ("gs->a", "int 1"),
        ("gs.u1", "int 7"),
        ("gs.in.y", "int 20"),
        ("gs.f1", "unsigned int 5"),
        ("gs.f2", "int -3"),
        ("gs.f2*2", "int -6"),
        ("&gs.in.y", "int* 0x3010"),
        ("&gs.f1", "unsigned int* 0x3004"),
        ("&((struct s*)0)->in", "inner* 0xc"),
        ("gs.nope", "There is no member named nope."),
        ("i.x", "Attempt to extract a component of a value that is not a structure."),
        ("ip->x", "Attempt to extract a component of a value that is not a structure pointer."),
        ("vp->x", "Attempt to dereference a generic pointer."),
        ("ps->next->a", "Cannot access memory at address 0x0"),
        ("gs.name[1]", "char 101"),
        ("*gs.name@3", "char[3] [104, 101, 108]"),
        ("gs==gs", "Structure has no component named operator==."),
        ("gs+1", "Structure has no component named operator+."),
        ("!gs", "Structure has no component named operator!."),
        ("gs&&1", "Structure has no component named operator&&."),
        ("gs[0]", "Structure has no component named operator[]."),
        ("*gs", "Structure has no component named operator*."),
    ]);
}

#[test]
fn assignment() {
    world().expect(&[
        ("i=7.9", "int 7"),
        ("i+=3", "int 10"),
        ("i*=2", "int 20"),
        ("i/=0", "Division by zero"),
        ("i<<=1", "int 40"),
        ("++i", "int 41"),
        ("i++", "int 41"),
        ("i--", "int 42"),
        ("i", "int 41"),
        ("f=1", "float 1"),
        ("f+=0.25", "float 1.25"),
        ("d++", "double 2.5"),
        ("d", "double 3.5"),
        ("c+=300", "char -92"),
        ("bo=5", "bool 1"),
        ("gs.f1=9", "unsigned int 1"),
        ("gs.f1=2", "unsigned int 2"),
        ("gs.f1++", "unsigned int 2"),
        ("gs.f1", "unsigned int 3"),
        ("gs.f2=-7", "int -7"),
        ("gs.f2=100", "int 4"),
        ("gs.f1", "unsigned int 3"),
        ("gs.b", "char 98"),
        ("5=6", "Left operand of assignment is not an lvalue."),
        ("i+1=6", "Left operand of assignment is not an lvalue."),
        ("RED=5", "Left operand of assignment is not an lvalue."),
        ("ip=&ga[1]", "int* 0x2004"),
        ("ip++", "int* 0x2004"),
        ("*ip", "int 3"),
        ("ip+=2", "int* 0x2010"),
        ("ip=ga", "int* 0x2000"),
        ("ip=5", "int* 0x5"),
        ("ga=5", "Invalid cast."),
        ("g2[0]=g2[1]", "int[3] [4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]"),
        ("str=\"abc\"", "char[12] [97, 98, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0]"),
        ("gs2=gs,gs2.in.y", "int 20"),
        ("gs2=5", "Invalid cast."),
        ("ci=10", "const int 10"),
        ("add=5", "Invalid cast."),
        ("fl=3", "flags 3"),
        ("$rsp=1", "$rsp cannot be written: the registers of a frame are a copy"),
        ("*(int*)0x99=1", "Cannot access memory at address 0x99"),
        ("nodebug=5", "'nodebug' has unknown type; cast it to its declared type"),
    ]);
}

#[test]
fn types_are_found_without_writing() {
    let mut world = world();
    let before = world.fake.memory.clone();
    for text in
        ["i=1", "i++", "gs2=gs", "$x=1", "$x+=1", "add(1,2)", "slen(\"abc\")", "gs.f1=2", "*np=1", "sizeof(i=9)"]
    {
        world.whatis(text);
    }
    assert_eq!(world.shown("sizeof(i=9)"), "int 4");
    assert_eq!(world.fake.memory, before);
    assert!(world.fake.calls.is_empty());
    assert!(world.variables.convenience.is_empty());
}

#[test]
fn convenience_variables_and_history() {
    let mut world = world();
    world.expect(&[
        ("$", "The history is empty."),
        ("$1", "History has not yet reached $1."),
        ("$$3", "History does not go back to $$3."),
        ("$x", "void"),
        ("$x=3", "int 3"),
        ("$x+1", "int 4"),
        ("$x=2.5", "double 2.5"),
        ("$x++", "double 2.5"),
        ("++$x", "double 4.5"),
        ("$x+=1", "double 5.5"),
        ("$p=&gs,$p->a", "int 1"),
        ("$y=gs,$y.a", "int 1"),
        ("$y.a=99", "int 99"),
        ("$y.in.y=5", "int 5"),
        ("$y.in", "inner [10, 0, 0, 0, 5, 0, 0, 0]"),
        ("gs.a", "int 1"),
        ("&$y.in", "Attempt to take address of value not located in memory."),
        ("$z=ga", "int* 0x2000"),
        ("$z[1]", "int 2"),
        ("$z@2", "Only values in memory can be extended with '@'."),
        ("$s=\"abc\"", "char[4] [97, 98, 99, 0]"),
        ("sizeof($s)", "int 4"),
        ("$nope2++", "Not a numeric type."),
        ("$nope.x", "Attempt to extract a component of a value that is not a structure."),
        ("$f=add", "int()* 0x4000"),
        ("$rsp", "void* 0x2000"),
    ]);
    for text in ["5", "gs.in"] {
        let value = world.answer(text).unwrap();
        world.variables.record(&value, &mut world.fake).unwrap();
    }
    world.expect(&[
        ("gs.in.x=77", "int 77"),
        ("$.x", "int 10"),
        ("$$", "int 5"),
        ("$1", "int 5"),
        ("$2.y", "int 20"),
        ("&$2.y", "int* 0x3010"),
        ("$3", "History has not yet reached $3."),
    ]);
}

#[test]
fn calls() {
    let mut world = world();
    let int = world.int();
    let mut call = |text: &str, wanted: &[&[u8]]| {
        world.fake.calls.clear();
        world.fake.answers = vec![Value::new(int, vec![7, 0, 0, 0])];
        let shown = world.shown(text);
        assert_eq!(shown, "int 7", "{text}");
        let given: Vec<Vec<u8>> = wanted.iter().map(|bytes| bytes.to_vec()).collect();
        assert_eq!(world.fake.calls.last().map(|call| &call.1), Some(&given), "{text}");
    };
    let three = 3i32.to_le_bytes();
    let one = 1i32.to_le_bytes();
    call("add(1,3)", &[&one, &three]);
    call("add(1.9,3)", &[&one, &three]);
    call("fp(1,3)", &[&one, &three]);
    call("(*fp)(1,3)", &[&one, &three]);
    call("(&add)(1,3L)", &[&one, &three]);
    call("add(1,3,1)", &[&one, &three, &one]);
    call("slen(str)", &[&0x2200u64.to_le_bytes()]);
    call("slen(\"abc\")", &[&0x7000_0000u64.to_le_bytes()]);
    call("printf(\"%d\",'\u{1}',f)", &[&0x7000_0010u64.to_le_bytes(), &one, &1.5f64.to_le_bytes()]);
    call("(int)sqrt(2.0,'\u{1}')", &[&2f64.to_le_bytes(), &one]);
    call("((int(*)(int))sqrt)(3.5)", &[&three]);
    let mut stored = [0; 4];
    world.fake.read(0x7000_0000, &mut stored).unwrap();
    assert_eq!(&stored, b"abc\0");
    world.fake.answers.clear();
    world.expect(&[
        ("add(1)", "Too few arguments in function call."),
        ("add(1,2)", "suspended"),
        ("sqrt(2.0)", "'sqrt' has unknown return type; cast the call to its declared return type"),
        ("5(3)", "'at 0x5' has unknown return type; cast the call to its declared return type"),
        ("gs(3)", "Invalid data type for function to be called."),
        ("nosuch(1)", "No symbol \"nosuch\" in current context."),
        ("add(nosuch,1)", "No symbol \"nosuch\" in current context."),
    ]);
}

#[test]
fn a_struct_that_was_returned_has_members_but_no_address() {
    let mut world = world();
    let inner = world.fake.named_types[&(Some(Tag::Struct), "inner".to_owned())];
    world.fake.answers = vec![Value::new(inner, vec![3, 0, 0, 0, 4, 0, 0, 0]); 2];
    world.expect(&[("mk(3).y", "int 4"), ("&mk(3).y", "Attempt to take address of value not located in memory.")]);
}

#[test]
fn symbols_without_types() {
    world().expect(&[
        ("nodebug", "'nodebug' has unknown type; cast it to its declared type"),
        ("nodebug+1", "'nodebug' has unknown type; cast it to its declared type"),
        ("sizeof(nodebug)", "'nodebug' has unknown type; cast it to its declared type"),
        ("(int)nodebug", "int 42"),
        ("(char)nodebug", "char 42"),
        ("*(int*)&nodebug", "int 42"),
        ("sqrt==sqrt", "int 1"),
        ("(long)sqrt", "long 16464"),
        ("sizeof(sqrt)", "int 1"),
    ]);
}

#[test]
fn what_is_missing_is_an_error_only_when_it_is_used() {
    let mut world = world();
    let int = world.int();
    for (name, missing) in [("gone", Missing::OptimizedOut), ("uncaptured", Missing::NotCaptured)] {
        world.fake.names.insert(name.to_owned(), Found::Variable(Value::missing(int, missing)));
    }
    assert!(world.answer("gone").is_ok());
    world.expect(&[
        ("gone+1", "value has been optimized out"),
        ("uncaptured+1", "value was not captured"),
        ("gone=1", "gone cannot be written: it is not in memory, and the registers are a copy"),
        ("sizeof(gone+1)", "int 4"),
    ]);
    let candidates = vec!["'a.c'::twice".to_owned(), "'b.c'::twice".to_owned()];
    world.fake.names.insert("twice".to_owned(), Found::Ambiguous(candidates));
    world.expect(&[("twice", "\"twice\" is ambiguous; say which:\n  'a.c'::twice\n  'b.c'::twice")]);
}

#[test]
fn deep_trees_end_on_a_small_stack() {
    // Less than the 256 KiB that the agent has: the evaluation is not alone on its stack.
    let small = std::thread::Builder::new().stack_size(176 * 1024);
    let thread = small.spawn(|| {
        for depth in [DEPTH - 1, DEPTH * 2] {
            let mut world = world();
            let mut deep = read("i", &[]);
            let mut wide = read("i", &[]);
            let mut indexed = read("ga", &[]);
            let mut called = read("1", &[]);
            let mut cast = read("i", &[]);
            let mut stepped = read("i", &[]);
            let Expression::Cast(kind, char_type, _) = read("(char)1", &[]) else { panic!("no cast") };
            let boxed = |text: &str| Box::new(read(text, &[]));
            for _ in 0..depth {
                deep = Expression::Unary(Unary::Minus, Box::new(deep));
                wide = Expression::Binary(crate::ast::Binary::Add, Box::new(wide), boxed("1"));
                indexed = Expression::Index(boxed("ga"), Box::new(indexed));
                called = Expression::Call { function: boxed("add"), arguments: vec![called, read("1", &[])] };
                cast = Expression::Cast(kind, char_type.clone(), Box::new(cast));
                stepped = Expression::Assign(boxed("gs2.a"), Box::new(stepped));
            }
            for tree in [deep, wide, indexed, called, cast, stepped] {
                let answer = evaluate(&tree, &mut world.variables, &mut world.fake);
                assert!(depth < DEPTH || answer.is_err());
            }
        }
    });
    assert!(thread.unwrap().join().is_ok());
}
