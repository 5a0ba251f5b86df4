//! Texts and their trees; texts and their errors.

mod bounds;
mod gdb;

use super::*;
use crate::ast::{Derivation, TypeBase};

/// The types and templates that the tests know.
struct Known;

impl Names for Known {
    fn is_type(&mut self, path: &Path) -> bool {
        matches!(
            path.to_string().as_str(),
            "point_t" | "uint8_t" | "ns::Point" | "Color" | "std::vector<int, std::allocator<int> >" | "Box<3>"
        )
    }

    fn is_known(&mut self, path: &Path) -> bool {
        self.is_type(path)
            || matches!(
                path.to_string().as_str(),
                "largest<int>"
                    | "foo<1, ' '>"
                    | "foo<1, ','>"
                    | "ns::f(int)"
                    | "C::get(const char*) const"
                    | "nothing()"
            )
    }
}

fn read(text: &str) -> Result<String, String> {
    expression(text, &mut Known).map(|tree| say(&tree))
}

/// A tree in one line.
fn say(tree: &Expression) -> String {
    let two = |name: &str, a: &Expression, b: &Expression| format!("({name} {} {})", say(a), say(b));
    match tree {
        Expression::Integer(value, builtin) => format!("{value}:{builtin:?}"),
        Expression::Floating(text, builtin) => format!("{text}:{builtin:?}"),
        Expression::Imaginary(number) => format!("{}i", say(number)),
        Expression::Character(code, builtin) => format!("'{code}':{builtin:?}"),
        Expression::String(bytes, builtin) => format!("{:?}:{builtin:?}", String::from_utf8_lossy(bytes)),
        Expression::Truth(truth) => truth.to_string(),
        Expression::NullPointer => "nullptr".to_owned(),
        Expression::Name(path) => path.to_string(),
        Expression::Dollar(name) => format!("${name}"),
        Expression::HistoryBack(back) => format!("$$#{back}"),
        Expression::HistoryNumber(number) => format!("$#{number}"),
        Expression::Unary(operator, a) => format!("({operator:?} {})", say(a)),
        Expression::Binary(operator, a, b) => two(&format!("{operator:?}"), a, b),
        Expression::Assign(a, b) => two("=", a, b),
        Expression::Modify(operator, a, b) => two(&format!("{operator:?}="), a, b),
        Expression::Comma(a, b) => two(",", a, b),
        Expression::Conditional(a, b, c) => format!("(? {} {} {})", say(a), say(b), say(c)),
        Expression::Cast(kind, name, a) => format!("({kind:?}<{}> {})", say_type(name), say(a)),
        Expression::Index(a, b) => two("[]", a, b),
        Expression::Member { object, name, through_pointer } => {
            format!("({} {} {name})", if *through_pointer { "->" } else { "." }, say(object))
        }
        Expression::ThroughMember { object, pointer, through_pointer } => {
            two(if *through_pointer { "->*" } else { ".*" }, object, pointer)
        }
        Expression::Call { function, arguments } => {
            let arguments: Vec<String> = arguments.iter().map(say).collect();
            format!("(call {} [{}])", say(function), arguments.join(" "))
        }
        Expression::Repeat(a, b) => two("@", a, b),
        Expression::At(name, a) => format!("(at<{}> {})", say_type(name), say(a)),
        Expression::Type(name) => format!("type<{}>", say_type(name)),
        Expression::SizeofType(name) => format!("sizeof<{}>", say_type(name)),
        Expression::SizeofValue(a) => format!("(sizeof {})", say(a)),
        Expression::AlignofType(name) => format!("alignof<{}>", say_type(name)),
        Expression::AlignofValue(a) => format!("(alignof {})", say(a)),
    }
}

fn say_type(name: &TypeName) -> String {
    let mut text = match &name.base {
        TypeBase::Builtin(builtin) => format!("{builtin:?}"),
        TypeBase::Complex(builtin) => format!("complex {builtin:?}"),
        TypeBase::Tagged(tag, path) => format!("{tag:?} {path}"),
        TypeBase::Named(path) => path.to_string(),
        TypeBase::Of(inner) => format!("of {}", say(inner)),
    };
    for derivation in &name.derivations {
        match derivation {
            Derivation::Const => text += " const",
            Derivation::Volatile => text += " volatile",
            Derivation::Pointer => text += " *",
            Derivation::Reference => text += " &",
            Derivation::RvalueReference => text += " &&",
            Derivation::Array(count) => text += &count.map_or(" []".to_owned(), |count| format!(" [{count}]")),
            Derivation::Function { parameters, is_variadic } => {
                let parameters: Vec<String> = parameters.iter().map(say_type).collect();
                text += &format!(" ({}{})", parameters.join(", "), if *is_variadic { ", ..." } else { "" });
            }
        }
    }
    text
}

/// The types of the numbers are those that gdb's whatis shows.
const TREES: &[(&str, &str)] = &[
    ("a.*b", "(.* a b)"),
    ("-a->*b + c", "(Add (Minus (->* a b)) c)"),
    ("(a.*b)(c)", "(call (.* a b) [c])"),
    ("a.*b(c)", "(.* a (call b [c]))"),
    ("a.*b.*c", "(.* a (.* b c))"),
    ("a.*&T::x = 1", "(= (.* a (AddressOf T::x)) 1:Int)"),
    ("a.*b++", "(PostIncrement (.* a b))"),
    ("a.*b++--", "(PostDecrement (PostIncrement (.* a b)))"),
    ("a.*(b++)", "(.* a (PostIncrement b))"),
    ("2i", "2:Inti"),
    ("0x5iu", "5:Unsignedi"),
    ("1.5fi", "1.5:Floati"),
    ("1.5li", "1.5:LongDoublei"),
    ("1i32", "1:Int"),
    ("(_Complex double)x", "(C<complex Double> x)"),
    ("sizeof(unsigned char _Complex)", "sizeof<complex UnsignedChar>"),
    ("1", "1:Int"),
    ("2147483647", "2147483647:Int"),
    ("2147483648", "2147483648:Long"),
    ("0x80000000", "2147483648:Unsigned"),
    ("0xffffffff", "4294967295:Unsigned"),
    ("4294967296", "4294967296:Long"),
    ("0x100000000", "4294967296:Long"),
    ("18446744073709551615", "18446744073709551615:UnsignedLong"),
    ("1u", "1:Unsigned"),
    ("1ul", "1:UnsignedLong"),
    ("1LL", "1:LongLong"),
    ("017", "15:Int"),
    ("0b101", "5:Int"),
    ("1'000'000", "1000000:Int"),
    ("1_000u8", "1000:UnsignedChar"),
    ("0xffu8", "255:UnsignedChar"),
    ("0xb8", "184:Int"),
    ("1.5", "1.5:Double"),
    (".5f", ".5:Float"),
    ("1.f", "1.:Float"),
    ("1e3", "1e3:Double"),
    ("1E-3L", "1E-3:LongDouble"),
    ("0x1p-3", "0x1p-3:Double"),
    ("'A'", "'65':Char"),
    ("'\\n'", "'10':Char"),
    ("'\\377'", "'255':Char"),
    ("L'x'", "'120':WideChar"),
    ("u'\\u20ac'", "'8364':Char16"),
    ("\"a\" \"b\"", "\"ab\":Char"),
    ("\"tab\\t\\x41\\101\"", "\"tab\\tAA\":Char"),
    ("true && nullptr", "(And true nullptr)"),
    ("$ + $$ + $$3 + $5 + $pc", "(Add (Add (Add (Add $$#0 $$#1) $$#3) $#5) $pc)"),
    ("a + b * c", "(Add a (Multiply b c))"),
    ("a - b - c", "(Subtract (Subtract a b) c)"),
    ("a << b + c", "(ShiftLeft a (Add b c))"),
    ("a < b == c > d", "(Equal (Less a b) (Greater c d))"),
    ("a & b == c", "(BitAnd a (Equal b c))"),
    ("a || b && c | d ^ e & f", "(Or a (And b (BitOr c (BitXor d (BitAnd e f)))))"),
    ("a ? b : c ? d : e", "(? a b (? c d e))"),
    ("a = b = c", "(= a (= b c))"),
    ("a += b <<= 1", "(Add= a (ShiftLeft= b 1:Int))"),
    ("a, b, c", "(, (, a b) c)"),
    ("-a++", "(Minus (PostIncrement a))"),
    ("!~*&a", "(Not (Complement (Dereference (AddressOf a))))"),
    ("++a--", "(PreIncrement (PostDecrement a))"),
    ("*p->next->name", "(Dereference (-> (-> p next) name))"),
    ("a.b[1].c(2, 3)(4)", "(call (call (. ([] (. a b) 1:Int) c) [2:Int 3:Int]) [4:Int])"),
    ("*list@len", "(@ (Dereference list) len)"),
    ("a[1]@n + 1", "(@ ([] a 1:Int) (Add n 1:Int))"),
    ("a@2 << 1", "(ShiftLeft (@ a 2:Int) 1:Int)"),
    ("{int} &x", "(at<Int> (AddressOf x))"),
    ("{struct point *} 8", "(at<Struct point *> 8:Int)"),
    ("(int)x", "(C<Int> x)"),
    ("(unsigned long int)-1", "(C<UnsignedLong> (Minus 1:Int))"),
    ("(long long unsigned) x", "(C<UnsignedLongLong> x)"),
    ("(const char *const *)p", "(C<Char const * const *> p)"),
    ("(char const *)p", "(C<Char const *> p)"),
    ("(struct conn *)p->q", "(C<Struct conn *> (-> p q))"),
    ("(int (*)(int, char **))f", "(C<Int (Int, Char * *) *> f)"),
    ("(int (*[3])(void))f", "(C<Int (Void) * [3]> f)"),
    ("(char[4])x", "(C<Char [4]> x)"),
    ("(int (*)[2][3])x", "(C<Int [3] [2] *> x)"),
    ("(point_t)x", "(C<point_t> x)"),
    ("(point_t *)x", "(C<point_t *> x)"),
    ("(x)(y)", "(call x [y])"),
    ("(x) - y", "(Subtract x y)"),
    ("(uint8_t)-y", "(C<uint8_t> (Minus y))"),
    ("((int (*)(int, int))add)(20, 1)", "(call (C<Int (Int, Int) *> add) [20:Int 1:Int])"),
    ("sizeof(int)", "sizeof<Int>"),
    ("sizeof(struct point)", "sizeof<Struct point>"),
    ("sizeof x + 1", "(Add (sizeof x) 1:Int)"),
    ("sizeof (x) + 1", "(Add (sizeof x) 1:Int)"),
    ("sizeof(x)/sizeof(x[0])", "(Divide (sizeof x) (sizeof ([] x 0:Int)))"),
    ("alignof(double)", "alignof<Double>"),
    ("int(3.5)", "(C<Int> 3.5:Double)"),
    ("ns::Point *", "type<ns::Point *>"),
    ("struct point", "type<Struct point>"),
    ("unsigned", "type<Unsigned>"),
    ("int (*)(int)", "type<Int (Int) *>"),
    ("typeof(x) *", "type<of x *>"),
    ("int (const char *, ...)", "type<Int (Char const *, ...)>"),
    ("void * (unsigned long)", "type<Void * (UnsignedLong)>"),
    ("Color::Red", "Color::Red"),
    ("::x", "::x"),
    ("'file.c'::x", "file.c::x"),
    ("f::count", "f::count"),
    ("(anonymous namespace)::hidden", "(anonymous namespace)::hidden"),
    ("'ns::f(int)'(3)", "(call ns::f(int) [3:Int])"),
    ("a.Base::x", "(. a Base::x)"),
    ("t.0.1", "(. (. t 0) 1)"),
    ("(t).0.1", "(. (. t 0) 1)"),
    ("f().0", "(. (call f []) 0)"),
    ("(int).5", "(C<Int> .5:Double)"),
    ("(int).5e1f", "(C<Int> .5e1:Float)"),
    ("x as int * 2", "(Multiply (C<Int> x) 2:Int)"),
    ("-x as *mut *const y as int", "(C<Int> (C<y * *> (Minus x)))"),
    ("crate::module::STATIC", "crate::module::STATIC"),
    ("static_cast<struct b *>(p)->x", "(-> (Static<Struct b *> p) x)"),
    ("largest<int>(3, 4)", "(call largest<int> [3:Int 4:Int])"),
    ("a < b > (c)", "(Greater (Less a b) c)"),
    ("std::vector< int ,std::allocator<int> >::npos", "std::vector<int, std::allocator<int> >::npos"),
    ("a.operator[](1)", "(call (. a operator[]) [1:Int])"),
    ("a and not b", "(And a (Not b))"),
    ("2[a]", "([] 2:Int a)"),
    ("f()", "(call f [])"),
    ("this->x", "(-> this x)"),
    ("$p->x", "(-> $p x)"),
    ("1 ?2:3", "(? 1:Int 2:Int 3:Int)"),
    ("9223372036854775808ll", "9223372036854775808:UnsignedLongLong"),
    ("0x1.8", "0x1.8:Double"),
    ("0x1.8f", "0x1.8:Float"),
    ("1f32 + 2.5f64", "(Add 1:Float 2.5:Double)"),
    ("b'x'", "'120':UnsignedChar"),
    ("'\\u{e9}'", "'233':Char32"),
    ("'é'", "'233':Char32"),
    ("'\\u0041'", "'65':Char"),
    ("'\\u{41}'", "'65':Char"),
    ("\"\\x00000041\"", "\"A\":Char"),
    ("L\"a\" \"b\"", "\"a\\0\\0\\0b\\0\\0\\0\":WideChar"),
    ("\"a\" u\"\\x62\" \"c\"", "\"a\\0b\\0c\\0\":Char16"),
    ("u8\"a\" \"b\"", "\"ab\":Char"),
    ("a$b", "a$b"),
    ("$a$b + $$name", "(Add $a$b $$name)"),
    ("and", "and"),
    ("ops.xor(or) and not", "(And (call (. ops xor) [or]) not)"),
    ("p->not = not p", "(= (-> p not) (Not p))"),
    ("bitand a bitand b", "(BitAnd (AddressOf a) b)"),
    ("(int (*const)(int))f", "(C<Int (Int) * const> f)"),
    ("int (*const *)(void)", "type<Int (Void) * const *>"),
    ("int (*(*)(int))(char)", "type<Int (Char) * (Int) *>"),
    ("char *(*(*)(int))(char)", "type<Char * (Char) * (Int) *>"),
    ("int(**pp)", "(C<Int> (Dereference (Dereference pp)))"),
    ("int(*&x)", "(C<Int> (Dereference (AddressOf x)))"),
    ("int(*(p))", "(C<Int> (Dereference p))"),
    ("sizeof(int(3.5))", "(sizeof (C<Int> 3.5:Double))"),
    ("sizeof(pt).x", "(sizeof (. pt x))"),
    ("-sizeof x", "(Minus (sizeof x))"),
    ("{int[2]}arr", "(at<Int [2]> arr)"),
    ("arr[0]@2@3", "(@ (@ ([] arr 0:Int) 2:Int) 3:Int)"),
    ("x---y", "(Subtract (PostDecrement x) y)"),
    ("1 ? x : y = 3", "(= (? 1:Int x y) 3:Int)"),
    ("ns::f(int)", "ns::f(int)"),
    ("ns::f( int )(3)", "(call ns::f(int) [3:Int])"),
    ("ns::f(int)::inner + 1", "(Add ns::f(int)::inner 1:Int)"),
    ("ns::g(int)", "(call ns::g [type<Int>])"),
    ("C::get(const char *) const", "C::get(const char*) const"),
    ("nothing(void)", "nothing()"),
    ("foo<1, ' '>(3)", "(call foo<1, ' '> [3:Int])"),
    ("foo<1,','>(3)", "(call foo<1, ','> [3:Int])"),
    ("operator new[]", "operator new[]"),
    ("a.operator unsigned long()", "(call (. a operator unsigned long) [])"),
    ("a.operator char *()", "(call (. a operator char*) [])"),
    ("a.operator ns::Point const&()", "(call (. a operator ns::Point const&) [])"),
    ("a.operator()(3)", "(call (. a operator()) [3:Int])"),
    ("a.operator->()", "(call (. a operator->) [])"),
    ("operator\"\"_x", "operator\"\" _x"),
    ("a.~b", "(. a ~b)"),
    ("Color(1)", "(C<Color> 1:Int)"),
];

#[test]
fn trees() {
    for (text, tree) in TREES {
        assert_eq!(read(text).as_deref(), Ok(*tree), "{text}");
    }
}

#[test]
fn errors_name_what_is_wrong() {
    for (text, part) in [
        ("", "missing"),
        ("1 +", "ends"),
        ("(1", "a ) is missing"),
        ("a[", "ends"),
        ("a[1", "a ] is missing"),
        ("f(1, ", "ends"),
        ("a.", "member"),
        ("a->", "member"),
        ("1 2", "\"2\""),
        ("a b", "\"b\""),
        (")", "value"),
        ("1)", "closes"),
        ("(nosuch)x", "nosuch"),
        ("(nosuch)1", "no type"),
        ("0x", "digits"),
        ("0xg", "digits"),
        ("09", "digit"),
        ("1.5.5", "\".5\""),
        ("1e", "number"),
        ("5q", "suffix"),
        ("99999999999999999999", "64 bits"),
        ("'", "quote"),
        ("''", "between"),
        ("\"abc", "quote"),
        ("\"\\x\"", "hexadecimal"),
        ("1 ? 2", ":"),
        ("#", "means nothing"),
        ("\u{7}", "\\u{7}"),
        ("{int x", "}"),
        ("sizeof", "ends"),
        ("a @", "ends"),
        ("static_cast<int>x", "("),
        ("struct", "name"),
        ("0b2", "a digit is too large"),
        ("1 * ) + 2", "before \") + 2\""),
        ("1 + * )", "before \")\""),
        ("(nosuch *)p", "\"nosuch\" is no type that is known"),
        ("(ns::nosuch)1", "\"ns::nosuch\" is no type that is known"),
        ("sizeof(nosuch **)", "\"nosuch\" is no type that is known"),
        ("nosuch *", "\"nosuch\" is no type that is known"),
        ("(Nosuch<int, 3> *)p", "Nosuch<int, 3>"),
        ("std::nosuch<int, ns::Point>", "\"std::nosuch<int, ns::Point>\" is no template that is known"),
        ("unsigned unsigned", "make no type"),
        ("(unsigned double)1", "\"unsigned double\" make no type"),
        ("(long long long)1", "\"long long long\" make no type"),
        ("short long", "make no type"),
        ("int char", "\"int char\" make no type"),
        ("(signed unsigned)1", "make no type"),
        ("struct point int", "\"int\" stands behind"),
        ("L\"a\" u\"b\"", "two wide kinds"),
        ("u'\\U0001f600'", "too large"),
        ("'\\ud800'", "no character"),
        ("'\\xfff'", "too large"),
        ("L'ab'", "one character"),
        ("\"\\u{110000}\"", "no character"),
        ("operator)", "operator's sign"),
        ("operator", "the end"),
        ("sizeof(int", "a ) is missing at the end"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
        assert!(error.len() < 200 && !error.contains(char::is_control), "{text}: {error}");
    }
}
