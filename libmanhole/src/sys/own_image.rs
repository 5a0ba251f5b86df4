//! This library's own ELF image in memory.
//!
//! Context: any. Reads mapped, constant memory.

use core::ptr::NonNull;

use super::mapping::PAGE;

/// The initial image of this library's thread-local storage, its size with the zeroes behind, and its alignment; `None`
/// when it has none.
pub(crate) fn thread_local_storage() -> Option<(&'static [u8], usize, usize)> {
    let (base, headers) = program_headers();
    let tls = headers.iter().find(|header| header.p_type == libc::PT_TLS)?;
    let start = NonNull::new((base + tls.p_vaddr as usize) as *mut u8)?;
    // SAFETY: the loader has mapped what the program header describes, for as long as this library runs.
    let image = unsafe { core::slice::from_raw_parts(start.as_ptr(), tls.p_filesz as usize) };
    Some((image, tls.p_memsz as usize, tls.p_align as usize))
}

/// Whether `address` lies in this library: a handler there is one of ours. Safe in a signal handler.
pub(crate) fn contains(address: usize) -> bool {
    let (base, headers) = program_headers();
    headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
        let start = base + header.p_vaddr as usize;
        (start..start + header.p_memsz as usize).contains(&address)
    })
}

/// Has [`super::arch`] let go of the pages of code and constants when nothing is to be done for long. They stay in their file: what is used again comes back
/// from there, and the kernel maps fifteen more around each.
#[cold]
pub(crate) fn let_pages_go() {
    use core::sync::atomic::Ordering::Relaxed;
    // Nothing writes there, so that the file has all of it; whoever reads or executes it meanwhile reads it anew.
    let (start, end) = constant();
    // The loader looks at the symbols again and again; they are few.
    let start = relocations().map_or(start, |relocations| relocations.next_multiple_of(PAGE));
    let [from, to] = &super::arch::PAGES_TO_GO;
    to.store(end, Relaxed);
    from.store(start, Relaxed);
}

/// Where the relocations begin: the linkers put all that a symbol is found by before them.
#[cold]
fn relocations() -> Option<usize> {
    const DT_RELA: usize = 7;
    let (base, headers) = program_headers();
    let dynamic = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
    let first = (base + dynamic.p_vaddr as usize) as *const [usize; 2];
    // SAFETY: the loader has mapped the table, of pairs of words, for as long as this library runs.
    let table = unsafe { core::slice::from_raw_parts(first, dynamic.p_memsz as usize / 16) };
    let [_, address] = table.iter().find(|[tag, _]| *tag == DT_RELA)?;
    // The loader may have added where the library is.
    Some(if *address < base { base + address } else { *address })
}

/// No longer: the system call may be one that kills.
pub(crate) fn keep_pages() {
    let [from, _] = &super::arch::PAGES_TO_GO;
    from.store(0, core::sync::atomic::Ordering::SeqCst);
}

/// From where to where nothing is ever written: the linkers put code and constants before all else.
#[cold]
fn constant() -> (usize, usize) {
    let (base, headers) = program_headers();
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let end = loaded.take_while(|header| header.p_flags & libc::PF_W == 0).last();
    (base, end.map_or(base, |last| (base + (last.p_vaddr + last.p_memsz) as usize).next_multiple_of(PAGE)))
}

/// Where the library is mapped.
#[cfg(not(any(test, fuzzing)))]
pub(crate) fn base() -> usize {
    program_headers().0
}

/// Where the library is mapped, and its program headers.
#[cold]
fn program_headers() -> (usize, &'static [libc::Elf64_Phdr]) {
    unsafe extern "C" {
        // The linker's own symbol for the start of the image (ld, lld).
        #[link_name = "__ehdr_start"]
        static HEADER: libc::Elf64_Ehdr;
    }
    // SAFETY: the linker defines it; the first page of the image is mapped and constant.
    let (base, header) = unsafe { (&raw const HEADER as usize, &HEADER) };
    let first = base + header.e_phoff as usize;
    // SAFETY: the table lies in the first page, where the linker puts it behind the header.
    (base, unsafe { core::slice::from_raw_parts(first as *const _, usize::from(header.e_phnum)) })
}
