//! Definitions of records and enums, for `ptype`.
//!
//! Pure.

use super::names::{Speller, keyword};
use super::rust;
use crate::access;
use crate::types::{
    Access, Enumeration, Language, MemberLocation, Method, Record, RecordKind, TemplateArgument, Type, TypeId,
};

/// The word before a class's sections.
fn section(access: Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Protected => "protected",
        Access::Private => "private",
    }
}

/// The pointer to the vtable and its like are nobody's business.
fn access_of(member: &crate::types::Member) -> Access {
    if member.is_artificial { Access::Private } else { member.access }
}

/// Whether the sections of a class need words: not when all is as the keyword has it.
fn needs_sections(record: &Record) -> bool {
    let fields = record.members.iter().filter(|member| !member.is_base).map(access_of);
    let mut all = fields.chain(record.methods.iter().map(|method| method.access));
    match record.kind {
        RecordKind::Class => all.any(|access| access != Access::Private),
        _ => all.any(|access| access != Access::Public),
    }
}

/// The last segment of a class's name without the arguments of its template.
pub(crate) fn short_name(name: &str) -> &str {
    let head = name.split('<').next().unwrap_or(name);
    head.rsplit("::").next().unwrap_or(head)
}

/// Whether a method's name is that of a conversion: `operator int`.
fn is_conversion(name: &str) -> bool {
    name.strip_prefix("operator ").is_some_and(|to| {
        let is_word = to.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        is_word && !["new", "delete"].iter().any(|word| to.starts_with(word))
    })
}

impl Speller<'_> {
    fn indent(&mut self, columns: usize) {
        self.put(&" ".repeat(columns));
    }

    /// A nameless record, or any when definitions are wanted.
    pub(super) fn record(&mut self, _type_id: TypeId, record: &Record, show: i32, indent: usize) {
        self.put(keyword(record.kind));
        self.put(" ");
        if let Some(name) = &record.name {
            let name = self.substituted(name);
            self.put(&name);
            self.put(if show > 0 { " " } else { "" });
        }
        if show < 0 {
            self.put(if record.name.is_none() { "{...}" } else { "" });
            return;
        }
        let outer = self.substitutions.clone();
        self.template_arguments(record);
        if let Some(name) = &record.name {
            // As gdb has it: typedefs go by their own names, classes inside by their whole ones.
            for (short, type_id) in &record.nested {
                if matches!(&*self.target.describe(*type_id), Type::Typedef { .. }) {
                    self.substitutions.push((format!("{name}::{short}"), short.clone()));
                }
            }
        }
        self.bases(record);
        self.put("{\n");
        if record.members.is_empty() && record.methods.is_empty() && record.nested.is_empty() {
            self.no_offset();
            self.indent(indent + 4);
            self.put(if record.is_declaration { "<incomplete type>\n" } else { "<no data fields>\n" });
        }
        let has_sections = needs_sections(record);
        let mut current = None;
        for member in record.members.iter().filter(|member| !member.is_base && !member.is_artificial) {
            if has_sections {
                self.section(&mut current, member.access, indent);
            }
            let inside = self.offset(record, member);
            self.indent(indent + 4);
            if matches!(member.location, MemberLocation::Static { .. }) {
                self.put("static ");
            }
            let outside = self.offsets;
            // A nameless record behind an array or a pointer is written out by itself: its members count from its own start.
            self.offsets = outside.map(|_| inside.unwrap_or_default());
            let show = if inside.is_some() { show } else { show - 1 };
            self.declare(member.type_id, member.name.as_deref().unwrap_or_default(), show, indent + 4);
            self.offsets = outside;
            if let MemberLocation::Bits { size, .. } = member.location {
                self.put(&format!(" : {size}"));
            }
            self.put(";\n");
        }
        if self.offsets.is_none() {
            self.methods(record, current, indent);
        } else if show > 0 {
            self.total(record, indent);
        }
        self.substitutions = outer;
        self.no_offset();
        self.indent(if self.offsets.is_some() && indent == 0 { 2 } else { indent });
        self.put("}");
    }

    /// ` [with T = int] `; and the names hold from here on.
    fn template_arguments(&mut self, record: &Record) {
        let mut found = Vec::new();
        for argument in &record.template_arguments {
            if let TemplateArgument::Type { name: Some(name), type_id } = argument {
                let spelled = super::names::spelled(*type_id, -1, self.target);
                found.push((spelled, name.clone()));
            }
        }
        if found.is_empty() {
            return;
        }
        let list: Vec<String> = found.iter().map(|(long, short)| format!("{short} = {long}")).collect();
        self.put(&format!("[with {}] ", list.join(", ")));
        self.substitutions = found;
    }

    fn bases(&mut self, record: &Record) {
        let mut separator = ": ";
        for base in record.members.iter().filter(|member| member.is_base) {
            let is_virtual = matches!(base.location, MemberLocation::Virtual { .. });
            let name = match &*access::stripped(base.type_id, self.target).1 {
                Type::Record(record) => record.name.clone().unwrap_or_default(),
                _ => base.name.clone().unwrap_or_default(),
            };
            let name = self.substituted(&name);
            let kind = if is_virtual { " virtual" } else { "" };
            self.put(&format!("{separator}{}{kind} {name}", section(base.access)));
            separator = ", ";
        }
        self.put(if separator == ", " { " " } else { "" });
    }

    fn section(&mut self, current: &mut Option<Access>, access: Access, indent: usize) {
        if *current != Some(access) {
            self.no_offset();
            self.indent(indent + 2);
            self.put(&format!("{}:\n", section(access)));
            *current = Some(access);
        }
    }

    /// Methods, those of one name together; then typedefs.
    fn methods(&mut self, record: &Record, mut current: Option<Access>, indent: usize) {
        let has_methods = record.methods.iter().any(|method| !method.is_artificial);
        if has_methods && current.is_some() {
            self.put("\n");
        }
        let mut done: Vec<&str> = Vec::new();
        for method in &record.methods {
            if done.contains(&method.name.as_str()) {
                continue;
            }
            done.push(&method.name);
            let same = record.methods.iter().filter(|other| other.name == method.name && !other.is_artificial);
            for overload in same {
                self.section(&mut current, overload.access, indent);
                self.indent(indent + 4);
                self.method(record, overload);
                self.put(";\n");
            }
        }
        let typedefs: Vec<_> = record
            .nested
            .iter()
            .filter_map(|(name, type_id)| match &*self.target.describe(*type_id) {
                Type::Typedef { to, .. } => Some((name.clone(), *to)),
                _ => None,
            })
            .collect();
        if !typedefs.is_empty() && (!record.members.is_empty() || !record.methods.is_empty()) {
            self.put("\n");
        }
        for (name, to) in typedefs {
            self.indent(indent + 4);
            self.put("typedef ");
            self.declare(to, &name, 0, indent + 4);
            self.put(";\n");
        }
    }

    fn method(&mut self, record: &Record, method: &Method) {
        // As gdb does, which does not know one without a slot (a destructor's two are not written down).
        if method.virtual_slot.is_some() {
            self.put("virtual ");
        } else if method.is_static {
            self.put("static ");
        }
        let described = self.target.describe(method.type_id);
        let Type::Function(function) = &*described else {
            self.put(&format!("{}()", method.name));
            return;
        };
        let class = record.name.as_deref().map(short_name).unwrap_or_default();
        let is_special = method.name == class || method.name.starts_with('~') || is_conversion(&method.name);
        if !is_special {
            self.declare(function.returns, "", -1, 0);
            self.put(" ");
        }
        self.put(&method.name);
        // A destructor's parameter is the compiler's.
        let hidden = if method.name.starts_with('~') { usize::MAX } else { method.hidden };
        self.parameters(function, hidden);
        if method.is_static {
            return;
        }
        // The qualifiers of a method are those of what `this` points to.
        let Some(this) = function.parameters.first() else {
            return;
        };
        if let Type::Pointer(mut to) = *access::stripped(*this, self.target).1 {
            let mut words = (false, false);
            for _ in 0..8 {
                match &*self.target.describe(to) {
                    Type::Const(inner) => {
                        words.0 = true;
                        to = *inner;
                    }
                    Type::Volatile(inner) => {
                        words.1 = true;
                        to = *inner;
                    }
                    _ => break,
                }
            }
            self.put(if words.0 { " const" } else { "" });
            self.put(if words.1 { " volatile" } else { "" });
        }
    }

    /// A nameless enum, or any when definitions are wanted.
    pub(super) fn enumeration(&mut self, enumeration: &Enumeration, show: i32) {
        self.put("enum ");
        if enumeration.is_class {
            self.put("class ");
        }
        if let Some(name) = &enumeration.name {
            self.put(name);
            self.put(if show > 0 { " " } else { "" });
        }
        if show < 0 {
            self.put(if enumeration.name.is_none() { "{...}" } else { "" });
            return;
        }
        if enumeration.language == Language::Cpp {
            // Debug information has the type below; here are only its size and sign.
            let below = match (enumeration.size, enumeration.is_signed) {
                (1, true) => "signed char",
                (1, false) => "unsigned char",
                (2, true) => "short",
                (2, false) => "unsigned short",
                (8, true) => "long",
                (8, false) => "unsigned long",
                (_, true) => "int",
                (_, false) => "unsigned int",
            };
            self.put(&format!(": {below} "));
        }
        self.put("{");
        let mut next = 0;
        for (at, (name, value)) in enumeration.enumerators.iter().enumerate() {
            self.put(if at > 0 { ", " } else { "" });
            self.put(name);
            if *value != next {
                self.put(&format!(" = {value}"));
            }
            next = value.saturating_add(1);
        }
        self.put("}");
    }

    /// Rust's structs, tuples, unions, and enums with fields.
    pub(super) fn rust_record(&mut self, record: &Record, show: i32, indent: usize) {
        let name = record.name.as_deref().unwrap_or_default();
        if let Some(part) = &record.variants {
            self.put(&format!("enum {name} {{\n"));
            for variant in &part.variants {
                self.indent(indent + 2);
                self.put(variant.member.name.as_deref().unwrap_or_default());
                if let Type::Record(fields) = &*access::stripped(variant.member.type_id, self.target).1
                    && !fields.members.is_empty()
                {
                    let is_tuple = rust::is_tuple_struct(fields);
                    self.put(if is_tuple { "(" } else { "{" });
                    for (at, member) in fields.members.iter().enumerate() {
                        self.put(if at > 0 { ", " } else { "" });
                        if !is_tuple {
                            self.put(&format!("{}: ", member.name.as_deref().unwrap_or_default()));
                        }
                        self.rust(member.type_id, show - 1, indent + 2);
                    }
                    self.put(if is_tuple { ")" } else { "}" });
                }
                self.put(",\n");
            }
            self.indent(indent);
            self.put("}");
            return;
        }
        if rust::is_tuple(record) {
            self.put("(");
            for (at, member) in record.members.iter().enumerate() {
                self.put(if at > 0 { ", " } else { "" });
                self.rust(member.type_id, show - 1, indent);
            }
            self.put(")");
            return;
        }
        self.put(&format!("{} {name}", keyword(record.kind)));
        if record.members.is_empty() {
            return;
        }
        let is_tuple = rust::is_tuple_struct(record);
        self.put(if is_tuple { " (\n" } else { " {\n" });
        for member in &record.members {
            self.indent(indent + 2);
            if !is_tuple {
                self.put(&format!("{}: ", member.name.as_deref().unwrap_or_default()));
            }
            self.rust(member.type_id, show - 1, indent + 2);
            self.put(",\n");
        }
        self.indent(indent);
        self.put(if is_tuple { ")" } else { "}" });
    }

    /// Rust's enums without fields.
    pub(super) fn rust_enumeration(&mut self, enumeration: &Enumeration, indent: usize) {
        let name = enumeration.name.as_deref().unwrap_or_default();
        self.put(&format!("enum {name} {{\n"));
        for (full, _) in &enumeration.enumerators {
            let short = full.strip_prefix(name).and_then(|rest| rest.strip_prefix("::")).unwrap_or(full);
            self.indent(indent + 2);
            self.put(&format!("{short},\n"));
        }
        self.indent(indent);
        self.put("}");
    }
}
