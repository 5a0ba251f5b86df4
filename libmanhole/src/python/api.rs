//! The functions of the interpreter that a console calls: those that every version since 3.8 exports under the same names.
//!
//! Context: the agent's thread. They are looked up in the mapped ELF, never by the loader; who calls them is the call gate.

use once_cell::race::OnceBox;

use crate::memory::Memory;
use crate::modules::Modules;
use crate::symbols::exported;

/// Addresses of functions; the names are those of Python's C API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    /// `int Py_IsInitialized(void)`.
    pub(crate) is_initialized: u64,
    /// `int Py_IsFinalizing(void)`, or with an underscore before 3.13.
    pub(crate) is_finalizing: Option<u64>,
    /// `const char *Py_GetVersion(void)`.
    pub(crate) version: u64,
    /// `PyGILState_STATE PyGILState_Ensure(void)`.
    pub(crate) ensure: u64,
    /// `void PyGILState_Release(PyGILState_STATE)`.
    pub(crate) release: u64,
    /// `int Py_AtExit(void (*)(void))`.
    pub(crate) at_exit: u64,
    /// `int PyGILState_Check(void)`.
    pub(crate) has_lock: u64,
    /// `PyThreadState *PyGILState_GetThisThreadState(void)`.
    pub(crate) thread_state: u64,
    /// `PyThreadState *PyEval_SaveThread(void)`.
    pub(crate) save: u64,
    /// `void PyEval_RestoreThread(PyThreadState *)`.
    pub(crate) restore: Option<u64>,
    /// `int Py_AddPendingCall(int (*)(void *), void *)`.
    pub(crate) add_pending: Option<u64>,
    /// `PyObject *PyImport_AddModule(const char *)`.
    pub(crate) module: Option<u64>,
    /// `PyObject *PyObject_CallMethod(PyObject *, const char *, const char *, ...)`.
    pub(crate) call_method: Option<u64>,
    /// `PyObject *PyDict_New(void)`.
    pub(crate) new_dict: u64,
    /// `PyObject *PyRun_StringFlags(const char *, int, PyObject *, PyObject *, PyCompilerFlags *)`.
    pub(crate) run: u64,
    /// `char *PyBytes_AsString(PyObject *)`.
    pub(crate) bytes: u64,
    /// `Py_ssize_t PyBytes_Size(PyObject *)`.
    pub(crate) size_of_bytes: u64,
    /// `PyObject *PyLong_FromLong(long)`.
    pub(crate) new_long: u64,
    /// `PyObject *PyCFunction_NewEx(PyMethodDef *, PyObject *, PyObject *)`.
    pub(crate) new_function: u64,
    /// `int PyDict_SetItemString(PyObject *, const char *, PyObject *)`.
    pub(crate) set_item: u64,
    /// `void Py_DecRef(PyObject *)`.
    pub(crate) release_object: u64,
    /// `void PyErr_Clear(void)`.
    pub(crate) clear_error: u64,
    /// `void PyErr_Fetch(PyObject **, PyObject **, PyObject **)`.
    pub(crate) fetch_error: u64,
    /// `int PyThreadState_SetAsyncExc(unsigned long, PyObject *)`.
    pub(crate) raise_in: u64,
    /// `PyInterpreterState *PyInterpreterState_Main(void)`.
    pub(crate) main_interpreter: u64,
    /// `PyThreadState *PyInterpreterState_ThreadHead(PyInterpreterState *)`.
    pub(crate) first_thread: u64,
    /// `PyThreadState *PyThreadState_Next(PyThreadState *)`.
    pub(crate) next_thread: u64,
    /// `PyThreadState *PyThreadState_Swap(PyThreadState *)`.
    pub(crate) swap_thread: u64,
    /// `PyObject *PyObject_CallObject(PyObject *, PyObject *)`.
    pub(crate) call_object: u64,
    /// `PyObject *PyTuple_GetItem(PyObject *, Py_ssize_t)`.
    pub(crate) tuple_item: u64,
    /// `unsigned long PyLong_AsUnsignedLong(PyObject *)`.
    pub(crate) unsigned_long: u64,
    /// Where the address of the exception `KeyboardInterrupt` stands.
    pub(crate) keyboard_interrupt: u64,
}

/// What [`Api::note`] was told first. Not behind a lock: a child may be forked at any moment.
static NOTED: OnceBox<Api> = OnceBox::new();

impl Api {
    /// From here on [`Api::noted`] knows it, in whatever the interpreter calls of ours.
    pub(crate) fn note(&self) {
        NOTED.get_or_init(|| Box::new(*self));
    }

    /// The one that was noted.
    pub(crate) fn noted() -> Option<&'static Api> {
        NOTED.get()
    }

    /// The interpreter's, if there is one.
    pub(crate) fn find(modules: &Modules, memory: &Memory) -> Option<Api> {
        modules.modules.iter().find_map(|module| {
            let find = |name| exported(memory, module, name);
            Some(Api {
                // What came with 3.8: older ones are not known.
                ensure: find("Py_BytesMain").and_then(|_| find("PyGILState_Ensure"))?,
                is_initialized: find("Py_IsInitialized")?,
                is_finalizing: find("Py_IsFinalizing").or_else(|| find("_Py_IsFinalizing")),
                version: find("Py_GetVersion")?,
                release: find("PyGILState_Release")?,
                at_exit: find("Py_AtExit")?,
                has_lock: find("PyGILState_Check")?,
                thread_state: find("PyGILState_GetThisThreadState")?,
                save: find("PyEval_SaveThread")?,
                restore: find("PyEval_RestoreThread"),
                add_pending: find("Py_AddPendingCall"),
                module: find("PyImport_AddModule"),
                call_method: find("PyObject_CallMethod"),
                new_dict: find("PyDict_New")?,
                run: find("PyRun_StringFlags")?,
                bytes: find("PyBytes_AsString")?,
                size_of_bytes: find("PyBytes_Size")?,
                new_long: find("PyLong_FromLong")?,
                new_function: find("PyCFunction_NewEx")?,
                set_item: find("PyDict_SetItemString")?,
                release_object: find("Py_DecRef")?,
                clear_error: find("PyErr_Clear")?,
                fetch_error: find("PyErr_Fetch")?,
                raise_in: find("PyThreadState_SetAsyncExc")?,
                main_interpreter: find("PyInterpreterState_Main")?,
                first_thread: find("PyInterpreterState_ThreadHead")?,
                next_thread: find("PyThreadState_Next")?,
                swap_thread: find("PyThreadState_Swap")?,
                call_object: find("PyObject_CallObject")?,
                tuple_item: find("PyTuple_GetItem")?,
                unsigned_long: find("PyLong_AsUnsignedLong")?,
                keyboard_interrupt: find("PyExc_KeyboardInterrupt")?,
            })
        })
    }
}
