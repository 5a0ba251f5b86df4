//! Types as DWARF describes them.
//!
//! Pure data. A type refers to others by number ([`TypeId`]), so that debug information can be read as far as it is needed: the
//! description of a number is asked of the target ([`crate::Target::describe`]).

use crate::ast::Builtin;

/// The number of a type in its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    Void,
    /// `DW_TAG_base_type`.
    Base(Base),
    Pointer(TypeId),
    Reference {
        to: TypeId,
        is_rvalue: bool,
    },
    /// C++'s pointer to a member: of a class, of this type.
    MemberPointer {
        class: TypeId,
        to: TypeId,
    },
    Const(TypeId),
    Volatile(TypeId),
    Restrict(TypeId),
    Atomic(TypeId),
    /// The name with its scopes.
    Typedef {
        name: String,
        to: TypeId,
    },
    /// One dimension; those of C's `a[2][3]` are arrays of arrays.
    Array {
        of: TypeId,
        count: Option<u64>,
        /** GNU C's vector types. */
        is_vector: bool,
    },
    Record(Record),
    Enumeration(Enumeration),
    Function(Function),
    /// What debug information says in a way that is not understood, and in which.
    Unknown(String),
}

impl Type {
    /// The record that it is.
    pub(crate) fn as_record(&self) -> Option<&Record> {
        match self {
            Type::Record(record) => Some(record),
            _ => None,
        }
    }
}

/// `DW_TAG_base_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// As the debug information spells it: `long int`, `u8`.
    pub name: String,
    /// In bytes.
    pub size: u64,
    pub encoding: Encoding,
}

/// `DW_AT_encoding` (DWARF 5, 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Signed,
    Unsigned,
    SignedChar,
    UnsignedChar,
    Boolean,
    /// IEEE of 2, 4, 8 or 16 bytes (`__float128` by its name); `long double` is x87's of 80 bits in 16 bytes.
    Float,
    /// Two floats.
    ComplexFloat,
    /// GNU C's: two integers.
    ComplexInteger,
    /// A code point of Unicode: `char8_t`, `char16_t`, `char32_t`, Rust's `char`.
    Utf,
}

/// A struct, a union, a class; Rust's structs, tuples and enums with fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub kind: RecordKind,
    /// With its scopes (`ns::conn`) and the arguments of a template, as gdb prints it; `None` for an anonymous one.
    pub name: Option<String>,
    /// In bytes.
    pub size: u64,
    pub language: Language,
    /// `DW_AT_declaration`: nothing else is known (here).
    pub is_declaration: bool,
    /// Bases first, then as declared.
    pub members: Vec<Member>,
    /// C++'s functions, as declared.
    pub methods: Vec<Method>,
    /// C++'s and Rust's.
    pub template_arguments: Vec<TemplateArgument>,
    /// Types that were declared inside: typedefs and nested classes, for `ptype`.
    pub nested: Vec<(String, TypeId)>,
    /// Rust's enums (`DW_TAG_variant_part`).
    pub variants: Option<Box<VariantPart>>,
    /// By its copy and move constructors and its destructor together: how its objects are passed.
    pub copies: Copies,
    /// By its copy constructor alone.
    pub copying: Copies,
}

/// What a class of C++ says itself of copies of its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// Nothing: its members and bases decide.
    #[default]
    AsMembers,
    /// They run code.
    RunCode,
    /// They are bytes, as the compiler has said of the whole.
    Bytes,
    /// The debug information does not tell.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    Struct,
    Union,
    Class,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    C,
    Cpp,
    Rust,
    Other,
}

/// A member, or a base class, of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// `None` for an anonymous struct or union; the name of its type for a base class.
    pub name: Option<String>,
    pub type_id: TypeId,
    pub location: MemberLocation,
    pub is_base: bool,
    /// Made by the compiler: `_vptr.X`.
    pub is_artificial: bool,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    Protected,
    Private,
}

/// Where a member is in its object.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberLocation {
    /// Bytes from the start.
    Offset(u64),
    /// A bit-field: bits from the start of the object to its least significant bit, and how many.
    Bits { offset: u64, size: u64 },
    /// A static member: a constant's bytes, or a variable.
    Static { constant: Option<Vec<u8>>, variable: StaticVariable },
    /// A virtual base: the offset is found in the object's vtable, this many bytes below the address point
    /// (Itanium C++ ABI, 2.5.2 "vbase offsets").
    Virtual { vtable_offset: i64 },
    /// Not understood.
    Unknown,
}

/// The variable that a static member is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say it")]
pub enum StaticVariable {
    /// That of this linkage name, or of `Record::member`.
    Named(Option<String>),
    /// At this address: the class is its unit's own, and others have classes of the same name.
    At(u64),
    /// In no place: the class is its unit's own, which has no such variable.
    Nowhere,
}

/// A function of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    pub name: String,
    /// By which its code is found.
    pub linkage: Option<String>,
    /// A [`Type::Function`] whose first parameter is `this`, unless it is static.
    pub type_id: TypeId,
    pub is_static: bool,
    pub is_artificial: bool,
    /// How many of the first parameters the compiler has made: `this`, and what constructors with virtual bases are given.
    pub hidden: usize,
    /// The slot in the vtable, for a virtual one whose slot is known.
    pub virtual_slot: Option<u64>,
    pub is_virtual: bool,
    pub access: Access,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TemplateArgument {
    Type { name: Option<String>, type_id: TypeId },
    Value { name: Option<String>, type_id: TypeId, value: i128 },
}

/// Rust's way to say which of several layouts an enum has (DWARF 5, 5.7.10).
#[derive(Clone, Debug, PartialEq)]
pub struct VariantPart {
    /// `None`: there is only one variant.
    pub discriminant: Option<Member>,
    pub variants: Vec<Variant>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The values of the discriminant that choose it, as ranges; empty for the default one.
    pub values: Vec<core::ops::RangeInclusive<i128>>,
    /// Its name is the variant's, its type a record with the fields.
    pub member: Member,
}

/// `DW_TAG_enumeration_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumeration {
    /// With its scopes.
    pub name: Option<String>,
    /// In bytes.
    pub size: u64,
    pub is_signed: bool,
    /// C++'s `enum class`, Rust's enum: enumerators are printed with the type's name before them.
    pub is_class: bool,
    pub language: Language,
    pub is_declaration: bool,
    /// Names (with their scopes, as gdb prints them) and values, as declared.
    pub enumerators: Vec<(String, i128)>,
}

/// `DW_TAG_subroutine_type`, `DW_TAG_subprogram`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub returns: TypeId,
    pub parameters: Vec<TypeId>,
    pub is_variadic: bool,
    /// C's `f()` without a prototype is not.
    pub is_prototyped: bool,
    /// Whether it is called by Rust's own rules, not by C's.
    pub is_of_rust: bool,
}

impl Builtin {
    /// The type of this name on x86_64 Linux (System V ABI, "Fundamental Types"); `None` for `void`.
    pub fn base(self) -> Option<Base> {
        use Encoding::{Boolean, Float, Signed, SignedChar, Unsigned, UnsignedChar, Utf};
        let (name, size, encoding) = match self {
            Builtin::Void => return None,
            Builtin::Bool => ("bool", 1, Boolean),
            Builtin::Char => ("char", 1, SignedChar),
            Builtin::SignedChar => ("signed char", 1, SignedChar),
            Builtin::UnsignedChar => ("unsigned char", 1, UnsignedChar),
            Builtin::Short => ("short", 2, Signed),
            Builtin::UnsignedShort => ("unsigned short", 2, Unsigned),
            Builtin::Int => ("int", 4, Signed),
            Builtin::Unsigned => ("unsigned int", 4, Unsigned),
            Builtin::Long => ("long", 8, Signed),
            Builtin::UnsignedLong => ("unsigned long", 8, Unsigned),
            Builtin::LongLong => ("long long", 8, Signed),
            Builtin::UnsignedLongLong => ("unsigned long long", 8, Unsigned),
            Builtin::Int128 => ("__int128", 16, Signed),
            Builtin::UnsignedInt128 => ("unsigned __int128", 16, Unsigned),
            Builtin::Float => ("float", 4, Float),
            Builtin::Double => ("double", 8, Float),
            Builtin::LongDouble => ("long double", 16, Float),
            Builtin::WideChar => ("wchar_t", 4, Signed),
            Builtin::Char8 => ("char8_t", 1, Utf),
            Builtin::Char16 => ("char16_t", 2, Utf),
            Builtin::Char32 => ("char32_t", 4, Utf),
        };
        Some(Base { name: name.to_owned(), size, encoding })
    }

    /// As a type.
    pub fn as_type(self) -> Type {
        self.base().map_or(Type::Void, Type::Base)
    }
}
