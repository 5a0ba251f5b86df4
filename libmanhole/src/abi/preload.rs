//! How the library has come into the process: preloaded, or linked or dlopened by somebody who means to call it.
//!
//! Context: constructor only, where the loader's lock is ours or nobody's.

use core::ffi::{CStr, c_void};

use crate::children::Environment;
use crate::sys::{at_start, fd, own_image};

/// Whether the loader was told to preload this library: `LD_PRELOAD` or `/etc/ld.so.preload` names it (ld.so(8)).
///
/// A library that comes after the C library in the order of loading was not preloaded, whatever the environment says by now.
#[cold]
pub(super) fn is_preloaded(variables: &Environment) -> bool {
    let Some(name) = own_name() else { return false };
    if !comes_before_libc() {
        return false;
    }
    variables.get(at_start::PRELOAD).is_some_and(|text| lists(text, name))
        || fd::read_file(c"/etc/ld.so.preload", 65536).is_ok_and(|text| lists(&text, name))
}

#[cold]
fn lists(text: &[u8], name: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b':' | b' ' | b'\t' | b'\n')).any(|entry| last_component(entry) == name)
}

#[cold]
fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The name of the file that this library was loaded from.
#[cold]
fn own_name() -> Option<&'static [u8]> {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    let here = is_preloaded as *const () as *const c_void;
    // SAFETY: the loader fills the structure when it knows the address.
    let path = unsafe {
        if libc::dladdr(here, info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init().dli_fname
    };
    // SAFETY: the loader's own text, which stays as long as this library.
    (!path.is_null()).then(|| last_component(unsafe { CStr::from_ptr(path) }.to_bytes()))
}

/// Whether the loader lists this library before the C library.
#[cold]
fn comes_before_libc() -> bool {
    /// 0 while neither has been seen, then which came first.
    struct First(u8);
    #[cold]
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, first: *mut c_void) -> i32 {
        // SAFETY: the loader passes a valid structure and our own pointer back.
        let (info, first) = unsafe { (&*info, &mut *first.cast::<First>()) };
        let libc_function = libc::getauxval as *const () as usize;
        // SAFETY: the loader's array of this length.
        let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let holds = |header: &libc::Elf64_Phdr| {
            let start = (info.dlpi_addr + header.p_vaddr) as usize;
            header.p_type == libc::PT_LOAD && (start..start + header.p_memsz as usize).contains(&libc_function)
        };
        if info.dlpi_addr as usize == own_image::base() {
            first.0 = 1;
        } else if headers.iter().any(holds) {
            first.0 = 2;
        }
        i32::from(first.0 != 0)
    }
    let mut first = First(0);
    // SAFETY: the function has the type that is asked for, and the pointer outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), core::ptr::from_mut(&mut first).cast()) };
    first.0 == 1
}
