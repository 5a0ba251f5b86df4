//! One row of call frame information in compact form, and how it turns a frame's registers into its caller's.
//!
//! Context: the agent's thread. Reads the stack only from the copy; decides nothing about what a good stack looks like.

use gimli::{EndianSlice, EvaluationResult, LittleEndian, Location, Value};

use crate::snapshot::{REGISTERS, RIP, RSP, Registers, StackCopy};

/// The registers that a function hands back as it found them (System V ABI, "Registers and the Stack Frame"): rbx, rbp,
/// r12 to r15. Without a rule they keep their value; all others are lost.
const PRESERVED: [u16; 6] = [3, 6, 12, 13, 14, 15];

/// How to find a frame's canonical frame address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CfaRule {
    /// A register plus an offset.
    Register(u16, i64),
    /// The result of a DWARF expression.
    Expression(Box<[u8]>),
}

/// How to find the caller's value of one register (DWARF 5, 6.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RegisterRule {
    Undefined,
    Same,
    /// Saved at the frame address plus this.
    Offset(i64),
    /// The frame address plus this.
    ValOffset(i64),
    /// In another register.
    Register(u16),
    /// Saved where the expression says.
    Expression(Box<[u8]>),
    /// The result of the expression.
    ValExpression(Box<[u8]>),
}

/// The rules that hold at one program counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) cfa: CfaRule,
    /// The rules that differ from the default, by register; the return address is [`RIP`].
    pub(super) registers: Vec<(u16, RegisterRule)>,
    /// Whether this is a signal handler's return trampoline: its "caller" was interrupted, it did not call.
    pub(super) is_signal: bool,
}

/// Why a rule gave no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The value of this register is needed and not known.
    Register(u16),
    /// The word at this address is needed and not in the copy.
    Stack(u64),
    /// The rule or its expression makes no sense.
    Sense(&'static str),
}

impl Rule {
    /// What the kernel leaves on the stack for `rt_sigreturn`, for trampolines without call frame information (musl):
    /// the stack pointer stands at the `ucontext`, whose machine context starts at byte 40 (asm/ucontext.h,
    /// asm/sigcontext.h).
    pub(super) fn of_kernel_signal_frame() -> Rule {
        // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip in DWARF's numbers.
        const ORDER: [u16; REGISTERS] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, RSP, RIP];
        let saved = |(i, register): (i64, u16)| (register, RegisterRule::Offset(40 + 8 * i));
        Rule { cfa: CfaRule::Register(RSP, 0), registers: (0..).zip(ORDER).map(saved).collect(), is_signal: true }
    }

    /// Whether the rules say that nothing called this frame.
    pub(super) fn is_thread_start(&self) -> bool {
        self.rule(RIP) == Some(&RegisterRule::Undefined)
    }

    /// The canonical frame address of the frame with these registers.
    pub(super) fn cfa(&self, registers: &Registers, stack: &StackCopy) -> Result<u64, Missing> {
        match &self.cfa {
            CfaRule::Register(register, offset) => {
                let base = registers.get(*register).ok_or(Missing::Register(*register))?;
                base.checked_add_signed(*offset).ok_or(Missing::Sense("its frame address overflows"))
            }
            CfaRule::Expression(code) => evaluate(code, None, registers, stack),
        }
    }

    /// The caller's registers.
    pub(super) fn caller(&self, cfa: u64, registers: &Registers, stack: &StackCopy) -> Result<Registers, Missing> {
        let mut caller = Registers::default();
        for register in PRESERVED {
            caller.set(register, registers.get(register));
        }
        caller.set(RSP, Some(cfa));
        if self.rule(RIP).is_none() {
            return Err(Missing::Sense("its call frame information has no return address"));
        }
        for (register, rule) in &self.registers {
            match self.value(rule, *register, cfa, registers, stack) {
                Ok(value) => caller.set(*register, value),
                // Saved where the copy does not reach yet: it may come. Elsewhere: only the register is lost.
                Err(Missing::Stack(address)) if (stack.end()..stack.limit).contains(&address) => {
                    return Err(Missing::Stack(address));
                }
                Err(missing) if matches!(*register, RSP | RIP) => return Err(missing),
                Err(_) => caller.set(*register, None),
            }
        }
        Ok(caller)
    }

    fn rule(&self, register: u16) -> Option<&RegisterRule> {
        self.registers.iter().find(|(number, _)| *number == register).map(|(_, rule)| rule)
    }

    fn value(
        &self,
        rule: &RegisterRule,
        register: u16,
        cfa: u64,
        registers: &Registers,
        stack: &StackCopy,
    ) -> Result<Option<u64>, Missing> {
        Ok(match rule {
            RegisterRule::Undefined => None,
            RegisterRule::Same => registers.get(register),
            RegisterRule::Offset(offset) => Some(word(stack, cfa.wrapping_add_signed(*offset))?),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(*offset)),
            RegisterRule::Register(other) => registers.get(*other),
            RegisterRule::Expression(code) => Some(word(stack, evaluate(code, Some(cfa), registers, stack)?)?),
            RegisterRule::ValExpression(code) => Some(evaluate(code, Some(cfa), registers, stack)?),
        })
    }
}

/// The word at `address`, or the first address that the copy would have to reach.
pub(super) fn word(stack: &StackCopy, address: u64) -> Result<u64, Missing> {
    stack.word(address).ok_or_else(|| {
        let partly = (stack.start..stack.end()).contains(&address);
        Missing::Stack(if partly { stack.end() } else { address })
    })
}

/// The result of a DWARF expression, `initial` pushed first.
fn evaluate(code: &[u8], initial: Option<u64>, registers: &Registers, stack: &StackCopy) -> Result<u64, Missing> {
    const NONSENSE: Missing = Missing::Sense("its DWARF expression cannot be evaluated");
    /// Real expressions have a handful of operations; a loop in a broken one must end.
    const OPERATIONS: u32 = 1000;
    let encoding = gimli::Encoding { format: gimli::Format::Dwarf32, version: 4, address_size: 8 };
    let mut evaluation = gimli::Expression(EndianSlice::new(code, LittleEndian)).evaluation(encoding);
    evaluation.set_max_iterations(OPERATIONS);
    if let Some(value) = initial {
        evaluation.set_initial_value(value);
    }
    let mut state = evaluation.evaluate();
    loop {
        state = match state.map_err(|_| NONSENSE)? {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = registers.get(register.0).ok_or(Missing::Register(register.0))?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let value = word(stack, address)?;
                let bits = u32::from(size.min(8)) * 8;
                let mask = 1u64.checked_shl(bits).map_or(u64::MAX, |over| over.wrapping_sub(1));
                evaluation.resume_with_memory(Value::Generic(value & mask))
            }
            EvaluationResult::RequiresCallFrameCfa => evaluation.resume_with_call_frame_cfa(initial.ok_or(NONSENSE)?),
            _ => return Err(NONSENSE),
        };
    }
    match evaluation.as_result() {
        [gimli::Piece { location: Location::Address { address }, .. }] => Ok(*address),
        [gimli::Piece { location: Location::Value { value }, .. }] => value.to_u64(u64::MAX).map_err(|_| NONSENSE),
        _ => Err(NONSENSE),
    }
}
