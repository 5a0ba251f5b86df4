//! How far a register is from the stack pointer at one instruction of a function, from the function's code alone.
//!
//! Context: the agent's thread; pure. A blocked thread shows its stack pointer and nothing else; a function with a frame pointer
//! then hides its frame. But its code says how many bytes it has put between the two. All ways through the code are
//! followed, with every general register as "this symbol plus so many bytes"; where two ways disagree, or where the
//! distance is only known at run time (alloca), there is no answer.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register,
};

use crate::snapshot::RSP;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Distance {
    /// The register minus the stack pointer, in bytes.
    pub(super) from_sp: i64,
    /// It may be up to this much more, as the function has aligned the stack pointer.
    pub(super) slack: u64,
    /// The frame address (the stack pointer before the call) minus the register, where the code tells.
    pub(super) to_cfa: Option<i64>,
}

/// A function's code.
#[derive(Clone, Copy)]
pub(super) struct Function<'a> {
    pub(super) code: &'a [u8],
    pub(super) start: u64,
}

impl Function<'_> {
    /// The distance of `register` (DWARF's number) at `pc`: before the instruction there or, when `pc` is a return
    /// address, at the call that ends there.
    pub(super) fn distance(&self, register: u16, pc: u64, is_return_address: bool) -> Option<Distance> {
        let sought = *general().get(usize::from(register))?;
        let flow = Flow::of(self, pc, is_return_address)?;
        let values = flow.at_pc?;
        let (mut sp, value) = (values.get(Register::RSP)?, values.get(sought)?);
        let mut slack = 0;
        if sp.symbol != value.symbol {
            let (before, most) = flow.alignments.get(&sp.symbol).copied().flatten()?;
            sp = Place { symbol: before.symbol, offset: before.offset.checked_add(sp.offset)? };
            slack = most;
        }
        if sp.symbol != value.symbol {
            return None;
        }
        let to_cfa = (value.symbol == ENTRY).then(|| value.offset.checked_neg()).flatten();
        Some(Distance { from_sp: value.offset.checked_sub(sp.offset)?, slack, to_cfa })
    }
}

/// The symbol for the frame address; others are one more than the code offset of the instruction that made them.
const ENTRY: u64 = 0;

/// A symbol plus bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    symbol: u64,
    offset: i64,
}

/// The general registers by DWARF's number.
const fn general() -> [Register; 16] {
    use Register::{R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
    [RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15]
}

/// What is known of the general registers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Values([Option<Place>; 16]);

impl Values {
    fn at_entry() -> Self {
        let mut values = [None; 16];
        if let Some(sp) = values.get_mut(usize::from(RSP)) {
            *sp = Some(Place { symbol: ENTRY, offset: -8 });
        }
        Values(values)
    }

    fn index(register: Register) -> Option<usize> {
        general().iter().position(|&other| other == register)
    }

    fn get(&self, register: Register) -> Option<Place> {
        self.0.get(Self::index(register)?).copied().flatten()
    }

    fn set(&mut self, register: Register, place: Option<Place>) {
        if let Some(slot) = Self::index(register).and_then(|index| self.0.get_mut(index)) {
            *slot = place;
        }
    }

    /// Adds bytes to a register.
    fn add(&mut self, register: Register, bytes: i64) {
        self.set(register, self.plus(register, bytes));
    }

    fn plus(&self, register: Register, bytes: i64) -> Option<Place> {
        let place = self.get(register)?;
        Some(Place { offset: place.offset.checked_add(bytes)?, ..place })
    }

    /// Gives the stack pointer a new symbol. What was measured from an earlier value of that symbol (a loop) is lost.
    fn restart_sp(&mut self, symbol: u64) {
        for slot in &mut self.0 {
            *slot = slot.filter(|place| place.symbol != symbol);
        }
        self.set(Register::RSP, Some(Place { symbol, offset: 0 }));
    }

    /// Keeps what both agree on; tells whether that was less.
    fn join(&mut self, other: &Values) -> bool {
        let before = self.clone();
        for (slot, other) in self.0.iter_mut().zip(&other.0) {
            *slot = slot.filter(|_| slot == other);
        }
        *self != before
    }
}

/// One pass over a function.
struct Flow<'a> {
    function: Function<'a>,
    pc: u64,
    is_return_address: bool,
    /// Where ways meet: branch targets and what follows a branch.
    leaders: BTreeSet<u64>,
    /// What is known at each leader.
    known: BTreeMap<u64, Values>,
    work: Vec<u64>,
    /// What is known after calls that end a block: used only where no other way leads, as the call may never return.
    after_calls: Vec<(u64, Values)>,
    /// What is known at jumps through tables, and at calls: the states in which hidden ways are taken.
    at_tables: Option<Values>,
    at_calls: Option<Values>,
    at_pc: Option<Values>,
    /// Symbols that stand for an aligned stack pointer: where it was before, and how far down it went at most. `None` if
    /// that differs from way to way.
    alignments: BTreeMap<u64, Option<(Place, u64)>>,
    factory: InstructionInfoFactory,
    /// Instructions that may still be looked at.
    budget: usize,
}

impl<'a> Flow<'a> {
    fn of(function: &Function<'a>, pc: u64, is_return_address: bool) -> Option<Self> {
        let mut flow = Flow {
            function: *function,
            pc,
            is_return_address,
            leaders: BTreeSet::new(),
            known: BTreeMap::new(),
            work: Vec::new(),
            after_calls: Vec::new(),
            at_tables: None,
            at_calls: None,
            at_pc: None,
            alignments: BTreeMap::new(),
            factory: InstructionInfoFactory::new(),
            // Each instruction of the largest function that is looked at, a few times.
            budget: 60_000,
        };
        let hidden = flow.find_leaders();
        flow.reach(function.start, &Values::at_entry());
        flow.run()?;
        while let Some((address, values)) = flow.after_calls.pop() {
            if !flow.known.contains_key(&address) {
                flow.reach(address, &values);
                flow.run()?;
            }
        }
        // Code behind a jump table or a landing pad: entered in the state of the jumps, or of the calls that throw.
        if flow.at_pc.is_none() {
            let values = flow.at_tables.take().or_else(|| flow.at_calls.take())?;
            for address in hidden {
                if !flow.known.contains_key(&address) {
                    flow.reach(address, &values);
                    flow.run()?;
                }
            }
        }
        Some(flow)
    }

    /// One sweep over the code for the places where ways meet; returns those that follow the end of a way.
    fn find_leaders(&mut self) -> Vec<u64> {
        let mut hidden = Vec::new();
        for instruction in self.decoder(self.function.start) {
            match flow_of(&instruction) {
                FlowControl::ConditionalBranch => {
                    self.leaders.insert(instruction.near_branch_target());
                    self.leaders.insert(instruction.next_ip());
                }
                FlowControl::UnconditionalBranch => {
                    self.leaders.insert(instruction.near_branch_target());
                    hidden.push(instruction.next_ip());
                }
                FlowControl::Return | FlowControl::IndirectBranch | FlowControl::Exception => {
                    hidden.push(instruction.next_ip());
                }
                FlowControl::Call | FlowControl::IndirectCall => hidden.push(instruction.next_ip()),
                _ => {}
            }
        }
        self.leaders.extend(&hidden);
        hidden
    }

    fn decoder(&self, address: u64) -> Decoder<'a> {
        let offset = address.checked_sub(self.function.start).and_then(|offset| usize::try_from(offset).ok());
        let code = offset.and_then(|offset| self.function.code.get(offset..)).unwrap_or_default();
        Decoder::with_ip(64, code, address, DecoderOptions::NONE)
    }

    fn is_inside(&self, address: u64) -> bool {
        address.checked_sub(self.function.start).is_some_and(|offset| offset < self.function.code.len() as u64)
    }

    /// A way leads to `address` with these values.
    fn reach(&mut self, address: u64, values: &Values) {
        if !self.is_inside(address) {
            return;
        }
        match self.known.get_mut(&address) {
            Some(known) => {
                if known.join(values) {
                    self.work.push(address);
                }
            }
            None => {
                self.known.insert(address, values.clone());
                self.work.push(address);
            }
        }
    }

    /// Follows all ways until nothing new is learnt.
    fn run(&mut self) -> Option<()> {
        while let Some(address) = self.work.pop() {
            let values = self.known.get(&address)?.clone();
            self.block(address, values)?;
        }
        Some(())
    }

    /// Follows one way up to the next place where ways meet.
    fn block(&mut self, start: u64, mut values: Values) -> Option<()> {
        let mut previous = Instruction::default();
        for instruction in self.decoder(start) {
            self.budget = self.budget.checked_sub(1)?;
            if instruction.is_invalid() {
                return Some(());
            }
            if instruction.ip() != start && self.leaders.contains(&instruction.ip()) {
                self.reach(instruction.ip(), &values);
                return Some(());
            }
            let flow = flow_of(&instruction);
            let is_call = matches!(flow, FlowControl::Call | FlowControl::IndirectCall);
            let is_here = match self.is_return_address {
                false => instruction.ip() == self.pc,
                true => is_call && instruction.next_ip() == self.pc,
            };
            if is_here {
                join(&mut self.at_pc, &values);
            }
            match flow {
                FlowControl::UnconditionalBranch => {
                    self.reach(instruction.near_branch_target(), &values);
                    return Some(());
                }
                FlowControl::ConditionalBranch => {
                    // A loop that touches each page of a large frame ends where the stack pointer has come down to a limit.
                    match probe_limit(&previous, &instruction, &values) {
                        Some(limit) => values.set(Register::RSP, Some(limit)),
                        None => self.reach(instruction.near_branch_target(), &values),
                    }
                    self.reach(instruction.next_ip(), &values);
                    return Some(());
                }
                FlowControl::IndirectBranch => {
                    join(&mut self.at_tables, &values);
                    return Some(());
                }
                FlowControl::Return | FlowControl::Exception => return Some(()),
                FlowControl::Call | FlowControl::IndirectCall => {
                    join(&mut self.at_calls, &values);
                    for register in [0, 1, 2, 4, 5, 8, 9, 10, 11] {
                        if let Some(slot) = values.0.get_mut(register) {
                            *slot = None;
                        }
                    }
                    self.after_calls.push((instruction.next_ip(), values));
                    return Some(());
                }
                _ => self.apply(&instruction, &mut values),
            }
            previous = instruction;
        }
        Some(())
    }

    /// What an instruction that goes on to the next one does to the registers.
    fn apply(&mut self, instruction: &Instruction, values: &mut Values) {
        use Register::{RBP, RSP};
        let target = instruction.op0_register();
        let to_register = instruction.op0_kind() == OpKind::Register;
        let immediate = || {
            matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64)
                .then(|| instruction.immediate(1).cast_signed())
        };
        match instruction.mnemonic() {
            Mnemonic::Push | Mnemonic::Pushfq => {
                return values.add(RSP, i64::from(instruction.stack_pointer_increment()));
            }
            Mnemonic::Pop if to_register && target != RSP => {
                values.add(RSP, i64::from(instruction.stack_pointer_increment()));
                return values.set(target.full_register(), None);
            }
            Mnemonic::Leave => {
                values.set(RSP, values.plus(RBP, 8));
                return values.set(RBP, None);
            }
            Mnemonic::Mov if to_register && instruction.op1_kind() == OpKind::Register && target.is_gpr64() => {
                if let Some(place) = values.get(instruction.op1_register()) {
                    return values.set(target, Some(place));
                }
            }
            Mnemonic::Lea if target.is_gpr64() && instruction.memory_index() == Register::None => {
                let bytes = instruction.memory_displacement64().cast_signed();
                if let Some(place) = values.plus(instruction.memory_base(), bytes) {
                    return values.set(target, Some(place));
                }
            }
            Mnemonic::Sub | Mnemonic::Add if to_register && target.is_gpr64() => {
                if let Some(bytes) = immediate() {
                    let bytes = if instruction.mnemonic() == Mnemonic::Sub { bytes.checked_neg() } else { Some(bytes) };
                    return values.set(target, bytes.and_then(|bytes| values.plus(target, bytes)));
                }
            }
            // The kernel's result; the decoder's tables name only what the instruction itself writes.
            Mnemonic::Syscall => values.set(Register::RAX, None),
            _ => {}
        }
        let symbol = instruction.ip().wrapping_sub(self.function.start).wrapping_add(1);
        if instruction.mnemonic() == Mnemonic::And && target == RSP {
            let aligned = values.get(RSP).zip(immediate().and_then(most_lost));
            let known = self.alignments.entry(symbol).or_insert(aligned);
            *known = known.filter(|known| aligned == Some(*known));
        }
        let mut new_sp = false;
        for used in self.factory.info(instruction).used_registers() {
            let written =
                !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
            if written {
                let full = used.register().full_register();
                new_sp |= full == RSP;
                values.set(full, None);
            }
        }
        if new_sp {
            values.restart_sp(symbol);
        }
    }
}

/// How far a mask moves a stack pointer (a multiple of 8) down at most, if it aligns to no more than vectors need.
fn most_lost(mask: i64) -> Option<u64> {
    const LARGEST: u64 = 256;
    let alignment = mask.unsigned_abs();
    (mask < 0 && alignment.is_power_of_two() && alignment <= LARGEST).then(|| alignment.saturating_sub(8))
}

/// Where an instruction leads; the decoder counts system calls as calls.
fn flow_of(instruction: &Instruction) -> FlowControl {
    if instruction.mnemonic() == Mnemonic::Syscall { FlowControl::Next } else { instruction.flow_control() }
}

/// Where the stack pointer is after `cmp rsp, limit; jne back`.
fn probe_limit(compare: &Instruction, branch: &Instruction, values: &Values) -> Option<Place> {
    let is_probe = compare.code() == Code::Cmp_r64_rm64 || compare.code() == Code::Cmp_rm64_r64;
    if !is_probe || branch.mnemonic() != Mnemonic::Jne || branch.near_branch_target() >= branch.ip() {
        return None;
    }
    let (left, right) = (compare.op0_register(), compare.op1_register());
    let other = if left == Register::RSP {
        right
    } else if right == Register::RSP {
        left
    } else {
        return None;
    };
    values.get(other)
}

fn join(slot: &mut Option<Values>, values: &Values) {
    match slot {
        Some(known) => {
            known.join(values);
        }
        None => *slot = Some(values.clone()),
    }
}
