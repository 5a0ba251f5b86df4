//! Expressions for the commands: text -> value -> text, in the selected frame.
//!
//! Context: the agent's thread. A line that calls a function is given up at the call; the error is then empty, and
//! [`Session::started`](super::Session) says what is waited for.

use core::cell::RefCell;
use core::ops::ControlFlow;

use manhole_expressions::ast::{Expression, Path};
use manhole_expressions::evaluate::{self, DATA_WITHOUT_TYPE, TargetNames};
use manhole_expressions::float;
use manhole_expressions::print::{self, Format, Options};
use manhole_expressions::target::Stop;
use manhole_expressions::types::{Base, Encoding, Type, TypeId};
use manhole_expressions::value::{Content, Place, Value};
use manhole_expressions::{Target as _, access, expression};

use super::Context;
use super::inferior::Inferior;
use super::info_names_of::goes_on;
use crate::debug::{Kind, Listed, Look};
use crate::sys::process;

/// Qualifiers before a typedef that are looked through.
const QUALIFIERS: usize = 4;

/// What C's formats are given.
pub(super) enum CNumber {
    Integer(i128),
    /// The bytes of a number in this format.
    Float(Vec<u8>, float::Format),
}

/// The type of a unit that `x` shows, as gdb names it.
pub(super) fn examined_type(name: &str, size: u64) -> Type {
    let encoding = match name {
        "float" | "double" => Encoding::Float,
        _ => Encoding::Signed,
    };
    Type::Base(Base { name: name.to_owned(), size, encoding })
}

impl Context<'_, '_> {
    /// The process from the selected frame, for `act`.
    pub(super) fn with_inferior<T>(
        &mut self,
        act: impl FnOnce(&mut Inferior<'_, '_>, &mut evaluate::Variables) -> Result<T, Stop>,
    ) -> Result<T, String> {
        let mut variables = core::mem::take(&mut self.session.variables);
        let mut inferior = Inferior {
            session: self.session,
            interrupted: self.interrupted,
            insists: self.insists,
            calls_nothing: self.calls_nothing,
            on: self.on,
            line: &self.line,
        };
        variables.language = inferior.language();
        let result = act(&mut inferior, &mut variables);
        self.session.variables = variables;
        result.map_err(|stop| match stop {
            Stop::Error(reason) => reason,
            Stop::Suspended => String::new(),
        })
    }

    /// The tree of an expression.
    fn parsed(&mut self, text: &str) -> Result<Expression, String> {
        self.with_inferior(|inferior, _| expression(text, &mut TargetNames(inferior)).map_err(Stop::Error))
    }

    /// The value of an expression. It is not added to the history.
    pub(super) fn value(&mut self, text: &str) -> Result<Value, String> {
        let tree = self.parsed(text)?;
        let value = self.with_inferior(|inferior, variables| evaluate::evaluate(&tree, variables, inferior))?;
        for note in self.session.journal.take_notes() {
            self.out.line(format_args!("{note}"));
        }
        Ok(value)
    }

    /// The values of expressions with commas between them.
    pub(super) fn values(&mut self, text: &str) -> Result<Vec<Value>, String> {
        let trees = self.with_inferior(|inferior, _| {
            manhole_expressions::expressions(text, &mut TargetNames(inferior)).map_err(Stop::Error)
        })?;
        let mut values = Vec::new();
        for tree in &trees {
            values.push(self.with_inferior(|inferior, variables| evaluate::evaluate(tree, variables, inferior))?);
        }
        for note in self.session.journal.take_notes() {
            self.out.line(format_args!("{note}"));
        }
        Ok(values)
    }

    /// A value as a number of C's: an integer, an address, or a floating-point number with its format.
    pub(super) fn c_number(&mut self, value: &Value) -> Result<CNumber, String> {
        let value = value.clone();
        self.with_inferior(|inferior, _| {
            inferior.session.journal.close();
            let (_, described) = access::stripped(value.type_id, inferior);
            let format = match &*described {
                Type::Base(base) if base.encoding == Encoding::Float => float::Format::of(base),
                Type::Base(base) if !matches!(base.encoding, Encoding::ComplexFloat | Encoding::ComplexInteger) => None,
                Type::Pointer(_) | Type::Enumeration(_) => None,
                Type::Array { .. } | Type::Function(_) if let Place::Memory(address) = value.place => {
                    return Ok(CNumber::Integer(i128::from(address)));
                }
                _ => return Err(Stop::Error("Value can't be converted to integer.".to_owned())),
            };
            let bytes = match access::bytes(&value, inferior)? {
                Ok(bytes) => bytes,
                Err(_) => return Err(Stop::Error("the value is not known".to_owned())),
            };
            Ok(match format {
                Some(format) => CNumber::Float(bytes, format),
                None if bytes.len() > 8 => {
                    return Err(Stop::Error(
                        "That operation is not available on integers of more than 8 bytes.".to_owned(),
                    ));
                }
                None => CNumber::Integer(access::integer(&bytes, access::is_signed(&described))),
            })
        })
    }

    /// The characters of an array that stands nowhere, as those of a string that was typed do; `None` for any other value.
    pub(super) fn own_characters(&mut self, value: &Value) -> Option<Vec<u8>> {
        let value = value.clone();
        let bytes = self.with_inferior(|inferior, _| {
            inferior.session.journal.close();
            match &*access::stripped(value.type_id, inferior).1 {
                Type::Array { .. } => access::bytes(&value, inferior).map(Result::ok),
                _ => Ok(None),
            }
        });
        bytes.ok().flatten()
    }

    /// An address as a pointer to a type.
    pub(super) fn pointer_to(&mut self, address: u64, to: Type) -> Value {
        let to = self.session.debug.intern(to);
        let pointer = self.session.debug.intern(Type::Pointer(to));
        Value::new(pointer, address.to_le_bytes().to_vec())
    }

    /// gdb's `$_` and `$__`: where `x` has looked last, and what is there.
    pub(super) fn set_examined(&mut self, address: u64, type_id: Option<Type>) {
        let _ = self.with_inferior(|inferior, variables| {
            let of = inferior.intern(type_id.clone().unwrap_or(Type::Void));
            let pointed = match &type_id {
                Some(_) => of,
                None => inferior.intern(examined_type("int8_t", 1)),
            };
            let pointer = inferior.intern(Type::Pointer(pointed));
            let address_bytes = address.to_le_bytes().to_vec();
            variables.set("_", Value::new(pointer, address_bytes));
            let there = match type_id {
                Some(_) => Value::at(of, address),
                None => Value::new(of, Vec::new()),
            };
            variables.set("__", there);
            Ok(())
        });
    }

    /// Adds a value to the history; its number.
    pub(super) fn record(&mut self, value: &Value) -> Result<usize, String> {
        self.with_inferior(|inferior, variables| variables.record(value, inferior))
    }

    /// The type of an expression, or the one that it names. Nothing is called, nothing is written.
    pub(super) fn type_of(&mut self, text: &str) -> Result<(TypeId, bool), String> {
        let tree = self.parsed(text)?;
        let is_type = matches!(tree, Expression::Type(_));
        let type_id = self.with_inferior(|inferior, variables| evaluate::type_of(&tree, variables, inferior))?;
        Ok((type_id, is_type))
    }

    /// The text of a value.
    pub(super) fn shown(&mut self, value: &Value, format: Option<Format>) -> Result<String, String> {
        let options = self.session.options.clone();
        self.shown_with(value, format, &options)
    }

    /// The text of a value under other settings than the session's.
    pub(super) fn shown_with(
        &mut self,
        value: &Value,
        format: Option<Format>,
        options: &Options,
    ) -> Result<String, String> {
        self.with_inferior(|inferior, _| {
            inferior.session.journal.close();
            print::value(value, format, options, inferior)
        })
    }

    /// The text of a value behind its name.
    pub(super) fn shown_named(&mut self, value: &Value) -> Result<String, String> {
        let options = self.session.options.clone();
        self.with_inferior(|inferior, _| {
            inferior.session.journal.close();
            print::named(value, &options, inferior)
        })
    }

    /// A declaration of a name that has the type.
    pub(super) fn declaration(&mut self, type_id: TypeId, name: &str) -> Result<String, String> {
        self.with_inferior(|inferior, _| Ok(print::declaration(type_id, name, inferior)))
    }

    /// What a typedef's name stands for, one step; else the type itself.
    pub(super) fn one_step(&mut self, type_id: TypeId) -> TypeId {
        let mut at = type_id;
        // As gdb has it: without the qualifiers of the typedef.
        for _ in 0..QUALIFIERS {
            match &*self.session.debug.describe(at) {
                Type::Typedef { to, .. } => return *to,
                Type::Const(to) | Type::Volatile(to) => at = *to,
                _ => break,
            }
        }
        type_id
    }

    /// The name of a type.
    pub(super) fn type_name(&mut self, type_id: TypeId) -> Result<String, String> {
        self.with_inferior(|inferior, _| Ok(print::name(type_id, inferior)))
    }

    /// The definition of a type.
    pub(super) fn type_definition(&mut self, type_id: TypeId) -> Result<String, String> {
        let options = self.session.options.clone();
        self.with_inferior(|inferior, _| Ok(print::definition(type_id, &options, inferior)))
    }

    /// The definition of a type with the places of its members.
    pub(super) fn type_with_offsets(&mut self, type_id: TypeId) -> Result<String, String> {
        let text = self.with_inferior(|inferior, _| Ok(print::definition_with_offsets(type_id, inferior)))?;
        text.ok_or_else(|| "ptype/o knows types of C and C++ only".to_owned())
    }

    /// The value of an expression where an address is wanted: arrays, structures, functions and what has no type stand for where they are.
    pub(super) fn address(&mut self, text: &str) -> Result<u64, String> {
        let value = self.value(text)?;
        self.with_inferior(|inferior, _| {
            let (_, described) = access::stripped(value.type_id, inferior);
            let is_place = match &*described {
                Type::Array { .. } | Type::Record(_) | Type::Function(_) => true,
                Type::Unknown(name) => name == DATA_WITHOUT_TYPE || name == evaluate::CODE_WITHOUT_TYPE,
                _ => false,
            };
            if let (true, Place::Memory(address)) = (is_place, &value.place) {
                return Ok(*address);
            }
            let is_number = matches!(
                &*described,
                Type::Pointer(_)
                    | Type::Reference { .. }
                    | Type::Base(_)
                    | Type::Enumeration(_)
                    | Type::MemberPointer { .. }
            );
            match access::bytes(&value, inferior)? {
                Ok(bytes) if is_number && bytes.len() <= 8 => {
                    Ok(access::integer(&bytes, access::is_signed(&described)) as u64)
                }
                Ok(_) => Err(Stop::Error("the value is no address".to_owned())),
                Err(_) => Err(Stop::Error("the value is not known".to_owned())),
            }
        })
    }

    /// The variables of the selected frame, or its parameters; `None` where no debug information knows the frame.
    pub(super) fn frame_variables(&mut self, parameters: bool) -> Option<Vec<(String, Value)>> {
        let interrupted = self.interrupted;
        let view = self.session.view(interrupted)?;
        if !view.is_described() {
            return None;
        }
        // The compiler's own, such as `this`, is a parameter.
        let wanted = view.locals().filter(|local| local.is_parameter == parameters && !local.name.is_empty());
        Some(wanted.filter_map(|local| Some((local.name.clone(), view.value(self.session, local)?))).collect())
    }

    /// The whole path of a source file that the program was made of, by the end of its path.
    pub(super) fn source_file(&mut self, name: &str) -> Option<String> {
        let interrupted = self.interrupted;
        let groups = self.session.nearness(interrupted);
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        groups.iter().find_map(|near| {
            debug.source_file(Look { modules: near, memory: &world.memory, files: &files, stop: interrupted }, name)
        })
    }

    /// Where a function is declared.
    pub(super) fn function_line(&mut self, path: &Path) -> Option<(String, u32)> {
        let interrupted = self.interrupted;
        let groups = self.session.nearness(interrupted);
        let view = self.session.view(interrupted);
        groups.iter().find_map(|near| {
            let (symbols, debug, world) = self.session.all_parts();
            let files = RefCell::new(symbols);
            let look = Look { modules: near, memory: &world.memory, files: &files, stop: interrupted };
            let found = debug.find_function(look, path, view.as_ref().map(|view| view.here()), &mut |_| None);
            found.into_iter().find_map(|function| Some((function.declared.file?, function.declared.line?)))
        })
    }

    /// What is defined and matches: in the program, and in libraries when `program_only` is not said. Whether there was more.
    pub(super) fn listed(
        &mut self,
        kind: Kind,
        matcher: &regex_lite::Regex,
        program_only: bool,
        most: usize,
    ) -> Result<(Vec<Listed>, bool), String> {
        let interrupted = self.interrupted;
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let entry = process::program_entry();
        let mut found = Vec::new();
        for module in &world.modules.modules {
            if program_only && !(module.start..module.end).contains(&entry) {
                continue;
            }
            let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: interrupted };
            let mut wants = |name: &str| match interrupted() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(!name.is_empty() && matcher.is_match(name)),
            };
            let mut each = |listed: Listed| {
                found.push(listed);
                goes_on(found.len() < most)
            };
            let _ = debug.list(look, module, kind, &mut wants, &mut each);
        }
        if interrupted() {
            return Err("interrupted".to_owned());
        }
        let is_cut = found.len() >= most;
        Ok((found, is_cut))
    }

    /// The symbols that match, functions or data, with their addresses.
    pub(super) fn symbols_matching(
        &mut self,
        functions: bool,
        matcher: &regex_lite::Regex,
        program_only: bool,
        most: usize,
    ) -> Vec<(u64, String)> {
        let (symbols, world) = self.session.parts();
        let entry = process::program_entry();
        let mut found = Vec::new();
        symbols.each(&world.modules, &world.memory, &mut |module, symbol| {
            let is_wanted = !program_only || (module.start..module.end).contains(&entry);
            if is_wanted && symbol.is_function == functions && found.len() < most {
                let name = symbol.shown();
                if matcher.is_match(&name) {
                    found.push((symbol.address, name));
                }
            }
        });
        found
    }

    /// The number that a value is, where it is one.
    pub(super) fn number(&mut self, value: &Value) -> Option<i128> {
        let value = value.clone();
        self.with_inferior(|inferior, _| {
            let (_, described) = access::stripped(value.type_id, inferior);
            let is_number = match &*described {
                Type::Pointer(_) | Type::Enumeration(_) => true,
                Type::Base(base) => !matches!(
                    base.encoding,
                    manhole_expressions::types::Encoding::Float | manhole_expressions::types::Encoding::ComplexFloat
                ),
                _ => false,
            };
            let bytes = match access::bytes(&value, inferior)? {
                Ok(bytes) if is_number => bytes,
                _ => return Ok(None),
            };
            Ok(Some(access::integer(&bytes, access::is_signed(&described))))
        })
        .ok()
        .flatten()
    }

    /// Whether a value is `void`: nothing is printed for it, and the history does not get it.
    pub(super) fn is_void(&mut self, value: &Value) -> bool {
        let type_id = value.type_id;
        let is_void =
            self.with_inferior(|inferior, _| Ok(matches!(&*access::stripped(type_id, inferior).1, Type::Void)));
        is_void.unwrap_or(false) && !matches!(value.content, Content::Missing(_))
    }
}
