//! `$_thread`, `$_siginfo` and their like: gdb's convenience variables that say where one is.
//!
//! Context: the agent's thread.

use manhole_expressions::Target;
use manhole_expressions::ast::Builtin;
use manhole_expressions::types::{Access, Copies, Language, Member, MemberLocation, Record, RecordKind, Type, TypeId};
use manhole_expressions::value::{Missing, Value};

use super::Inferior;
use crate::held;

/// Where `_sifields` stands: behind three numbers and what aligns it (linux/include/uapi/asm-generic/siginfo.h).
const FIELDS: u64 = 16;

impl Inferior<'_, '_> {
    /// The variable of this name; `None` when it is not one of these.
    pub(super) fn own_variable(&mut self, name: &str) -> Option<Value> {
        match name {
            "_inferior" => Some(self.int(1)),
            // gdb counts from 1, and 0 is no thread.
            "_thread" | "_gthread" => {
                let number = self.view().map_or(0, |view| view.stack.number);
                Some(self.int(i32::try_from(number).unwrap_or(i32::MAX)))
            }
            "_siginfo" => {
                let tid = self.view().map(|view| view.stack.thread.tid);
                let type_id = self.siginfo();
                let held = held::current().filter(|held| Some(held.tid) == tid);
                Some(match held {
                    Some(held) => Value::new(type_id, held.info.to_vec()),
                    // The kernel tells a signal to the handler that it runs, and to nobody else.
                    None => Value::missing(type_id, Missing::NotCaptured),
                })
            }
            _ => None,
        }
    }

    fn int(&mut self, number: i32) -> Value {
        let type_id = self.intern(Builtin::Int.as_type());
        Value::new(type_id, number.to_le_bytes().to_vec())
    }

    /// `siginfo_t` of sigaction(2), with the names that gdb gives its parts.
    fn siginfo(&mut self) -> TypeId {
        let mut plain = |builtin: Builtin| self.intern(builtin.as_type());
        let (int, unsigned, short) = (plain(Builtin::Int), plain(Builtin::Unsigned), plain(Builtin::Short));
        let (long, void) = (plain(Builtin::Long), plain(Builtin::Void));
        let pointer = self.intern(Type::Pointer(void));
        let pad = self.intern(Type::Array { of: int, count: Some(28), is_vector: true });
        let value = self.record(RecordKind::Union, "sigval", 8, &[("sival_int", int, 0), ("sival_ptr", pointer, 0)]);
        let value = self.intern(Type::Typedef { name: "sigval_t".to_owned(), to: value });
        let pid = self.intern(Type::Typedef { name: "__pid_t".to_owned(), to: int });
        let uid = self.intern(Type::Typedef { name: "__uid_t".to_owned(), to: unsigned });
        let clock = self.intern(Type::Typedef { name: "__clock_t".to_owned(), to: long });
        let bounds = self.anonymous(RecordKind::Struct, 16, &[("_lower", pointer, 0), ("_upper", pointer, 8)]);
        let sender = [("si_pid", pid, 0), ("si_uid", uid, 4)];
        let kill = self.anonymous(RecordKind::Struct, 8, &sender);
        let timer = [("si_tid", int, 0), ("si_overrun", int, 4), ("si_sigval", value, 8)];
        let timer = self.anonymous(RecordKind::Struct, 16, &timer);
        let queued = self.anonymous(RecordKind::Struct, 16, &[sender[0], sender[1], ("si_sigval", value, 8)]);
        let child = [sender[0], sender[1], ("si_status", int, 8), ("si_utime", clock, 16), ("si_stime", clock, 24)];
        let child = self.anonymous(RecordKind::Struct, 32, &child);
        let fault = [("si_addr", pointer, 0), ("_addr_lsb", short, 8), ("_addr_bnd", bounds, 16)];
        let fault = self.anonymous(RecordKind::Struct, 32, &fault);
        let poll = self.anonymous(RecordKind::Struct, 16, &[("si_band", long, 0), ("si_fd", int, 8)]);
        let call = [("_call_addr", pointer, 0), ("_syscall", int, 8), ("_arch", unsigned, 12)];
        let call = self.anonymous(RecordKind::Struct, 16, &call);
        let fields = [
            ("_pad", pad, 0),
            ("_kill", kill, 0),
            ("_timer", timer, 0),
            ("_rt", queued, 0),
            ("_sigchld", child, 0),
            ("_sigfault", fault, 0),
            ("_sigpoll", poll, 0),
            ("_sigsys", call, 0),
        ];
        let fields = self.anonymous(RecordKind::Union, held::INFO as u64 - FIELDS, &fields);
        let members = [("si_signo", int, 0), ("si_errno", int, 4), ("si_code", int, 8), ("_sifields", fields, FIELDS)];
        self.record(RecordKind::Struct, "siginfo", held::INFO as u64, &members)
    }

    fn anonymous(&mut self, kind: RecordKind, size: u64, members: &[(&str, TypeId, u64)]) -> TypeId {
        self.intern(of_members(kind, None, size, members))
    }

    fn record(&mut self, kind: RecordKind, name: &str, size: u64, members: &[(&str, TypeId, u64)]) -> TypeId {
        self.intern(of_members(kind, Some(name.to_owned()), size, members))
    }
}

/// A record of members, each with its type and where it stands.
fn of_members(kind: RecordKind, name: Option<String>, size: u64, members: &[(&str, TypeId, u64)]) -> Type {
    let members = members.iter().map(|&(name, type_id, offset)| Member {
        name: Some(name.to_owned()),
        type_id,
        location: MemberLocation::Offset(offset),
        is_base: false,
        is_artificial: false,
        access: Access::Public,
    });
    Type::Record(Record {
        kind,
        name,
        size,
        language: Language::C,
        is_declaration: false,
        members: members.collect(),
        methods: Vec::new(),
        template_arguments: Vec::new(),
        nested: Vec::new(),
        variants: None,
        copies: Copies::AsMembers,
        copying: Copies::AsMembers,
    })
}
