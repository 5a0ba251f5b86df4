//! Values -> what the gate loads, and what it has kept -> a value (System V ABI of x86-64, 3.2.3).
//!
//! Context: the agent's thread. Pure but for what is asked of the target.

use manhole_expressions::Target;
use manhole_expressions::access::{self, size_of, stripped};
use manhole_expressions::target::Stop;
use manhole_expressions::types::{Encoding, Language, Type, TypeId};
use manhole_expressions::value::{Place, Value};

use super::arch::{Gate, INTEGERS, VECTORS};
use super::classes::{Class, Passing, passing};
use super::rust::{self, Part};

/// The most that the arguments of a call may take on the stack, in bytes.
const STACK: usize = 64 * 1024;

/// What any object may be aligned to.
pub(crate) const ALIGNMENT: usize = 64;

/// A call that is ready to be made.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) gate: Box<Gate>,
    /// The words of the stack; an even number.
    pub(super) stack: Vec<u64>,
    /// The memory for the result, where it is not in registers, and where in it the result is.
    room: Option<Box<[u8]>>,
    place: u64,
    /// Copies of arguments that travel by their addresses.
    copies: Vec<Vec<u64>>,
    returns: TypeId,
    result: Passing,
    result_size: usize,
    /// Whether the call runs with the signals open that the host's own threads have open: what it raises in its own thread arrives.
    pub(crate) opens_signals: bool,
}

impl Call {
    /// Makes a call of the function at `address` ready. The arguments have the types of its parameters already.
    pub(crate) fn new(
        address: u64,
        function_type: TypeId,
        arguments: &[Value],
        target: &mut dyn Target,
    ) -> Result<Call, Stop> {
        let (_, described) = stripped(function_type, target);
        let Type::Function(function) = &*described else {
            return Err(Stop::Error("what is called is no function".to_owned()));
        };
        let returns = function.returns;
        let travels = |type_id, is_result: bool, target: &mut dyn Target| match function.is_of_rust {
            true => rust::travels(type_id, is_result, target),
            false => passing(type_id, target),
        };
        let result = travels(returns, true, target).map_err(|what| cannot("return", &what))?;
        let result_size = match &result {
            Passing::Nothing if matches!(&*stripped(returns, target).1, Type::Void) => 0,
            _ => usize::try_from(size_of(returns, target).unwrap_or(0)).unwrap_or(0),
        };
        let mut call = Call {
            gate: Box::new(Gate::of(address)),
            stack: Vec::new(),
            room: None,
            place: 0,
            copies: Vec::new(),
            returns,
            result,
            result_size,
            opens_signals: false,
        };
        let mut registers = Registers::default();
        match call.result {
            Passing::Memory | Passing::Reference => {
                // What the object has of pointers into itself must stay right, so it is not moved.
                let room = vec![0; result_size.saturating_add(ALIGNMENT)].into_boxed_slice();
                let place = (room.as_ptr() as u64).next_multiple_of(ALIGNMENT as u64);
                registers.integer(&mut call.gate, place);
                call.place = place;
                call.room = Some(room);
            }
            Passing::ComplexX87 => call.gate.x87_results = 2,
            Passing::Registers(ref classes) if classes.first() == Some(&Class::X87) => call.gate.x87_results = 1,
            _ => {}
        }
        for argument in arguments {
            let way = travels(argument.type_id, false, target).map_err(|what| cannot("pass", &what))?;
            call.add(argument, way, &mut registers, target)?;
        }
        call.gate.vectors_used = registers.vectors as u64;
        if !call.stack.len().is_multiple_of(2) {
            call.stack.push(0);
        }
        Ok(call)
    }

    /// What the handler of a fault needs.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Makes the call.
    ///
    /// # Safety
    /// The function may be called, and the person at the prompt has asked for what it does to the process.
    #[allow(unsafe_code, reason = "the gate's own word")]
    pub(crate) unsafe fn pass(&mut self) {
        // SAFETY: the caller's word.
        unsafe { self.gate.pass(&self.stack) }
    }

    /// Whether it was abandoned instead of having returned.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.gate.is_abandoned != 0
    }

    fn add(
        &mut self,
        argument: &Value,
        way: Passing,
        registers: &mut Registers,
        target: &mut dyn Target,
    ) -> Result<(), Stop> {
        let bytes = match access::bytes(argument, target)? {
            Ok(bytes) => widened(bytes, &stripped(argument.type_id, target).1),
            Err(_) => return Err(Stop::Error("an argument's value is not known".to_owned())),
        };
        match way {
            Passing::Nothing => {}
            Passing::Apart(parts) => {
                for part in parts {
                    let word = piece(&bytes, part).first().copied().unwrap_or(0);
                    let class = if part.is_float { Class::Sse } else { Class::Integer };
                    match registers.have_room(&[class]) {
                        true => registers.load(&mut self.gate, &[class], &word.to_le_bytes()),
                        false => self.stack.push(word),
                    }
                }
            }
            Passing::Pointer => {
                let mut copy = words(&bytes);
                copy.push(0);
                let start = copy.as_ptr() as u64;
                let address = start.next_multiple_of(16);
                if address != start {
                    copy.rotate_right(1);
                }
                self.copies.push(copy);
                if !registers.integer(&mut self.gate, address) {
                    self.stack.push(address);
                }
            }
            Passing::Reference => {
                let Place::Memory(object) = argument.place else {
                    return Err(cannot("pass", "an object that is not in memory"));
                };
                if !registers.integer(&mut self.gate, object) {
                    self.stack.push(object);
                }
            }
            Passing::Registers(classes) if !classes.contains(&Class::X87) && registers.have_room(&classes) => {
                registers.load(&mut self.gate, &classes, &bytes);
            }
            Passing::Registers(_) | Passing::Memory | Passing::ComplexX87 => {
                if align_of(argument.type_id, 32, target) > 8 && !self.stack.len().is_multiple_of(2) {
                    self.stack.push(0);
                }
                self.stack.extend(words(&bytes));
            }
        }
        if self.stack.len().saturating_mul(8) > STACK {
            return Err(Stop::Error(format!("the arguments take more than {STACK} bytes of stack")));
        }
        Ok(())
    }

    /// The size of the object that it returns in memory, in bytes.
    pub(crate) fn object_size(&self) -> usize {
        self.room.as_ref().filter(|_| self.result == Passing::Reference).map_or(0, |room| room.len())
    }

    /// Takes the memory of an object that was returned in it, once the call has: it must stay where it is as long as the object is used.
    pub(crate) fn take_object(&mut self) -> Option<Box<[u8]>> {
        self.room.take_if(|_| self.result == Passing::Reference)
    }

    /// What was returned, once the gate has been passed.
    pub(crate) fn result(&self, target: &mut dyn Target) -> Result<Value, Stop> {
        let gate = &self.gate;
        let mut bytes = Vec::new();
        match &self.result {
            Passing::Nothing | Passing::Pointer => bytes.resize(self.result_size, 0),
            Passing::Apart(parts) => {
                bytes.resize(self.result_size, 0);
                let (mut integers, mut vectors) = ([gate.rax, gate.rdx].into_iter(), gate.xmm.iter());
                for part in parts {
                    let word = match part.is_float {
                        true => vectors.next().map_or(0, |vector| vector[0]),
                        false => integers.next().unwrap_or(0),
                    };
                    let start = usize::try_from(part.offset).unwrap_or(usize::MAX);
                    let size = usize::try_from(part.size).unwrap_or(0);
                    let place = bytes.iter_mut().skip(start).take(size);
                    place.zip(word.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
                }
            }
            // C's functions give back the address that they were given, Rust's need not.
            Passing::Reference => return Ok(Value::at(self.returns, self.place)),
            Passing::Memory => {
                bytes.resize(self.result_size, 0);
                if target.read(self.place, &mut bytes).is_err() {
                    return Err(access::cannot_access(self.place));
                }
            }
            Passing::ComplexX87 => gate.st.iter().flatten().for_each(|word| bytes.extend(word.to_le_bytes())),
            Passing::Registers(classes) => {
                let (mut integers, mut vectors) = ([gate.rax, gate.rdx].into_iter(), gate.xmm.iter());
                let mut vector = [0; 2];
                for class in classes {
                    let word = match class {
                        Class::Integer => integers.next().unwrap_or(0),
                        Class::Sse => {
                            vector = vectors.next().copied().unwrap_or_default();
                            vector[0]
                        }
                        Class::SseUp => vector[1],
                        Class::X87 => gate.st[0][0],
                        Class::X87Up => gate.st[0][1] & 0xffff,
                        Class::None | Class::Memory => 0,
                    };
                    bytes.extend(word.to_le_bytes());
                }
            }
        }
        bytes.truncate(self.result_size);
        Ok(Value::new(self.returns, bytes))
    }
}

fn cannot(act: &str, what: &str) -> Stop {
    Stop::Error(format!("a function that would {act} {what} cannot be called"))
}

/// Which argument registers are taken.
#[derive(Default)]
struct Registers {
    integers: usize,
    vectors: usize,
}

impl Registers {
    fn have_room(&self, classes: &[Class]) -> bool {
        let count = |wanted: Class| classes.iter().filter(|class| **class == wanted).count();
        self.integers + count(Class::Integer) <= INTEGERS && self.vectors + count(Class::Sse) <= VECTORS
    }

    fn integer(&mut self, gate: &mut Gate, word: u64) -> bool {
        let Some(slot) = gate.integers.get_mut(self.integers) else { return false };
        *slot = word;
        self.integers += 1;
        true
    }

    fn load(&mut self, gate: &mut Gate, classes: &[Class], bytes: &[u8]) {
        for (class, word) in classes.iter().zip(words(bytes)) {
            match class {
                Class::Integer => {
                    self.integer(gate, word);
                }
                Class::Sse => {
                    if let Some(slot) = gate.vectors.get_mut(self.vectors) {
                        *slot = [word, 0];
                    }
                    self.vectors += 1;
                }
                Class::SseUp => {
                    if let Some([_, upper]) = self.vectors.checked_sub(1).and_then(|at| gate.vectors.get_mut(at)) {
                        *upper = word;
                    }
                }
                _ => {}
            }
        }
    }
}

/// A small integer as a word: compilers other than gcc expect the caller to have extended it.
fn widened(bytes: Vec<u8>, described: &Type) -> Vec<u8> {
    let is_integer = match described {
        Type::Base(base) => !matches!(base.encoding, Encoding::Float | Encoding::ComplexFloat),
        described => matches!(described, Type::Enumeration(_)),
    };
    if is_integer && bytes.len() < 8 {
        access::integer_bytes(access::integer(&bytes, access::is_signed(described)), 8)
    } else {
        bytes
    }
}

/// The bytes of a part, as words.
fn piece(bytes: &[u8], part: Part) -> Vec<u64> {
    let start = usize::try_from(part.offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = usize::try_from(part.offset.saturating_add(part.size)).unwrap_or(usize::MAX).min(bytes.len());
    words(bytes.get(start..end).unwrap_or_default())
}

/// Bytes as words, the last one filled up with zeros.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        for (slot, byte) in word.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        u64::from_le_bytes(word)
    };
    bytes.chunks(8).map(word).collect()
}

/// The alignment of a type in bytes, as far as it can be known from its members: debug information rarely says more.
fn align_of(type_id: TypeId, depth: usize, target: &mut dyn Target) -> u64 {
    let Some(depth) = depth.checked_sub(1) else { return 8 };
    match &*stripped(type_id, target).1 {
        Type::Base(base) if base.encoding == Encoding::ComplexFloat => (base.size / 2).max(1),
        Type::Base(base) => base.size.max(1),
        Type::Array { is_vector: true, .. } => size_of(type_id, target).unwrap_or(16),
        Type::Array { of, .. } => align_of(*of, depth, target),
        Type::Record(record) if record.language != Language::Rust || !record.members.is_empty() => {
            record.members.iter().map(|member| align_of(member.type_id, depth, target)).max().unwrap_or(1)
        }
        Type::Enumeration(enumeration) => enumeration.size.max(1),
        _ => 8,
    }
}
