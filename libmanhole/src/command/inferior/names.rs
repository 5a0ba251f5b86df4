//! What a name stands for: the selected frame's variables first, then what the option `locals` names, then globals, then symbols.
//!
//! Context: the agent's thread.

use core::cell::RefCell;

use manhole_expressions::ast::{Expression, Path};
use manhole_expressions::evaluate::{self, Variables};
use manhole_expressions::target::{Found, Overload, Stop};
use manhole_expressions::types::{Type, TypeId};
use manhole_expressions::value::{Missing, Value};

use super::{Inferior, prototypes};
use crate::debug::{FoundFunction, FoundVariable, Look, Match, Storage};
use crate::modules::Modules;
use crate::symbols::Symbol;
use crate::sys::process;

/// Things of one name that are listed.
const LISTED: usize = 20;

impl Inferior<'_, '_> {
    pub(super) fn find_name(&mut self, path: &Path) -> Result<Found, Stop> {
        let view = self.view();
        if let (Some(name), Some(view)) = (path.single(), &view)
            && let Some(local) = view.locals().find(|local| local.name == name)
            && let Some(value) = view.value(self.session, local)
        {
            return Ok(Found::Variable(value));
        }
        if let Some(text) = path.single().and_then(|name| self.session.local(name)) {
            return Ok(Found::Expression(text.to_owned()));
        }
        // A name of the frame's own module hides those of others, as does the program's those of its libraries. What is some other unit's own
        // there hides nothing: a program that waits in the C library means its own names.
        let mut others_own = None;
        let groups = self.session.nearness(self.interrupted);
        for (distance, near) in groups.iter().enumerate() {
            let is_last = distance + 1 == groups.len();
            // The program's symbols hide what libraries describe.
            if is_last
                && others_own.is_none()
                && let Some(found) = self.symbol_of_program(path)
            {
                return Ok(found);
            }
            match self.global(path, near)? {
                Some((found, Reach::OtherUnit)) if distance == 0 => others_own = Some(found),
                // What all can use, but nobody describes, is more than what is some unit's own.
                Some((found, Reach::OtherUnit)) if is_last => {
                    let symbol = self.symbol(path, true);
                    others_own.get_or_insert(if symbol == Found::Nothing { found } else { symbol });
                }
                Some((found, _)) => return Ok(found),
                None => {}
            }
        }
        if let Some(found) = others_own {
            return Ok(found);
        }
        let (_, debug, _) = self.session.all_parts();
        let gave_up = debug.take_gave_up();
        match self.symbol(path, false) {
            Found::Nothing if gave_up => {
                Err(Stop::Error(format!("{path} was not found: the search took too long, or was interrupted")))
            }
            found => Ok(found),
        }
    }

    /// What a name stands for in some modules; `None` when it is none of theirs.
    fn global(&mut self, path: &Path, near: &Modules) -> Result<Option<(Found, Reach)>, Stop> {
        let view = self.view();
        let here = view.as_ref().map(|view| &view.here);
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: near, memory: &world.memory, files: &files, stop: self.interrupted };
        // A function is declared in many units, and is looked for once.
        let mut known = std::collections::BTreeMap::new();
        let mut resolve = |name: &str| {
            let find = || {
                let found = files.try_borrow_mut().ok()?.find(&world.modules, &world.memory, name);
                found.first().map(|symbol| symbol.address)
            };
            *known.entry(name.to_owned()).or_insert_with(find)
        };
        // Where the symbol tables know a function of this name, a variable of it is not looked for first.
        let text = path.to_string();
        let is_function = near.modules.iter().any(|module| {
            let found = look.files.find(near, &world.memory, module, text.trim_start_matches("::"));
            found.iter().any(|symbol| symbol.is_function) && found.iter().all(|symbol| symbol.is_function)
        });
        if is_function {
            let functions = debug.find_function(look, path, here, &mut resolve);
            if functions.first().is_some_and(|it| it.matched == Match::Exact) {
                let found = functions.into_iter().filter(|it| it.matched == Match::Exact).collect();
                return Ok(Some(overloads(found)));
            }
        }
        let variables = debug.find_variable(look, path, here, &mut resolve);
        if variables.first().is_some_and(|it| it.matched == Match::Exact) {
            let found = variables.into_iter().filter(|it| it.matched == Match::Exact).collect();
            return self.variable(found).map(Some);
        }
        let functions = debug.find_function(look, path, here, &mut resolve);
        let enumerators = debug.find_enumerator(look, path, here);
        // Who is named in full wins; among equals a variable, which a function could not share its scope with.
        for matched in [Match::Exact, Match::Used] {
            if variables.first().is_some_and(|it| it.matched == matched) {
                let found = variables.into_iter().filter(|it| it.matched == matched).collect();
                return self.variable(found).map(Some);
            }
            if functions.first().is_some_and(|it| it.matched == matched) {
                return Ok(Some(overloads(functions.into_iter().filter(|it| it.matched == matched).collect())));
            }
            if let Some(enumerator) = enumerators.first().filter(|it| it.matched == matched) {
                let found = Found::Enumerator { type_id: enumerator.type_id, value: enumerator.value };
                return Ok(Some((found, Reach::All)));
            }
        }
        Ok(debug.find_type(look, None, path, here).map(|found| (Found::Type(found), Reach::All)))
    }

    fn variable(&mut self, found: Vec<FoundVariable>) -> Result<(Found, Reach), Stop> {
        let reach = Reach::of(found.iter().any(|it| it.is_here || it.is_external));
        self.one_of(found).map(|found| (found, reach))
    }

    fn one_of(&mut self, mut found: Vec<FoundVariable>) -> Result<Found, Stop> {
        // The frame's own unit, or what all units share, is meant; else nothing tells them apart.
        let nearest = found.first().is_some_and(|it| it.is_here || it.is_external || it.matched != Match::Exact);
        if nearest {
            found.truncate(1);
        }
        if found.len() > 1 {
            let lines = found.iter().take(LISTED).map(|it| format!("'{}'::{}", file_name(&it.unit), it.name));
            return Ok(Found::Ambiguous(lines.collect()));
        }
        let Some(found) = found.pop() else { return Ok(Found::Nothing) };
        let type_id = found.type_id;
        // Where only lines were wanted (`-g1`) nobody says what it is; no variable is void.
        if let Storage::Address(address) = found.storage
            && matches!(&*self.session.debug.describe(type_id), Type::Void)
        {
            return Ok(Found::Symbol { name: found.name, address, size: 0, is_function: false, type_id: None });
        }
        Ok(Found::Variable(match found.storage {
            Storage::Address(address) => {
                let name = found.linkage.as_deref().unwrap_or(&found.name);
                let copied = if found.is_external { self.session.copied(address, name) } else { None };
                Value::at(type_id, copied.unwrap_or(address))
            }
            Storage::Constant(bytes) => Value::new(type_id, bytes),
            Storage::ThreadLocal { module, offset } => Value::at(type_id, self.thread_local(module, offset)?),
            Storage::OptimizedOut => Value::missing(type_id, Missing::OptimizedOut),
            Storage::Declared => {
                return Err(Stop::Error(format!(
                    "{} is only declared: its definition is in no debug information",
                    found.name
                )));
            }
            Storage::Unsupported(what) => {
                return Err(Stop::Error(format!("where {} is cannot be understood: {what}", found.name)));
            }
        }))
    }

    /// The address of the selected thread's own variable, by its place in the module's thread-local storage.
    fn thread_local(&mut self, module: u64, offset: u64) -> Result<u64, Stop> {
        let tid = self.view().map(|view| view.stack.thread.tid);
        let tid =
            tid.ok_or_else(|| Stop::Error("no thread could be seen, and the variable is a thread's own".to_owned()))?;
        let (symbols, _, world) = self.session.all_parts();
        super::thread_local::variable(symbols, world, tid, module, offset).map_err(Stop::Error)
    }

    /// The function that debug information describes at the beginning of its code.
    pub(super) fn function_of(&mut self, address: u64) -> Option<FoundFunction> {
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: self.interrupted };
        debug.function_of(look, address)
    }

    /// What the compiler has done to a function, if it is not called as it is declared.
    pub(super) fn changed(&mut self, function: u64) -> Option<String> {
        // What compilers put behind the names of variants whose parameters or results differ.
        const VARIANTS: [&str; 7] =
            [".constprop.", ".isra.", ".part.", ".specialized.", ".argprom", ".argelim", ".retelim"];
        let symbol = self.session.symbol_at(function).filter(|symbol| symbol.address == function);
        if let Some(symbol) = symbol.filter(|symbol| VARIANTS.iter().any(|part| symbol.name.contains(part))) {
            return Some(format!("the compiler has made {} of it", symbol.name));
        }
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: self.interrupted };
        debug.changed(look, function)
    }

    /// What the program's symbol table knows, and other modules can use.
    fn symbol_of_program(&mut self, path: &Path) -> Option<Found> {
        let name = path.to_string();
        let name = name.trim_start_matches("::");
        let program = Modules::of(self.session.modules(), process::program_entry())?;
        let (symbols, _, world) = self.session.all_parts();
        let found = symbols.find(&program, &world.memory, name);
        if let Some(symbol) = found.first().filter(|symbol| symbol.is_external) {
            return Some(self.of_symbol(symbol));
        }
        match self.thread_local_symbol(name, Some(&program)) {
            Found::Nothing => None,
            found => Some(found),
        }
    }

    /// What only the symbol tables know. `for_all`: no thread-local one, and none that is some unit's own.
    fn symbol(&mut self, path: &Path, for_all: bool) -> Found {
        let name = path.to_string();
        let name = name.trim_start_matches("::");
        let found = self.session.find(name);
        match found.first().filter(|symbol| symbol.is_external || !for_all) {
            Some(symbol) => self.of_symbol(symbol),
            None if for_all => Found::Nothing,
            None => self.thread_local_symbol(name, None),
        }
    }

    fn of_symbol(&mut self, symbol: &Symbol) -> Found {
        // An alias of a function that is described has its type; one of ours, that of the function in whose place it stands.
        if symbol.is_function && !symbol.is_indirect {
            let others = if self.is_ours(symbol.address) { self.session.find(&symbol.name) } else { Vec::new() };
            let mut all = core::iter::once(symbol).chain(&others);
            if let Some(function) = all.find_map(|symbol| self.function_of(symbol.address)) {
                return Found::Function { address: symbol.address, type_id: function.type_id, name: symbol.shown() };
            }
        }
        let (shown, address, size, is_function) = (symbol.shown(), symbol.address, symbol.size, symbol.is_function);
        let text = match self.is_of_c_library(address) || self.is_ours(address) {
            false => None,
            true if is_function => prototypes::of(&symbol.name),
            true => prototypes::of_variable(&symbol.name),
        };
        let type_id = text.and_then(|text| self.type_of(text));
        Found::Symbol { name: shown, address, size, is_function, type_id }
    }

    /// A thread-local variable that only the symbol tables know; `errno` above all.
    fn thread_local_symbol(&mut self, name: &str, among: Option<&Modules>) -> Found {
        let (symbols, _, world) = self.session.all_parts();
        let among = among.unwrap_or(&world.modules);
        let Some((module, offset, size)) = symbols.find_thread_local(among, &world.memory, name) else {
            return Found::Nothing;
        };
        let Ok(address) = self.thread_local(module, offset) else { return Found::Nothing };
        let text = if self.is_of_c_library(module) { prototypes::of_variable(name) } else { None };
        let type_id = text.and_then(|text| self.type_of(text));
        Found::Symbol { name: name.to_owned(), address, size, is_function: false, type_id }
    }

    /// Whether the address is in this library, which stands before some functions of the C library's.
    fn is_ours(&mut self, address: u64) -> bool {
        let own = file_name as *const () as u64;
        self.session.modules().module(address).is_some_and(|module| (module.start..module.end).contains(&own))
    }

    fn is_of_c_library(&mut self, address: u64) -> bool {
        let name = self.session.modules().module(address).map(|module| module.name().to_owned()).unwrap_or_default();
        ["libc.so", "libc-", "libm.so", "libm-", "libpthread", "libdl", "ld-", "ld.so"]
            .iter()
            .any(|known| name.starts_with(known))
    }

    /// The type that C's own words spell.
    fn type_of(&mut self, text: &str) -> Option<TypeId> {
        let name = manhole_expressions::type_name(text, &mut prototypes::NoNames).ok()?;
        evaluate::type_of(&Expression::Type(name), &mut Variables::default(), self).ok()
    }
}

/// The functions of one name.
/// From where a name that was found is to be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    All,
    /// It is static in a unit that is not the frame's.
    OtherUnit,
}

impl Reach {
    fn of(is_for_all: bool) -> Reach {
        if is_for_all { Reach::All } else { Reach::OtherUnit }
    }
}

fn overloads(found: Vec<FoundFunction>) -> (Found, Reach) {
    let reach = Reach::of(found.iter().any(|it| it.is_here || it.is_external));
    (one_or_all(found), reach)
}

fn one_or_all(found: Vec<FoundFunction>) -> Found {
    let mut all: Vec<Overload> = found
        .into_iter()
        .filter_map(|it| {
            Some(Overload { address: it.address?, type_id: it.type_id, name: it.in_full.unwrap_or(it.name) })
        })
        .collect();
    match all.len() {
        0 => Found::Nothing,
        1 => match all.pop() {
            Some(Overload { address, type_id, name }) => Found::Function { address, type_id, name },
            None => Found::Nothing,
        },
        _ => Found::Overloads(all),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
