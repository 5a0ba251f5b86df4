//! Where a thread has its block of a module's thread-local storage (ELF Handling For Thread-Local Storage, 3; glibc's libthread_db).
//!
//! Context: the agent's thread. The loader is not asked: its lists are read as memory. Where they are is told by glibc's own table for
//! debuggers, the `_thread_db_*` words of libc.so: size in bits, count, offset.

use crate::command::session::World;
use crate::symbols::Symbols;
use crate::sys::thread;
use crate::{loader, memory};

/// Pieces of the loader's table of modules that are followed.
const PIECES: usize = 10_000;

/// The address of what is so many bytes from the start of thread `tid`'s block of the module that starts at `module`.
pub(super) fn variable(
    symbols: &mut Symbols<'_>,
    world: &World,
    tid: i32,
    module: u64,
    offset: u64,
) -> Result<u64, String> {
    Ok(block(symbols, world, tid, module)?.wrapping_add(offset))
}

/// The address of thread `tid`'s block of the module that starts at `module`.
fn block(symbols: &mut Symbols<'_>, world: &World, tid: i32, module: u64) -> Result<u64, String> {
    let pointer = thread::pointer_of(tid).ok_or_else(|| {
        format!("thread {tid} is not one of the C library's: its thread-local variables are not to be found")
    })?;
    let id = module_id(symbols, world, module)?;
    let not_yet = || format!("thread {tid} has not used the thread-local variables of this module yet");
    // The thread pointer leads to the thread's vector: a word for its generation, then for each module a pointer, each with a word that is
    // not for us. Before them is how many there are.
    let vector = word(pointer.wrapping_add(8))?;
    if id > word(vector.wrapping_sub(16))? {
        return Err(not_yet());
    }
    // A number is given again when a module goes: what the vector has under it is the new one's only if it is not older than that.
    let is_older = match generation(symbols, world, id) {
        Some(generation) => word(vector)? < generation,
        None => false,
    };
    match word(vector.wrapping_add(id.wrapping_mul(16)))? {
        // TLS_DTV_UNALLOCATED of glibc.
        0 | u64::MAX => Err(not_yet()),
        _ if is_older => Err(not_yet()),
        block => Ok(block),
    }
}

/// The number of the module in the vectors.
fn module_id(symbols: &mut Symbols<'_>, world: &World, module: u64) -> Result<u64, String> {
    let unknown = || "the C library does not tell where thread-local variables are".to_owned();
    let offset = told(symbols, world, "_thread_db_link_map_l_tls_modid").ok_or_else(unknown)?;
    let bias = world.modules.modules.iter().find(|known| known.start == module).map(|known| known.bias);
    let bias = bias.ok_or_else(|| "the module is gone".to_owned())?;
    let objects = loader::objects(&world.memory, &world.modules.modules);
    let object = objects.iter().find(|object| object.bias == bias);
    let object = object.ok_or_else(|| "the loader does not know the module".to_owned())?;
    match word(object.map.wrapping_add(offset))? {
        0 => Err("the module has no thread-local variables".to_owned()),
        id => Ok(id),
    }
}

/// The generation of the loader's table with which a module has got its number (`dtv_slotinfo` of glibc); `None` where that is not told.
fn generation(symbols: &mut Symbols<'_>, world: &World, id: u64) -> Option<u64> {
    let mut offset = |name: &str| told(symbols, world, name);
    let (list, length) =
        (offset("_thread_db_rtld_global__dl_tls_dtv_slotinfo_list")?, offset("_thread_db_dtv_slotinfo_list_len")?);
    let (next, slots) =
        (offset("_thread_db_dtv_slotinfo_list_next")?, offset("_thread_db_dtv_slotinfo_list_slotinfo")?);
    let of_slot = offset("_thread_db_dtv_slotinfo_gen")?;
    let size = address(symbols, world, "_thread_db_sizeof_dtv_slotinfo").and_then(|at| word(at).ok())?;
    let size = size & u64::from(u32::MAX);
    let global = address(symbols, world, "_rtld_global")?;
    let mut piece = word(global.wrapping_add(list)).ok()?;
    let mut first = 0_u64;
    for _ in 0..PIECES {
        if piece == 0 {
            return None;
        }
        let count = word(piece.wrapping_add(length)).ok()?;
        if let Some(at) = id.checked_sub(first).filter(|at| *at < count) {
            let slot = piece.wrapping_add(slots).wrapping_add(at.wrapping_mul(size));
            return word(slot.wrapping_add(of_slot)).ok();
        }
        first = first.checked_add(count)?;
        piece = word(piece.wrapping_add(next)).ok()?;
    }
    None
}

/// An offset that glibc tells debuggers.
fn told(symbols: &mut Symbols<'_>, world: &World, name: &str) -> Option<u64> {
    let description = address(symbols, world, name)?;
    Some(word(description.wrapping_add(8)).ok()? & u64::from(u32::MAX))
}

fn address(symbols: &mut Symbols<'_>, world: &World, name: &str) -> Option<u64> {
    symbols.find(&world.modules, &world.memory, name).first().map(|symbol| symbol.address)
}

fn word(address: u64) -> Result<u64, String> {
    let mut bytes = [0; 8];
    match memory::read_now(address, &mut bytes) {
        Ok(8) => Ok(u64::from_le_bytes(bytes)),
        _ => Err(super::super::session::no_access(address)),
    }
}
