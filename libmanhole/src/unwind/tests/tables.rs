//! Test: call frame information is found in every kind of object, with a search table and without.

use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::unwind::table::Tables;

#[test]
fn the_vdso_is_described() {
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let vdso = modules.modules.iter().find(|module| module.path == "[vdso]").unwrap();
    let mut tables = Tables::default();
    let found = (vdso.start..vdso.end).step_by(16).filter(|&at| tables.find(&memory, vdso, at).is_some()).count();
    assert!(found > 4);
}

#[test]
fn a_scan_of_all_entries_finds_what_the_table_finds() {
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let libc = modules.module(libc::getpid as *const () as u64).unwrap();
    let (hdr, _) = libc.eh_frame_hdr.unwrap();
    let relative = memory.u32(hdr + 4).unwrap().cast_signed();
    let frames = (hdr + 4).wrapping_add_signed(relative.into());
    // Version 1, an absolute pointer to the entries, no count, no table.
    let mut bytes = vec![1, 0x00, 0xff, 0xff];
    bytes.extend(frames.to_le_bytes());
    let module = Module { eh_frame_hdr: Some((bytes.as_ptr() as u64, 12)), ..libc.clone() };
    let (mut sorted, mut scanned) = (Tables::default(), Tables::default());
    let mut found = 0;
    for address in (libc.start..libc.end).step_by(499) {
        let described = sorted.find(&memory, libc, address);
        found += usize::from(described.is_some());
        assert_eq!(described, scanned.find(&memory, &module, address), "{address:#x}");
    }
    assert!(found > 1000);
}
