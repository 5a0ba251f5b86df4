//! The tree of an expression.
//!
//! Pure data; what a name means is found out when it is evaluated.

/// A name with its scopes: `x`, `ns::obj`, `'file.c'::var`, `func::static_var`, `crate::module::STATIC`, `::x`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// Begins with `::`: no scope but the outermost is searched.
    pub global: bool,
    /// Outermost scope first; at least one. The arguments of a template belong to their segment, in one spelling: `vector<int, 3>`.
    pub segments: Vec<Segment>,
}

/// One name of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    pub text: String,
    /// Stood in single quotes: may be a file's name, or a whole C++ name with its parameters.
    pub quoted: bool,
}

impl Path {
    /// The path of one plain name.
    pub fn plain(name: &str) -> Path {
        Path { global: false, segments: vec![Segment { text: name.to_owned(), quoted: false }] }
    }

    /// The name, if it has no scopes.
    pub fn single(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [only] if !self.global => Some(&only.text),
            _ => None,
        }
    }

    /// The innermost name.
    pub fn last(&self) -> &str {
        self.segments.last().map_or("", |segment| &segment.text)
    }
}

impl core::fmt::Display for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            if i > 0 || self.global {
                f.write_str("::")?;
            }
            f.write_str(&segment.text)?;
        }
        Ok(())
    }
}

/// The types that a literal or a name of a type without debug information can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builtin {
    Void,
    Bool,
    Char,
    SignedChar,
    UnsignedChar,
    Short,
    UnsignedShort,
    Int,
    Unsigned,
    Long,
    UnsignedLong,
    LongLong,
    UnsignedLongLong,
    Int128,
    UnsignedInt128,
    Float,
    Double,
    LongDouble,
    WideChar,
    Char8,
    Char16,
    Char32,
}

/// The keyword before the name of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    Struct,
    Union,
    Class,
    Enum,
}

/// A type as it is spelled in a cast, in `sizeof` or after `ptype`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    pub base: TypeBase,
    /// What is made of the base, in order: `const int *(*)[3]` is Const, Pointer, Array(3), Pointer.
    pub derivations: Vec<Derivation>,
}

/// What a type's name begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeBase {
    Builtin(Builtin),
    /// `_Complex double`.
    Complex(Builtin),
    /// `struct conn`, `enum color`.
    Tagged(Tag, Path),
    /// A typedef, a C++ or a Rust type.
    Named(Path),
    /// `typeof(expression)`, `decltype(expression)`.
    Of(Box<Expression>),
}

/// One step from a type to one made of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation {
    Const,
    Volatile,
    Pointer,
    Reference,
    RvalueReference,
    /// `[N]`; `None` for `[]`.
    Array(Option<u64>),
    /// A function that returns the type before.
    Function {
        parameters: Vec<TypeName>,
        is_variadic: bool,
    },
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// With the type that C gives a literal of this base, size and suffix.
    Integer(u128, Builtin),
    /// The text is kept (`1.5e3`, `0x1p-3`), since a `long double` is wider than `f64`; without its suffix.
    Floating(String, Builtin),
    /// GNU C's `2i`: the number before the suffix.
    Imaginary(Box<Expression>),
    /// `'A'`, `L'x'`, `u'x'`, `U'x'`: its code, and its type.
    Character(u32, Builtin),
    /// The bytes of the elements without the NUL at the end, and the type of an element.
    String(Vec<u8>, Builtin),
    /// C++'s and gdb's `true` and `false`.
    Truth(bool),
    /// C++'s `nullptr`.
    NullPointer,
    /// A variable, a function, an enumerator.
    Name(Path),
    /// `$name`: a register, or a convenience variable.
    Dollar(String),
    /// `$` is 0 back from the end, `$$` is 1, `$$n` is n.
    HistoryBack(u64),
    /// `$n`.
    HistoryNumber(u64),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// `a = b`.
    Assign(Box<Expression>, Box<Expression>),
    /// `a += b` and its like.
    Modify(Binary, Box<Expression>, Box<Expression>),
    /// `a, b`.
    Comma(Box<Expression>, Box<Expression>),
    /// Condition, value if true, value if false.
    Conditional(Box<Expression>, Box<Expression>, Box<Expression>),
    Cast(CastKind, TypeName, Box<Expression>),
    /// `a[i]`.
    Index(Box<Expression>, Box<Expression>),
    /// `a.name`, or `a->name` with `through_pointer`. gdb takes `.` of a pointer as `->`. The name may be qualified: `a.base::x`.
    Member {
        object: Box<Expression>,
        name: Path,
        through_pointer: bool,
    },
    /// `a.*p`, or `a->*p` with `through_pointer`.
    ThroughMember {
        object: Box<Expression>,
        pointer: Box<Expression>,
        through_pointer: bool,
    },
    Call {
        function: Box<Expression>,
        arguments: Vec<Expression>,
    },
    /// `a@n`: an array of n, beginning where a is.
    Repeat(Box<Expression>, Box<Expression>),
    /// `{type} address`.
    At(TypeName, Box<Expression>),
    /// A type where an expression can stand: `ptype struct conn`, `whatis int`.
    Type(TypeName),
    SizeofType(TypeName),
    SizeofValue(Box<Expression>),
    AlignofType(TypeName),
    AlignofValue(Box<Expression>),
}

/// C's cast and C++'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastKind {
    C,
    Static,
    Dynamic,
    Reinterpret,
    Const,
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Minus,
    Plus,
    Not,
    Complement,
    /// `*`.
    Dereference,
    /// `&`.
    AddressOf,
    PreIncrement,
    PreDecrement,
    PostIncrement,
    PostDecrement,
}

/// Operators of two operands that do not assign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    And,
    Or,
}
