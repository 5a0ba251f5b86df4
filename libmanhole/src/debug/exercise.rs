//! All that is asked of debug information, for files that are corrupt: every answer is allowed, a panic, an endless loop or a flood is not.
//!
//! Context: unit tests and the fuzzers, never the agent.

use core::ops::{ControlFlow, Range};
use std::rc::Rc;

use manhole_expressions::ast;

use super::*;
use crate::snapshot::Registers;
use crate::symbols::Store;

struct Zeros;

impl Surroundings for Zeros {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        buffer.fill(address as u8);
        !address.is_multiple_of(3)
    }

    fn thread_local(&mut self, _module: u64, offset: u64) -> Option<u64> {
        Some(offset)
    }
}

/// All that is asked of debug information; the number of answers.
pub(crate) fn dwarf<'s>(
    store: &'s Store,
    dwarf: Rc<Dwarf<'s>>,
    code: Range<u64>,
    module: &Module,
    names: &[&str],
) -> usize {
    let symbols = RefCell::new(Symbols::new(store));
    let source = source::Source::new(dwarf);
    let mut debug = Debug::new();
    let image = Rc::new(Image::new(0, module, source));
    debug.images.push((Key::of(module), Some(image)));
    let modules = Modules { mappings: Vec::new(), modules: vec![module.clone()] };
    let memory = Memory::new();
    let look = Look { modules: &modules, memory: &memory, files: &symbols, stop: &|| false };
    let (mut answers, mut numbers) = (0, Vec::new());
    for kind in [Kind::Types, Kind::Variables, Kind::Functions] {
        let _ = debug.list(look, module, kind, &mut |_| ControlFlow::Continue(true), &mut |it| {
            numbers.push(it.type_id);
            if numbers.len() > 400 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    for number in numbers {
        answers += format!("{:?}", debug.describe(number)).len().min(1);
        let complete = debug.complete(look, number);
        answers += usize::from(debug.size_of(complete).is_some());
    }
    let mut registers = Registers::NONE;
    for number in 0..10 {
        registers.set(number, Some(0x7000_0000 + u64::from(number) * 64));
    }
    let step = code.end.saturating_sub(code.start) / 24 + 1;
    for pc in code.step_by(step as usize).map(|address| address.wrapping_add(module.bias)) {
        let caller = Frame { pc: pc.wrapping_add(1), registers: &registers, cfa: Some(5), caller: None };
        let frame = Frame { pc, registers: &registers, cfa: Some(0x7000_1000), caller: Some(&caller) };
        let Some(scopes) = debug.at(look, pc) else { continue };
        let locals = scopes.functions.iter().flat_map(|it| &it.blocks).flat_map(|block| &block.locals);
        for local in locals.collect::<Vec<_>>() {
            let value = debug.value(local, &frame, &mut Zeros);
            answers += usize::from(value.place != manhole_expressions::value::Place::None);
        }
        let here = debug.here(look, pc);
        answers += debug.find_variable(look, &path("same_name"), Some(&here), &mut |_| None).len();
    }
    for name in names {
        answers += debug.find_variable(look, &path(name), None, &mut |_| None).len();
        answers += debug.find_function(look, &path(name), None, &mut |_| None).len();
        answers += debug.find_enumerator(look, &path(name), None).len();
        answers += usize::from(debug.find_type(look, tagged(name).0, &path(tagged(name).1), None).is_some());
    }
    answers
}

/// The tag before a type's name, and the name.
fn tagged(name: &str) -> (Option<ast::Tag>, &str) {
    name.strip_prefix("struct ").map_or((None, name), |name| (Some(ast::Tag::Struct), name))
}

/// The path of a name with its scopes.
fn path(text: &str) -> ast::Path {
    let segments = text.split("::").map(|part| ast::Segment { text: part.to_owned(), quoted: false });
    ast::Path { global: false, segments: segments.collect() }
}
