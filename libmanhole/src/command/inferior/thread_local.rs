//! Where a thread has its block of a module's thread-local storage (ELF Handling For Thread-Local Storage, 3; glibc's libthread_db).
//!
//! Context: the agent's thread. The loader is not asked: its lists are read as memory. Where they are is told by glibc's own table for
//! debuggers, the `_thread_db_*` words of libc.so: size in bits, count, offset.

use crate::command::session::World;
use crate::symbols::Symbols;
use crate::sys::thread;
use crate::{loader, memory};

/// The address of thread `tid`'s block of the module that starts at `module`.
pub(super) fn block(symbols: &mut Symbols<'_>, world: &World, tid: i32, module: u64) -> Result<u64, String> {
    let pointer = thread::pointer_of(tid).ok_or_else(|| {
        format!("thread {tid} is not one of the C library's: its thread-local variables are not to be found")
    })?;
    let id = module_id(symbols, world, module)?;
    // The thread pointer leads to the thread's vector of blocks, each a pointer and a word that is not for us.
    let vector = word(pointer.wrapping_add(8))?;
    match word(vector.wrapping_add(id.wrapping_mul(16)))? {
        // TLS_DTV_UNALLOCATED of glibc.
        u64::MAX => Err(format!("thread {tid} has not used the thread-local variables of this module yet")),
        block => Ok(block),
    }
}

/// The number of the module in the vectors.
fn module_id(symbols: &mut Symbols<'_>, world: &World, module: u64) -> Result<u64, String> {
    let unknown = || "the C library does not tell where thread-local variables are".to_owned();
    let described = symbols.find(&world.modules, &world.memory, "_thread_db_link_map_l_tls_modid");
    let description = described.first().ok_or_else(unknown)?.address;
    let offset = word(description.wrapping_add(8))? & u64::from(u32::MAX);
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

fn word(address: u64) -> Result<u64, String> {
    let mut bytes = [0; 8];
    match memory::read_now(address, &mut bytes) {
        Ok(8) => Ok(u64::from_le_bytes(bytes)),
        _ => Err(super::super::session::no_access(address)),
    }
}
