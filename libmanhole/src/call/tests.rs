//! Calls through the gate, against what Rust and the C library make of them; faults that come back.
#![allow(unsafe_code)]

use std::rc::Rc;

use manhole_expressions::Target;
use manhole_expressions::ast::{Builtin, Path, Tag};
use manhole_expressions::target::{Found, Stop, SymbolAt};
use manhole_expressions::types::{
    Copies, Function, Language, Member, MemberLocation, Record, RecordKind, Type, TypeId,
};
use manhole_expressions::value::Value;

use super::Call;

/// This process, with the types that a test has made.
#[derive(Default)]
struct Here(Vec<Rc<Type>>);

impl Target for Here {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64> {
        match crate::memory::read_now(address, buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            _ => Err(address),
        }
    }
    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }
    fn describe(&mut self, type_id: TypeId) -> Rc<Type> {
        self.0[type_id.0 as usize].clone()
    }
    fn intern(&mut self, type_: Type) -> TypeId {
        self.0.push(Rc::new(type_));
        TypeId(self.0.len() as u32 - 1)
    }
    fn find_type(&mut self, _: Option<Tag>, _: &Path) -> Option<TypeId> {
        None
    }
    fn complete(&mut self, type_id: TypeId) -> TypeId {
        type_id
    }
    fn find(&mut self, _: &Path) -> Result<Found, Stop> {
        Ok(Found::Nothing)
    }
    fn find_linkage(&mut self, _: &str) -> Option<u64> {
        None
    }
    fn register(&mut self, _: &str) -> Option<Value> {
        None
    }
    fn symbol_at(&mut self, _: u64) -> Option<SymbolAt> {
        None
    }
    fn call(&mut self, _: u64, _: TypeId, _: Vec<Value>) -> Result<Value, Stop> {
        Err(Stop::Suspended)
    }
    fn function_behind(&mut self, _: u64) -> Result<Option<(u64, TypeId)>, Stop> {
        Ok(None)
    }

    fn allocate(&mut self, _: &[u8]) -> Result<u64, Stop> {
        Err(Stop::Suspended)
    }
    fn owns(&mut self, _: u64) -> bool {
        false
    }
    fn check(&mut self) -> Result<(), Stop> {
        Ok(())
    }
}

impl Here {
    fn builtin(&mut self, builtin: Builtin) -> TypeId {
        self.intern(builtin.as_type())
    }

    fn record(&mut self, members: &[(u64, TypeId)], size: u64) -> TypeId {
        let members = members
            .iter()
            .map(|(offset, type_id)| Member {
                name: Some(format!("m{offset}")),
                type_id: *type_id,
                location: MemberLocation::Offset(*offset),
                is_base: false,
                is_artificial: false,
                access: manhole_expressions::types::Access::Public,
            })
            .collect();
        self.intern(Type::Record(Record {
            kind: RecordKind::Struct,
            name: None,
            size,
            language: Language::C,
            is_declaration: false,
            members,
            methods: Vec::new(),
            template_arguments: Vec::new(),
            nested: Vec::new(),
            variants: None,
            copies: Copies::AsMembers,
            copying: Copies::AsMembers,
        }))
    }

    /// Calls the function and gives the bytes of what it returns.
    fn call(&mut self, function: *const (), returns: TypeId, arguments: &[(TypeId, Vec<u8>)]) -> Vec<u8> {
        let type_id = self.intern(Type::Function(Function {
            returns,
            parameters: arguments.iter().map(|(type_id, _)| *type_id).collect(),
            is_variadic: true,
            is_prototyped: true,
            is_of_rust: false,
        }));
        let values: Vec<Value> = arguments.iter().map(|(type_id, bytes)| Value::new(*type_id, bytes.clone())).collect();
        let mut call = Call::new(function as u64, type_id, &values, self).unwrap();
        // SAFETY: the tests name functions that take these arguments.
        unsafe { call.pass() };
        assert!(!call.is_abandoned());
        match call.result(self).unwrap().content {
            manhole_expressions::value::Content::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }
}

fn bytes<T: Copy>(value: T) -> Vec<u8> {
    // SAFETY: plain data.
    unsafe { core::slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) }.to_vec()
}

extern "C" fn many(a: i8, b: f32, c: u64, d: f64, e: i32, f: i64, g: i64, h: i64, i: i64, j: f64) -> f64 {
    f64::from(a)
        + f64::from(b) * 10.0
        + c as f64 * 100.0
        + d * 1e3
        + f64::from(e) * 1e4
        + f as f64 * 1e5
        + g as f64 * 1e6
        + h as f64 * 1e7
        + i as f64 * 1e8
        + j * 1e9
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Mixed {
    number: f64,
    count: i32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
struct Large {
    words: [u64; 5],
}

extern "C" fn swap(mixed: Mixed, by: i32) -> Mixed {
    Mixed { number: f64::from(mixed.count), count: mixed.number as i32 + by }
}

extern "C" fn enlarge(a: u64, large: Large, b: u64) -> Large {
    let mut words = large.words;
    words[0] += a;
    words[4] += b;
    Large { words }
}

#[test]
fn integers_and_floats_in_registers_and_on_the_stack() {
    let mut here = Here::default();
    let (c, f, d) = (here.builtin(Builtin::Char), here.builtin(Builtin::Float), here.builtin(Builtin::Double));
    let (i, l) = (here.builtin(Builtin::Int), here.builtin(Builtin::Long));
    let result = here.call(
        many as *const (),
        d,
        &[
            (c, bytes(-1i8)),
            (f, bytes(2f32)),
            (l, bytes(3u64)),
            (d, bytes(4f64)),
            (i, bytes(-5i32)),
            (l, bytes(6i64)),
            (l, bytes(7i64)),
            (l, bytes(8i64)),
            (l, bytes(9i64)),
            (d, bytes(1f64)),
        ],
    );
    assert_eq!(result, bytes(many(-1, 2.0, 3, 4.0, -5, 6, 7, 8, 9, 1.0)));
}

#[test]
fn structures_by_value_in_and_out() {
    let mut here = Here::default();
    let (d, i, l) = (here.builtin(Builtin::Double), here.builtin(Builtin::Int), here.builtin(Builtin::UnsignedLong));
    let mixed = here.record(&[(0, d), (8, i)], 16);
    let result =
        here.call(swap as *const (), mixed, &[(mixed, bytes(Mixed { number: 41.0, count: 7 })), (i, bytes(1i32))]);
    assert_eq!(result[..12], bytes(Mixed { number: 7.0, count: 42 })[..12]);
    let words = here.intern(Type::Array { of: l, count: Some(5), is_vector: false });
    let large = here.record(&[(0, words)], 40);
    let given = Large { words: [1, 2, 3, 4, 5] };
    let result = here.call(enlarge as *const (), large, &[(l, bytes(10u64)), (large, bytes(given)), (l, bytes(20u64))]);
    assert_eq!(result, bytes(Large { words: [11, 2, 3, 4, 25] }));
}

#[test]
fn variadic_functions_and_long_double() {
    let mut here = Here::default();
    let (i, l, d) = (here.builtin(Builtin::Int), here.builtin(Builtin::UnsignedLong), here.builtin(Builtin::Double));
    let long_double = here.builtin(Builtin::LongDouble);
    let number = c"2.625";
    // SAFETY: names of the C library.
    let strtold = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"strtold".as_ptr()) };
    let value = here.call(strtold.cast_const().cast(), long_double, &[(l, bytes(number.as_ptr())), (l, bytes(0u64))]);
    assert_eq!(value.len(), 16);
    let mut text = [0u8; 128];
    let format = c"%s %d %f %Lf %d";
    let length = here.call(
        libc::snprintf as *const (),
        i,
        &[
            (l, bytes(text.as_mut_ptr())),
            (l, bytes(128u64)),
            (l, bytes(format.as_ptr())),
            (l, bytes(number.as_ptr())),
            (i, bytes(3i32)),
            (d, bytes(2.5f64)),
            (long_double, value),
            (i, bytes(-4i32)),
        ],
    );
    let expected = "2.625 3 2.500000 2.625000 -4";
    assert_eq!(length, bytes(expected.len() as i32));
    assert_eq!(&text[..expected.len()], expected.as_bytes());
}

extern "C" fn divides(by: i32) -> i32 {
    let result: i32;
    // SAFETY: the divisor may be zero: that is what is tested.
    unsafe {
        core::arch::asm!("cdq", "idiv {0:e}", in(reg) by, inlateout("eax") 100 => result, out("edx") _);
    }
    result
}

extern "C" fn overflows(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 512]);
    if depth == u64::MAX { 0 } else { overflows(depth + 1) + room[3] }
}

extern "C" fn aborts() {
    std::process::abort();
}

#[test]
fn faults_come_back() {
    let cases: [(*const (), u64, i32); 4] = [
        (divides as *const (), 0, libc::SIGFPE),
        (libc::strlen as *const (), 8, libc::SIGSEGV),
        (overflows as *const (), 0, libc::SIGSEGV),
        (aborts as *const (), 0, libc::SIGABRT),
    ];
    let mut seen = Vec::new();
    for (function, argument, _) in cases {
        let mut here = Here::default();
        let l = here.builtin(Builtin::UnsignedLong);
        let type_id = here.intern(Type::Function(Function {
            returns: l,
            parameters: vec![l],
            is_variadic: false,
            is_prototyped: true,
            is_of_rust: false,
        }));
        let mut call = Call::new(function as u64, type_id, &[Value::new(l, bytes(argument))], &mut here).unwrap();
        let call = std::thread::spawn(move || {
            super::guard::begin(3, call.gate());
            // SAFETY: functions of this file and of the C library, under the guard.
            unsafe { call.pass() };
            super::guard::end(3);
            call
        });
        // What the agent's thread does: it looks at the fault, and lets the call go.
        let fault = loop {
            match super::guard::fault(3) {
                Some(fault) => break fault,
                None => std::thread::yield_now(),
            }
        };
        seen.push((fault.signal, fault.address));
        super::guard::release(3);
        assert!(call.join().unwrap().is_abandoned());
    }
    assert_eq!(seen.iter().map(|(signal, _)| *signal).collect::<Vec<_>>(), cases.map(|(_, _, signal)| signal));
    assert_eq!(seen[1].1, 8);
}
