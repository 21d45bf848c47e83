//! Saying mistakes aloud that the server lets through: once per worker, place in the code, and cause.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::ffi::{self, lua_State};

use super::args::number;
use super::call::{Call, Caller, Needs, Reply, attempt, begin, guard, warnings_enabled};
use super::server::Server;
use super::stack::string;
use crate::error::Error;
use crate::host::{Host, Level, ServerPhase};
use crate::response::warning::{Subject, Warning};

/// How far up the code that calls `exit` is remembered.
const MAX_CALLERS: c_int = 4;
/// How far up the code that calls a setter is looked at.
const MAX_FRAMES: c_int = 50;

/// Logs a mistake, unless it was logged before.
pub fn emit<S: Server>(call: &Call<S>, caller: Caller, mistake: &Warning) {
    let position = position(call.state, caller as c_int);
    call.with_request(|request| {
        if request.is_new(mistake, &position) {
            request.log(Level::Warn, format!("{position}{}", mistake.text()).as_bytes());
        }
    });
}

/// Where the function at `level` is, as `luaL_where` writes it, but without Lua's memory.
fn position(state: *mut lua_State, level: c_int) -> String {
    // SAFETY: the running function and its callers are there; all this only reads them.
    unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        if ffi::lua_getstack(state, level, &mut frame) == 0
            || ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut frame) == 0
            || frame.currentline <= 0
        {
            return String::new();
        }
        let source = CStr::from_ptr(frame.short_src.as_ptr()).to_string_lossy();
        format!("{source}:{}: ", frame.currentline)
    }
}

/// The request of which the header filter was left by an exit last; 0 when that request is over. Compiled
/// code reads it, too.
#[cfg_attr(feature = "exports", unsafe(export_name = "kong_response_exited"))]
static EXITED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The addresses of the functions that made that exit. They are compared, never followed.
    static EXITING: RefCell<Vec<usize>> = RefCell::default();
}

/// Whether this is the address of the request of which the header filter was left by an exit last.
#[inline]
pub fn is_last_exit(request_address: usize) -> bool {
    EXITED.load(Ordering::Relaxed) == request_address
}

/// Forgets the exit. The request may be another by now that has the same address.
pub fn forget_exit() {
    EXITED.store(0, Ordering::Relaxed);
}

/// Remembers which code has made an exit in the header filter: nginx lets it run on.
///
/// That is the function that called `exit`, be it through `pcall`, and those in the same file that called
/// it. Their callers, the gateway's code, do well to run on. Where `exit` was returned, its function is over.
///
/// # Safety
///
/// The running function is the native one below a facade's.
pub unsafe fn remember_exit<S: Server>(call: &Call<S>) {
    // The response is made, and stays, whatever becomes of this.
    drop(attempt(|| {
        // SAFETY: by contract.
        EXITED.store(unsafe { remembered(call) }, Ordering::Relaxed);
        Ok(())
    }));
}

/// The address of the request, once it is remembered which functions have made its exit; else 0.
unsafe fn remembered<S: Server>(call: &Call<S>) -> usize {
    let state = call.state;
    // SAFETY: by contract: the frames are only read, and functions pushed and popped.
    let functions = unsafe {
        if !warnings_enabled(state) || !is_running_on(state) {
            return 0;
        }
        functions_of_one_file(state)
    };
    EXITING.set(functions);
    // Of one exit after another in the same request, the first has seen to it.
    let will_be_forgotten = is_last_exit(call.request_address())
        // SAFETY: `begin` has found the request, and the call is not over.
        || unsafe { call.server.forget_exit_at_end() };
    if will_be_forgotten { call.request_address() } else { 0 }
}

/// The addresses of the function that called the facade, and of those in the same file that called it.
unsafe fn functions_of_one_file(state: *mut lua_State) -> Vec<usize> {
    let mut functions = Vec::new();
    // SAFETY: the frames are only read, and a function pushed and popped.
    unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        let mut file = std::ptr::null();
        for level in 2..2 + MAX_CALLERS {
            if ffi::lua_getstack(state, level, &mut frame) == 0
                || ffi::lua_getinfo(state, c"Sf".as_ptr(), &mut frame) == 0
            {
                break;
            }
            let function = ffi::lua_topointer(state, -1).addr();
            ffi::lua_pop(state, 1);
            if functions.is_empty() && is_native(&frame) {
                continue;
            }
            // Names of files are interned.
            if !functions.is_empty() && frame.source != file {
                break;
            }
            file = frame.source;
            functions.push(function);
        }
    }
    functions
}

/// Whether a frame, of which it is known, is one of a C function.
fn is_native(frame: &ffi::lua_Debug) -> bool {
    // SAFETY: lua_getinfo has set it to a static C string.
    !frame.what.is_null() && unsafe { CStr::from_ptr(frame.what) } == c"C"
}

/// Whether the code that is going on has called the facade itself, by whatever name, or has had `pcall` do
/// so. After `return refuse()`, which returned `exit()`, it is code that called something else.
unsafe fn is_running_on(state: *mut lua_State) -> bool {
    // SAFETY: the facade's frame is at level 1; names are C strings while their frame is; what is pushed
    // is popped.
    unsafe {
        let top = ffi::lua_gettop(state);
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        let mut caller = std::mem::zeroed::<ffi::lua_Debug>();
        let known = ffi::lua_getstack(state, 1, &mut frame) != 0
            && ffi::lua_getinfo(state, c"nf".as_ptr(), &mut frame) != 0
            && ffi::lua_getstack(state, 2, &mut caller) != 0
            && ffi::lua_getinfo(state, c"Sf".as_ptr(), &mut caller) != 0;
        let is_ours = known
            && (is_native(&caller)
                || !frame.name.is_null()
                    && match CStr::from_ptr(frame.namewhat).to_bytes() {
                        b"local" => holds(state, &frame, |n| ffi::lua_getlocal(state, &caller, n)),
                        b"upvalue" => {
                            holds(state, &frame, |n| ffi::lua_getupvalue(state, top + 2, n))
                        }
                        _ => [c"exit", c"error"].contains(&CStr::from_ptr(frame.name)),
                    });
        ffi::lua_settop(state, top);
        is_ours
    }
}

/// Whether one of the variables that `push` pushes, from 1 on, has the name by which the function of the
/// `frame` was called, and holds that function.
///
/// # Safety
///
/// The function is below the topmost value; `push` returns the variable's name, or pushes nothing and
/// returns null.
unsafe fn holds(
    state: *mut lua_State,
    frame: &ffi::lua_Debug,
    mut push: impl FnMut(c_int) -> *const c_char,
) -> bool {
    // SAFETY: by contract.
    unsafe {
        let function = ffi::lua_topointer(state, -2);
        for n in 1.. {
            let name = push(n);
            if name.is_null() {
                break;
            }
            let value = ffi::lua_topointer(state, -1);
            ffi::lua_pop(state, 1);
            if value == function && CStr::from_ptr(name) == CStr::from_ptr(frame.name) {
                return true;
            }
        }
        false
    }
}

/// A function that sets something: [`run`](super::call::run), and a look at whether it should have been
/// called.
///
/// # Safety
///
/// As [`run`](super::call::run).
pub unsafe fn run_setter<S: Server>(
    state: *mut lua_State,
    function: &'static str,
    needs: Needs,
    work: impl FnOnce(&Call<S>) -> Result<Reply, Error>,
) -> c_int {
    let caller = Caller::Direct;
    // SAFETY: by contract.
    unsafe {
        let call = begin::<S>(state, caller, needs);
        let reply = guard(state, caller, || {
            let reply = work(&call)?;
            if is_last_exit(call.request_address()) {
                look_back(&call, function);
            }
            Ok(reply)
        });
        reply.push(state)
    }
}

/// Says so if the code that made an exit in the header filter has run on, into `function`.
#[cold]
unsafe fn look_back<S: Server>(call: &Call<S>, function: &'static str) {
    let state = call.state;
    // SAFETY: the upvalues are there, and the arguments at the bottom of the stack.
    unsafe {
        let in_filter =
            call.with_request(|request| request.server_phase() == ServerPhase::HeaderFilter);
        if in_filter && warnings_enabled(state) && is_running(state) {
            let subject = subject(state);
            emit(call, Caller::Direct, &Warning::AfterExit { function, subject });
        }
    }
}

/// Whether one of the functions that made the exit is on the stack.
unsafe fn is_running(state: *mut lua_State) -> bool {
    // SAFETY: frames are only read, and a function pushed and popped.
    EXITING.with_borrow(|functions| unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        for level in 1..MAX_FRAMES {
            if ffi::lua_getstack(state, level, &mut frame) == 0
                || ffi::lua_getinfo(state, c"f".as_ptr(), &mut frame) == 0
            {
                break;
            }
            let function = ffi::lua_topointer(state, -1).addr();
            ffi::lua_pop(state, 1);
            if functions.contains(&function) {
                return true;
            }
        }
        false
    })
}

/// What the setter whose arguments are on the stack has set.
unsafe fn subject(state: *mut lua_State) -> Subject {
    // SAFETY: the first argument is there, and was found to be right; raw reads run no Lua code.
    unsafe {
        if let Some(status) = number(state, 1) {
            return Subject::Status(status as u16);
        }
        if let Some(name) = string(state, 1) {
            return Subject::Headers(vec![name.to_vec()]);
        }
        let mut names = Vec::new();
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, 1) != 0 {
            names.extend(string(state, -2).map(<[u8]>::to_vec));
            ffi::lua_pop(state, 1);
        }
        names.sort();
        Subject::Headers(names)
    }
}
