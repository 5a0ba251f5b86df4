//! What the tables ask about, and how answers are written: the type, and the number or the bytes.

use std::rc::Rc;

use super::reader::read;
use crate::access::{bytes, integer, is_signed, stripped};
use crate::ast::{Builtin, Tag};
use crate::evaluate::{Variables, evaluate, type_of};
use crate::target::{Found, Stop, Target};
use crate::testing::Fake;
use crate::types::{
    Access, Copies, Encoding, Enumeration, Function, Language, Member, MemberLocation, Record, RecordKind, Type, TypeId,
};
use crate::value::Value;

pub(super) struct World {
    pub(super) fake: Fake,
    pub(super) variables: Variables,
    pub(super) types: Vec<&'static str>,
}

impl World {
    pub(super) fn new(language: Language) -> World {
        let variables = Variables { language, ..Variables::default() };
        World { fake: Fake::default(), variables, types: Vec::new() }
    }

    pub(super) fn builtin(&mut self, builtin: Builtin) -> TypeId {
        self.fake.intern(builtin.as_type())
    }

    pub(super) fn int(&mut self) -> TypeId {
        self.builtin(Builtin::Int)
    }

    pub(super) fn pointer(&mut self, to: TypeId) -> TypeId {
        self.fake.intern(Type::Pointer(to))
    }

    pub(super) fn reference(&mut self, to: TypeId) -> TypeId {
        self.fake.intern(Type::Reference { to, is_rvalue: false })
    }

    pub(super) fn array(&mut self, of: TypeId, count: u64) -> TypeId {
        self.fake.intern(Type::Array { of, count: Some(count), is_vector: false })
    }

    pub(super) fn function(&mut self, returns: TypeId, parameters: &[TypeId]) -> TypeId {
        self.fake.intern(Type::Function(Function {
            returns,
            parameters: parameters.to_vec(),
            is_variadic: false,
            is_prototyped: true,
            is_of_rust: false,
        }))
    }

    /// A type whose number is needed before it is described.
    pub(super) fn reserve(&mut self) -> TypeId {
        self.fake.types.push(Rc::new(Type::Unknown(format!("reserved {}", self.fake.types.len()))));
        TypeId(self.fake.types.len() as u32 - 1)
    }

    pub(super) fn fill(&mut self, type_id: TypeId, type_: Type) {
        self.fake.types[type_id.0 as usize] = Rc::new(type_);
    }

    pub(super) fn name_type(&mut self, tag: Option<Tag>, name: &'static str, type_id: TypeId) {
        self.fake.named_types.insert((tag, name.to_owned()), type_id);
        if tag.is_none() {
            self.types.push(name);
        }
    }

    pub(super) fn enumeration(&mut self, name: &'static str, size: u64, values: &[(&str, i128)]) -> TypeId {
        let type_id = self.fake.intern(Type::Enumeration(Enumeration {
            name: Some(name.to_owned()),
            size,
            is_signed: false,
            is_class: false,
            language: Language::C,
            is_declaration: false,
            enumerators: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }));
        self.name_type(Some(Tag::Enum), name, type_id);
        for (name, value) in values {
            self.fake.names.insert((*name).to_owned(), Found::Enumerator { type_id, value: *value });
        }
        type_id
    }

    pub(super) fn variable(&mut self, name: &str, type_id: TypeId, address: u64, bytes: &[u8]) {
        self.fake.poke(address, bytes);
        self.fake.names.insert(name.to_owned(), Found::Variable(Value::at(type_id, address)));
        self.fake.names.insert(format!("::{name}"), Found::Variable(Value::at(type_id, address)));
    }

    pub(super) fn code(&mut self, name: &str, type_id: TypeId, address: u64) {
        let found = Found::Function { address, type_id, name: name.to_owned() };
        self.fake.names.insert(name.to_owned(), found.clone());
        self.fake.names.insert(format!("::{name}"), found);
    }

    pub(super) fn answer(&mut self, text: &str) -> Result<Value, Stop> {
        evaluate(&read(text, &self.types), &mut self.variables, &mut self.fake)
    }

    pub(super) fn shown(&mut self, text: &str) -> String {
        match self.answer(text) {
            Ok(value) => self.show(&value),
            Err(Stop::Error(error)) => error,
            Err(Stop::Suspended) => "suspended".to_owned(),
        }
    }

    pub(super) fn show(&mut self, value: &Value) -> String {
        let name = self.type_name(value.type_id);
        let described = stripped(value.type_id, &mut self.fake).1;
        match &*described {
            Type::Function(_) => return format!("{name} {:?}", value.place),
            Type::Void => return name,
            _ => {}
        }
        let bytes = match bytes(value, &mut self.fake) {
            Ok(Ok(bytes)) => bytes,
            Err(Stop::Error(error)) => return error,
            other => return format!("{other:?}"),
        };
        match &*described {
            Type::Base(base) if base.encoding == Encoding::Float => {
                format!("{name} {}", crate::float::to_f64(&bytes))
            }
            Type::Base(_) | Type::Enumeration(_) => format!("{name} {}", integer(&bytes, is_signed(&described))),
            Type::Pointer(_) | Type::Reference { .. } | Type::MemberPointer { .. } => {
                format!("{name} {:#x}", integer(&bytes, false))
            }
            _ => format!("{name} {bytes:?}"),
        }
    }

    pub(super) fn whatis(&mut self, text: &str) -> String {
        match type_of(&read(text, &self.types), &mut self.variables, &mut self.fake) {
            Ok(type_id) => self.type_name(type_id),
            Err(stop) => format!("{stop:?}"),
        }
    }

    pub(super) fn type_name(&mut self, type_id: TypeId) -> String {
        match &*self.fake.describe(type_id) {
            Type::Void => "void".to_owned(),
            Type::Base(base) => base.name.clone(),
            Type::Pointer(to) => format!("{}*", self.type_name(*to)),
            Type::Reference { to, .. } => format!("{}&", self.type_name(*to)),
            Type::MemberPointer { class, to } => format!("{} {}::*", self.type_name(*to), self.type_name(*class)),
            Type::Const(of) => format!("const {}", self.type_name(*of)),
            Type::Volatile(of) => format!("volatile {}", self.type_name(*of)),
            Type::Typedef { name, .. } => name.clone(),
            Type::Array { of, count, .. } => {
                format!("{}[{}]", self.type_name(*of), count.map_or(String::new(), |count| count.to_string()))
            }
            Type::Record(record) => record.name.clone().unwrap_or_default(),
            Type::Enumeration(enumeration) => enumeration.name.clone().unwrap_or_default(),
            Type::Function(function) => format!("{}()", self.type_name(function.returns)),
            Type::Unknown(name) => name.clone(),
            other => format!("{other:?}"),
        }
    }

    /// Runs a table, in order; all that differs is told at once.
    pub(super) fn expect(&mut self, table: &[(&str, &str)]) {
        let mut wrong = String::new();
        for (text, wanted) in table {
            let shown = self.shown(text);
            if shown != *wanted {
                wrong.push_str(&format!("\n{text}: {shown}, not {wanted}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    pub(super) fn expect_types(&mut self, table: &[(&str, &str)]) {
        let mut wrong = String::new();
        for (text, wanted) in table {
            let shown = self.whatis(text);
            if shown != *wanted {
                wrong.push_str(&format!("\n{text}: {shown}, not {wanted}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

pub(super) fn member(name: &str, type_id: TypeId, offset: u64) -> Member {
    Member {
        name: (!name.is_empty()).then(|| name.to_owned()),
        type_id,
        location: MemberLocation::Offset(offset),
        is_base: false,
        is_artificial: false,
        access: Access::Public,
    }
}

pub(super) fn record(name: &str, size: u64, language: Language, members: Vec<Member>) -> Record {
    Record {
        kind: RecordKind::Struct,
        name: (!name.is_empty()).then(|| name.to_owned()),
        size,
        language,
        is_declaration: false,
        members,
        methods: Vec::new(),
        template_arguments: Vec::new(),
        nested: Vec::new(),
        variants: None,
        copies: Copies::AsMembers,
        copying: Copies::AsMembers,
    }
}
