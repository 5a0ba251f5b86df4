//! Whether a thread is inside the allocator, stdio or the loader, where it may hold a lock that a call would wait for.
//!
//! Context: the agent's thread. Pure: it looks at the names of frames.

/// Functions of the C library's in which a thread may hold what it needs to create a thread: the list of all threads and their stacks, or at a fork all of the allocator's.
const THREADS: [&str; 21] = [
    "pthread_create",
    // As glibc's source calls it.
    "pthread_create_2_1",
    "create_thread",
    "allocate_stack",
    "fork",
    "Fork",
    "forkpty",
    "daemon",
    "malloc_fork_lock_parent",
    "nptl_setxid",
    "setuid",
    "setgid",
    "seteuid",
    "setegid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "nptl_free_stacks",
    "nptl_deallocate_stack",
];

/// Of stacks that the C library gives back: the one in which they are kept.
const JOINS: [&str; 6] = [
    "pthread_join",
    "pthread_clockjoin_ex",
    "pthread_timedjoin_np",
    "pthread_tryjoin_np",
    "pthread_detach",
    "nptl_free_tcb",
];

/// Whether a thread with these functions, innermost first, may hold what is needed to create a thread, beside the allocator's and the loader's locks.
pub(crate) fn holds_threads<'n>(functions: impl Iterator<Item = &'n str>) -> bool {
    let mut gives_back = false;
    functions.map(plain).any(|name| {
        gives_back |= matches!(name, "munmap" | "madvise" | "mprotect");
        THREADS.contains(&name) || gives_back && JOINS.contains(&name)
    })
}

/// What a thread is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    Allocator,
    Loader,
    Stdio,
}

impl Room {
    /// As people say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Room::Allocator => "the allocator",
            Room::Loader => "the loader",
            Room::Stdio => "stdio",
        }
    }
}

/// The allocator's functions: glibc's, and the entries of others.
const ALLOCATOR: [&str; 36] = [
    "mallocx",
    "rallocx",
    "xallocx",
    "sallocx",
    "dallocx",
    "sdallocx",
    "malloc",
    "free",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "cfree",
    "malloc_trim",
    "malloc_info",
    "mallinfo",
    "mallinfo2",
    "malloc_stats",
    "mallopt",
    "_int_malloc",
    "_int_free",
    "_int_realloc",
    "_int_memalign",
    "malloc_consolidate",
    "sysmalloc",
    "systrim",
    "arena_get2",
    "ptmalloc_init",
    "tcache_init",
    "__libc_malloc",
    "__libc_free",
    "__libc_calloc",
];

/// The loader's, in libc and in ld.so.
const LOADER: [&str; 22] = [
    "dlopen",
    "dlmopen",
    "dlclose",
    "dlsym",
    "dlvsym",
    "dladdr",
    "dladdr1",
    "dlinfo",
    "dlerror",
    "dl_iterate_phdr",
    "_dl_open",
    "_dl_close",
    "_dl_map_object",
    "_dl_lookup_symbol_x",
    "_dl_fixup",
    "dl_open_worker",
    "_dl_init",
    "call_init",
    "_dl_fini",
    "_dl_relocate_object",
    "_dl_addr",
    "__tls_get_addr",
];

/// stdio's.
const STDIO: [&str; 40] = [
    "printf",
    "fprintf",
    "vprintf",
    "vfprintf",
    "dprintf",
    "puts",
    "fputs",
    "putc",
    "fputc",
    "putchar",
    "fwrite",
    "fread",
    "fgets",
    "gets",
    "getc",
    "fgetc",
    "getchar",
    "getline",
    "getdelim",
    "ungetc",
    "scanf",
    "fscanf",
    "vfscanf",
    "vscanf",
    "fflush",
    "fclose",
    "fopen",
    "fdopen",
    "freopen",
    "fseek",
    "ftell",
    "rewind",
    "setvbuf",
    "setbuf",
    "perror",
    "psignal",
    "flockfile",
    "popen",
    "pclose",
    "fcloseall",
];

/// Whether the module at this path is the C library, or its loader.
pub(crate) fn is_library(object: &str) -> bool {
    let file = object.rsplit('/').next().unwrap_or(object);
    ["libc.so", "libc-", "ld-", "libpthread"].iter().any(|start| file.starts_with(start))
}

/// Whether an allocator's own thread (jemalloc's `background_thread`) waits for something to do: it has given back what it holds then.
fn is_idle_allocator(frames: &[(&str, &str)]) -> bool {
    let begins = |function: &str| matches!(function.trim_start_matches('_'), "start_thread" | "clone3" | "clone");
    let first = frames.iter().rev().find(|(function, _)| !begins(function));
    first.is_some_and(|(_, object)| is_allocator(object))
        && frames.iter().any(|(function, _)| function.contains("pthread_cond_") && function.contains("wait"))
}

/// Whether a module is an allocator's.
fn is_allocator(object: &str) -> bool {
    let file = object.rsplit('/').next().unwrap_or(object);
    ["jemalloc", "tcmalloc", "mimalloc", "malloc"].iter().any(|name| file.contains(name))
}

/// A function's name without version and parameters.
fn bare(function: &str) -> &str {
    function.split(['@', '(']).next().unwrap_or(function)
}

/// As the C library's documentation calls a function of its own.
fn plain(function: &str) -> &str {
    let plain = bare(function).trim_start_matches('_');
    let plain = plain.strip_prefix("GI_").map_or(plain, |rest| rest.trim_start_matches('_'));
    plain.strip_prefix("IO_").or_else(|| plain.strip_prefix("libc_")).unwrap_or(plain)
}

/// What a function belongs to. `object` is the path of the module that it is in.
fn room(function: &str, object: &str) -> Option<Room> {
    let file = object.rsplit('/').next().unwrap_or(object);
    let (bare, plain) = (bare(function), plain(function));
    let is_libc = file.starts_with("libc.so") || file.starts_with("libc-");
    let is_of_cpp = ["operator new", "operator delete"].iter().any(|start| function.starts_with(start));
    let is_known = ["je_", "mi_", "tc_"].iter().any(|start| bare.starts_with(start));
    if is_allocator(object)
        || is_of_cpp
        || is_known
        || (!file.starts_with("ld-") && (ALLOCATOR.contains(&bare) || ALLOCATOR.contains(&plain)))
    {
        return Some(Room::Allocator);
    }
    if file.starts_with("ld-") || LOADER.contains(&bare) || (is_libc && LOADER.contains(&plain)) {
        return Some(Room::Loader);
    }
    let is_stdio = is_libc
        && (STDIO.contains(&plain)
            || bare.starts_with("_IO_")
            || plain.starts_with("vfprintf")
            || plain.starts_with("vfscanf"));
    is_stdio.then_some(Room::Stdio)
}

/// What the frames say, innermost first, as names and modules: the most dangerous room, and the function by which it was entered.
pub(crate) fn of_frames<'n>(frames: impl Iterator<Item = (&'n str, &'n str)>) -> Option<(Room, &'n str)> {
    let frames: Vec<_> = frames.collect();
    let is_idle = is_idle_allocator(&frames);
    let mut found: Option<(Room, &str)> = None;
    for (function, object) in frames {
        if is_idle && is_allocator(object) {
            continue;
        }
        if let Some(room) = room(function, object)
            && found.is_none_or(|(known, _)| room <= known)
        {
            found = Some((room, function));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_hold_what_threads_are_made_of() {
        let holds = |functions: &[&'static str]| holds_threads(functions.iter().copied());
        assert!(holds(&["tgkill", "setxid_signal_thread", "__GI___nptl_setxid", "__setuid", "main"]));
        assert!(holds(&["__GI_munmap", "__nptl_free_tcb", "__pthread_clockjoin_ex", "main"]));
        assert!(holds(&["munmap", "___pthread_join", "main"]));
        assert!(holds(&["_Fork", "__libc_fork", "main"]));
        assert!(holds(&["mmap", "pthread_create@@GLIBC_2.34", "main"]));
        assert!(holds(&["__GI___mmap", "__pthread_create_2_1", "main"]));
        assert!(
            !holds(&["__futex_abstimed_wait_common64", "__pthread_clockjoin_ex", "main"]),
            "it waits for the thread's end"
        );
        assert!(!holds(&["clock_nanosleep", "nanosleep", "sleep", "main", "__libc_start_main"]));
    }

    #[test]
    fn frames_tell_the_room() {
        const LIBC: &str = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        let tell = |frames: &[(&'static str, &'static str)]| of_frames(frames.iter().copied());
        assert_eq!(
            tell(&[("__lll_lock_wait_private", LIBC), ("_int_free", LIBC), ("free", LIBC), ("main", "/a")]),
            Some((Room::Allocator, "free"))
        );
        assert_eq!(
            tell(&[("read", LIBC), ("_IO_file_underflow", LIBC), ("fgets", LIBC), ("main", "/a")]),
            Some((Room::Stdio, "fgets"))
        );
        assert_eq!(
            tell(&[
                ("nanosleep", LIBC),
                ("init", "/b.so"),
                ("call_init", "/lib64/ld-linux-x86-64.so.2"),
                ("dlopen", LIBC)
            ]),
            Some((Room::Loader, "dlopen"))
        );
        assert_eq!(
            tell(&[("f", "/a"), ("__GI___dl_iterate_phdr", LIBC)]),
            Some((Room::Loader, "__GI___dl_iterate_phdr"))
        );
        const JEMALLOC: &str = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
        let thread = [("background_work", JEMALLOC), ("start_thread", LIBC), ("__clone3", LIBC)];
        let with = |inner: &[(&'static str, &'static str)]| tell(&[inner, &thread[..]].concat());
        assert_eq!(with(&[("__futex_wait", LIBC), ("pthread_cond_wait", LIBC)]), None, "it waits for work");
        assert_eq!(with(&[("", JEMALLOC)]), Some((Room::Allocator, "background_work")), "it works");
        let caller = tell(&[("pthread_cond_wait", LIBC), ("", JEMALLOC), ("main", "/a")]);
        assert_eq!(caller, Some((Room::Allocator, "")), "a thread of the program's");
        for name in ["operator new(unsigned long)", "operator delete[](void*)", "je_malloc", "sdallocx"] {
            assert_eq!(
                tell(&[("lock", "/a"), (name, "/a"), ("main", "/a")]).map(|(room, _)| room),
                Some(Room::Allocator)
            );
        }
        assert_eq!(tell(&[("epoll_wait", LIBC), ("main", "/a")]), None);
        assert_eq!(tell(&[("puts", "/a"), ("main", "/a")]), None);
        assert_eq!(tell(&[("malloc", "/a"), ("printf", LIBC)]), Some((Room::Allocator, "malloc")));
    }
}
