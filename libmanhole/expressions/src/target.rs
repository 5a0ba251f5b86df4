//! What an expression can ask of the process.

use std::rc::Rc;

use crate::ast::{Path, Tag};
use crate::types::{Type, TypeId};
use crate::value::Value;

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is wrong, or cannot be done: what to tell the person, without newline.
    Error(String),
    /// A call has been started. The line is evaluated again when it has returned: the target then answers all that was asked before
    /// as it did, from its journal, and the call with its value. So an evaluation is nothing but what it asks and is answered.
    Suspended,
}

impl From<String> for Stop {
    fn from(error: String) -> Stop {
        Stop::Error(error)
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Found {
    /// A variable of the selected frame or a global one. A thread-local one is that of the selected thread.
    Variable(Value),
    /// A function: where its code is, and its [`Type::Function`].
    Function {
        address: u64,
        type_id: TypeId,
        name: String,
    },
    /// Several C++ functions of one name: the parameters choose.
    Overloads(Vec<Overload>),
    Enumerator {
        type_id: TypeId,
        value: i128,
    },
    Type(TypeId),
    /// A name of the symbol tables that no debug information describes. `type_id` is the type that is assumed, if any is (the
    /// prototype of a common function of the C library, the type of `errno`).
    Symbol {
        name: String,
        address: u64,
        size: u64,
        is_function: bool,
        type_id: Option<TypeId>,
    },
    /// Several things that nothing tells apart, each as one line that can be typed instead: `'file.c'::name`.
    Ambiguous(Vec<String>),
    /// An expression that the name stands for (the option `locals`).
    Expression(String),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Overload {
    pub address: u64,
    pub type_id: TypeId,
    /// As people read it, with its parameters.
    pub name: String,
}

/// The process in which an expression is evaluated.
pub trait Target {
    /// Fills `buffer` from `address`; an error is the first address that cannot be read.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64>;

    /// Writes all of `bytes`, or says why it cannot (which mapping is read-only).
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop>;

    /// The type of this number; [`Type::Unknown`] where there is none.
    fn describe(&mut self, type_id: TypeId) -> Rc<Type>;

    /// The number of a type; equal types have equal numbers.
    fn intern(&mut self, type_: Type) -> TypeId;

    /// The type of this name. A typedef, an enum or a record, when there is no tag.
    fn find_type(&mut self, tag: Option<Tag>, path: &Path) -> Option<TypeId>;

    /// The definition that a declaration of a record or an enum stands for, in any unit; else itself.
    fn complete(&mut self, type_id: TypeId) -> TypeId;

    /// What a name stands for: first in the selected frame's blocks, then among the globals.
    fn find(&mut self, path: &Path) -> Result<Found, Stop>;

    /// The function or variable of a linkage name (a C++ method, a static member).
    fn find_linkage(&mut self, name: &str) -> Option<u64>;

    /// `$name`, when it is a register of the selected frame or says something of the process (`$_thread`); else `None`.
    fn register(&mut self, name: &str) -> Option<Value>;

    /// `name+offset` of an address of code or data, without brackets: what is printed behind pointers to functions and to data that has a symbol.
    fn symbol_at(&mut self, address: u64) -> Option<SymbolAt>;

    /// Calls the function with these values, which have the types of its parameters already (default promotions are done too).
    fn call(&mut self, function: u64, function_type: TypeId, arguments: Vec<Value>) -> Result<Value, Stop>;

    /// What a function stands for whose code only gives the address of another (`STT_GNU_IFUNC`), with its type: `None` for all others,
    /// and where nobody describes that one. To know it the code is called.
    fn function_behind(&mut self, function: u64) -> Result<Option<(u64, TypeId)>, Stop>;

    /// Memory of the process that holds these bytes until the session ends: what string literals and arrays are in when their address is needed.
    /// Aligned for any object.
    fn allocate(&mut self, bytes: &[u8]) -> Result<u64, Stop>;

    /// Whether an address is in memory that was given by [`Target::allocate`], or for what a call has returned: nobody else has it.
    fn owns(&mut self, address: u64) -> bool;

    /// An error when the client wants the line to end, or when it has taken too long.
    fn check(&mut self) -> Result<(), Stop>;
}

/// The symbol that covers an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct SymbolAt {
    /// Demangled, with parameters for C++ functions, as gdb prints it.
    pub name: String,
    pub offset: u64,
    pub is_function: bool,
}
